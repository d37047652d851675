export { type CsvLine, csvLines } from './csv-lines.ts';
export { type FileRecord, type FormatChoice, fileRecords, formatMembers, formatOf } from './file-records.ts';
export { type FoundObject, type ObjectFolder, ObjectSource } from './object-source.ts';
