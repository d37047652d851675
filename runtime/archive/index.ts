export { Archive } from './archive.ts';
export { ArchiveKeeper, type ArchiveOutcome, type ArchiveRequest } from './archive-keeper.ts';
export { ArchiveMetrics } from './archive-metrics.ts';
export { type ArchivePlace, openArchive, openArchiveKeeper, withArchive } from './archive-place.ts';
export { type ArchivedStream, type ArchiveReport, archiveOld } from './archive-run.ts';
export { ArchivedPayloads } from './archived-payloads.ts';
export { ArchivedSource } from './archived-source.ts';
export type { ErasableArchive, Erased, ErasedInArchive, EraseRewrite } from './erase.ts';
export { WriterLock } from './writer-lock.ts';
