export { exportKind } from './export-kind.ts';
export { type ExportRouteParts, exportRoutes } from './export-routes.ts';
