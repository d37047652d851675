import { type Chunk, type ColumnPlaces, type LogSchema, placesOf } from '../columns/index.ts';
import { segmentGone } from './chunk-store.ts';
import { DAY_MS, parseKey, scopeKey, scopeRange } from './layout.ts';
import { type ChunkEntry, decodeManifest, decodeScope, type Manifest, NO_CUT } from './manifest.ts';
import type { ChunkPlace, LogView, ScanPlan, ScanRequest } from './scan-types.ts';
import { ScanMemory, StoredChunk } from './stored-chunk.ts';
import { StoredSchemas } from './stored-schemas.ts';

function isIn({ min_ms, max_ms, min_sequence }: ChunkEntry, request: ScanRequest): boolean {
  if (min_ms >= request.end_ms || max_ms < request.start_ms) return false;
  return request.upTo === undefined || min_sequence <= request.upTo;
}

function isWhole({ min_ms, max_ms, max_sequence }: ChunkEntry, request: ScanRequest): boolean {
  if (min_ms < request.start_ms || max_ms >= request.end_ms) return false;
  return request.upTo === undefined || max_sequence <= request.upTo;
}

/** The time before which a tenant's rows are gone, ms; undefined: none are. */
export function cutOf(view: Pick<LogView, 'segments'>, scope: string): number | undefined {
  const stored = view.segments.get(scopeKey(scope));
  if (stored === undefined) return undefined;
  const { firstDay } = decodeScope(stored);
  return firstDay === NO_CUT ? undefined : firstDay * DAY_MS;
}

/**
 * What a request reads, from manifests alone. The plan's `request` begins at the tenant's cut where that is later:
 * go by it, not by the one that was given.
 */
export function planScan(view: LogView, asked: ScanRequest): ScanPlan {
  let firstDay = NO_CUT;
  const segments: { readonly key: string; readonly manifest: Manifest }[] = [];
  // The cut comes first: its key is below those of the segments.
  for (const { key, value } of view.segments.scan(scopeRange(asked.scope))) {
    if (parseKey(key).order === undefined) firstDay = decodeScope(value).firstDay;
    else segments.push({ key: Buffer.from(key).toString('base64url'), manifest: decodeManifest(value) });
  }
  const request = { ...asked, start_ms: Math.max(asked.start_ms, firstDay * DAY_MS) };
  const chunks: ChunkPlace[] = [];
  const read = new Set<string>();
  let [rows, bytes] = [0, 0];
  for (const { key, manifest } of segments) {
    if (request.start_ms >= request.end_ms) break;
    for (const [chunk, entry] of manifest.chunks.entries()) {
      if (!isIn(entry, request)) continue;
      const { rows: count, min_ms, max_ms } = entry;
      chunks.push({ segment: key, chunk, rows: count, isWhole: isWhole(entry, request), min_ms, max_ms });
      read.add(key);
      rows += entry.rows;
      bytes += entry.bytes;
    }
  }
  return { request, chunks, segments: read.size, rows, bytes };
}

/** Divides a plan into at most `parts` of about as many rows each, for as many threads. */
export function splitPlan(plan: ScanPlan, parts: number): ScanPlan[] {
  const split: ScanPlan[] = [];
  let taken = 0;
  let chunks: ChunkPlace[] = [];
  const close = (): void => {
    if (chunks.length === 0) return;
    const rows = chunks.reduce((sum, chunk) => sum + chunk.rows, 0);
    const segments = new Set(chunks.map(({ segment }) => segment)).size;
    const bytes = Math.round((plan.bytes * rows) / plan.rows);
    split.push({ request: plan.request, chunks, segments, rows, bytes });
    chunks = [];
  };
  for (const chunk of plan.chunks) {
    chunks.push(chunk);
    taken += chunk.rows;
    if (taken * parts >= plan.rows * (split.length + 1)) close();
  }
  close();
  return split;
}

/** What of a plan lies in [start_ms, end_ms). */
export function narrowPlan(plan: ScanPlan, start_ms: number, end_ms: number): ScanPlan {
  const request = {
    ...plan.request,
    start_ms: Math.max(start_ms, plan.request.start_ms),
    end_ms: Math.min(end_ms, plan.request.end_ms),
  };
  const chunks: ChunkPlace[] = [];
  for (const chunk of plan.chunks) {
    const { min_ms = Number.NEGATIVE_INFINITY, max_ms = Number.POSITIVE_INFINITY } = chunk;
    if (max_ms < request.start_ms || min_ms >= request.end_ms) continue;
    const isInside = min_ms >= request.start_ms && max_ms < request.end_ms;
    chunks.push({ ...chunk, isWhole: chunk.isWhole && isInside });
  }
  const rows = chunks.reduce((sum, chunk) => sum + chunk.rows, 0);
  const segments = new Set(chunks.map(({ segment }) => segment)).size;
  const bytes = plan.rows === 0 ? 0 : Math.round((plan.bytes * rows) / plan.rows);
  return { request, chunks, segments, rows, bytes };
}

/**
 * Shows each chunk of a plan to `visit`, until it says false. What a chunk gives is valid until the next one.
 * Columns of `schema` that a segment does not have are none. Throws `log_segment_gone` when the plan is of another
 * snapshot and the log has moved on, and `log_column_changed`.
 */
export function scanChunks(
  view: LogView,
  plan: ScanPlan,
  schema: Pick<LogSchema, 'columns' | 'items'>,
  visit: (chunk: Chunk) => unknown,
): void {
  const schemas = new StoredSchemas(view.segments);
  const memory = new ScanMemory();
  const placesById = new Map<number, ColumnPlaces>();
  let open: { readonly name: string; readonly key: Uint8Array; readonly manifest: Manifest } | undefined;
  for (const { segment, chunk, isWhole: whole } of plan.chunks) {
    if (open?.name !== segment) open = openSegment(view, segment);
    const { key, manifest } = open;
    let places = placesById.get(manifest.schema);
    if (places === undefined) {
      places = placesOf(schema, schemas.get(manifest.schema));
      placesById.set(manifest.schema, places);
    }
    const at = { segment: key, chunk, isWhole: whole };
    const entry = manifest.chunks[chunk] as ChunkEntry;
    if (visit(new StoredChunk(view.chunks, at, entry, places, memory)) === false) return;
  }
}

function openSegment(view: LogView, name: string) {
  const key = Buffer.from(name, 'base64url');
  const value = view.segments.get(key);
  if (value === undefined) throw segmentGone();
  return { name, key, manifest: decodeManifest(value) };
}

/**
 * The rows of a chunk that a plan's request asks for, into `out`, which has room for all rows of the chunk. Says
 * how many there are.
 */
export function selectRows(chunk: Chunk, request: ScanRequest, out: Uint32Array): number {
  const { rows } = chunk;
  if (chunk.isWhole) {
    for (let row = 0; row < rows; row++) out[row] = row;
    return rows;
  }
  const { start_ms, end_ms } = request;
  const upTo = request.upTo ?? Number.POSITIVE_INFINITY;
  const time_ms = chunk.time_ms();
  let count = 0;
  if (chunk.max_sequence <= upTo) {
    for (let row = 0; row < rows; row++) {
      const time = time_ms[row] as number;
      if (time >= start_ms && time < end_ms) out[count++] = row;
    }
    return count;
  }
  const sequence = chunk.sequence();
  for (let row = 0; row < rows; row++) {
    const time = time_ms[row] as number;
    if (time >= start_ms && time < end_ms && (sequence[row] as number) <= upTo) out[count++] = row;
  }
  return count;
}
