import { MillraceError } from '../base/index.ts';
import { type Dictionary, type LogSchema, visitColumns } from '../columns/index.ts';
import { Reusable, StoredChunkBytes } from './chunk-store.ts';
import { ChunkKeys, parseKey, SCOPES_RANGE } from './layout.ts';
import { type DayEntry, decodeManifest, type Manifest, rowsOf } from './manifest.ts';
import { RowHasher } from './row-hasher.ts';
import type { LogView } from './scan-types.ts';
import { SegmentRows } from './segment-rows.ts';
import { StoredSchemas } from './stored-schemas.ts';

/** What a check went through. */
export interface VerifiedLog {
  readonly segments: number;
  readonly rows: number;
}

/**
 * Reads every row and compares it with what the manifests say: numbers of rows, ranges, digests; and that there is
 * no chunk without a manifest. Throws `log_corrupt` with the segment that is wrong.
 */
export function verifyLog(
  view: LogView,
  { retraction }: Pick<LogSchema, 'retraction'>,
  dictionary: Dictionary,
): VerifiedLog {
  const schemas = new StoredSchemas(view.segments);
  const hasher = new RowHasher(dictionary, retraction);
  const expected = new Set<string>();
  let [segments, rows] = [0, 0];
  for (const entry of view.segments.scan(SCOPES_RANGE)) {
    const { scope, order, id } = parseKey(entry.key);
    if (order === undefined) continue;
    const key = Uint8Array.from(entry.key);
    const manifest = decodeManifest(entry.value);
    const fail = corrupt(`Segment ${id} of "${scope}"`);
    collectKeys(view, key, manifest, expected);
    const stored = schemas.get(manifest.schema);
    const source = new SegmentRows(view.chunks, [{ key, manifest }], stored, schemas);
    checkChunks(source, manifest, fail);
    hasher.start(source.rows);
    visitColumns(source, stored, [hasher]);
    const all = Uint32Array.from({ length: source.rows }, (_unused, row) => row);
    checkDays(hasher.sums(source.time_ms, all, 0, source.rows).sorted(), manifest.days, fail);
    segments++;
    rows += source.rows;
  }
  for (const { key } of view.chunks.scan()) {
    if (!expected.has(Buffer.from(key).toString('latin1')))
      corrupt('The table of chunks')(`the row ${Buffer.from(key).toString('hex')} belongs to no segment`);
  }
  return { segments, rows };
}

type Fail = (what: string) => never;

function corrupt(where: string): Fail {
  return (what) => {
    throw new MillraceError(
      'log_corrupt',
      `${where} of the event log is not what its manifest says: ${what}. Rebuild the state from the stream.`,
    );
  };
}

function collectKeys(view: LogView, key: Uint8Array, { chunks }: Manifest, into: Set<string>): void {
  const keys = new ChunkKeys();
  const add = (bytes: Uint8Array): void => void into.add(Buffer.from(bytes).toString('latin1'));
  for (let chunk = 0; chunk < chunks.length; chunk++) {
    add(keys.head(key, chunk));
    const stored = new StoredChunkBytes(view.chunks, key, chunk, new Reusable());
    for (const place of stored.externals()) add(keys.column(key, chunk, place));
  }
}

function checkChunks(source: SegmentRows, manifest: Manifest, fail: Fail): void {
  const { time_ms, rows } = source;
  const sequence = source.sequence();
  if (rows !== rowsOf(manifest)) fail(`it has ${rows} rows, not ${rowsOf(manifest)}`);
  let start = 0;
  for (const [index, chunk] of manifest.chunks.entries()) {
    const end = start + chunk.rows;
    for (let row = start; row < end; row++) {
      const time = time_ms[row] as number;
      const position = sequence[row] as number;
      if (!(time >= chunk.min_ms && time <= chunk.max_ms)) fail(`chunk ${index} has a row at ${time}`);
      if (!(position >= chunk.min_sequence && position <= chunk.max_sequence))
        fail(`chunk ${index} has a row of sequence ${position}`);
    }
    start = end;
  }
}

function checkDays(found: readonly DayEntry[], said: readonly DayEntry[], fail: Fail): void {
  if (found.length !== said.length) fail(`its rows are of ${found.length} days, not ${said.length}`);
  for (const [at, day] of found.entries()) {
    const other = said[at] as DayEntry;
    if (day.day !== other.day || day.rows !== other.rows || day.net !== other.net)
      fail(`day ${day.day} has ${day.rows} rows (net ${day.net}), not ${other.rows} (${other.net})`);
    if (day.first !== other.first || day.second !== other.second) fail(`day ${day.day} has another digest`);
  }
}
