export { voucherExportRoutes } from './export-routes.ts';
export { voucherRoutes } from './voucher-routes.ts';
