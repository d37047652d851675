export { csvRows, MAX_IMPORT_ROWS } from './import-csv.ts';
export { CHUNK_ROWS, IMPORT_JOB, type ImportInput, importKind } from './import-job.ts';
export { COLUMNS } from './import-row.ts';
export { boundaryOf, partsOf } from './multipart.ts';
