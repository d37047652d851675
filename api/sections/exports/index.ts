export { changedKpis, writeTables } from './export-answers.ts';
export { EXPORT_JOB, exportKind } from './export-kind.ts';
export { ExportMaking } from './export-making.ts';
export type { ExportParts } from './export-parts.ts';
export { exportTarget } from './export-request.ts';
export { exportRoutes } from './export-routes.ts';
export type { Seam } from './seam.ts';
export { hashOf, SeamChain } from './seam-chain.ts';
