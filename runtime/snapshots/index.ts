export { type CreateSnapshot, createSnapshot, snapshotsFolder } from './create.ts';
export { sha256Of, synced } from './files.ts';
export { MANIFEST_FILE, programVersion, type SnapshotManifest } from './manifest.ts';
export { type Restored, type RestoreSnapshot, restoreSnapshot } from './restore.ts';
export { type ListedSnapshot, listSnapshots, verifySnapshot } from './verify.ts';
