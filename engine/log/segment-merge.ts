import { invariant } from '../base/index.ts';
import {
  type ColumnEncoder,
  columnIndex,
  type LogSchema,
  physicalColumns,
  type StoredSchema,
  unionOf,
  visitColumns,
} from '../columns/index.ts';
import type { KvTable } from '../state/index.ts';
import { Reusable, StoredChunkBytes } from './chunk-store.ts';
import { DAY_MS } from './layout.ts';
import { DaySums, decodeManifest, encodeManifest, type Manifest, NO_CUT } from './manifest.ts';
import { cutEvenly, sortRows } from './row-order.ts';
import type { ScopeSegments, SegmentEntry } from './scope-segments.ts';
import { type ChunkRows, SegmentEncoder } from './segment-encoder.ts';
import { SegmentRows, type StoredSegment } from './segment-rows.ts';
import type { StoredSchemas } from './stored-schemas.ts';

/** The writer's side of a `LogView`. */
export interface LogTables {
  readonly segments: KvTable;
  readonly chunks: KvTable;
}

/** What merges share. */
export interface MergeContext {
  readonly tables: LogTables;
  readonly schema: LogSchema;
  readonly schemas: StoredSchemas;
  /** The stored form of `schema`. */
  readonly own: StoredSchema;
  readonly encoder: ColumnEncoder;
  /** Smaller segments keep the order of arrival. */
  readonly sort_min_rows: number;
}

export function readManifest(segments: KvTable, key: Uint8Array): Manifest {
  const value = segments.get(key);
  invariant(value !== undefined, 'a segment that the writer knows has a manifest');
  return decodeManifest(value);
}

/**
 * Writes the segments [from, to) of a tenant as one, in their place, without the rows behind the cut. Inside a
 * commit. A row keeps its sequence, and nothing is netted out.
 */
export function mergeSegments(context: MergeContext, scope: ScopeSegments, from: number, to: number): void {
  const { tables, schemas } = context;
  const old = scope.entries.slice(from, to);
  const segments = old.map(({ key }) => ({ key, manifest: readManifest(tables.segments, key) }));
  const stored = columnsOf(context, segments);
  const source = new SegmentRows(tables.chunks, segments, stored, schemas);
  const order = liveRows(source, scope.firstDay);
  const sums = new DaySums();
  for (const { manifest } of segments)
    for (const day of manifest.days) if (day.day >= scope.firstDay) sums.add(day);
  const days = sums.sorted();
  const merged: SegmentEntry[] = [];
  if (order.length > 0) {
    const { key, order: place, id } = scope.newKey(old[0]?.order);
    const encoder = new SegmentEncoder(context.encoder, tables.chunks, physicalColumns(stored));
    for (const [chunk, rows] of divide(context, source, order, days[0]?.day ?? 0, stored).entries())
      encoder.add(key, chunk, rows);
    visitColumns(source, stored, [encoder]);
    const manifest: Manifest = { schema: stored.id, chunks: encoder.finish(), days };
    tables.segments.put(key, encodeManifest(manifest));
    merged.push(scope.entryOf(key, place, id, manifest));
  }
  source.remove(tables.chunks);
  for (const { key } of old) tables.segments.remove(key);
  scope.entries.splice(from, to - from, ...merged);
}

/** The columns of the writer, and what else the segments have. */
function columnsOf(
  { tables, schema, schemas, own }: MergeContext,
  segments: readonly StoredSegment[],
): StoredSchema {
  const others = new Set(segments.map(({ manifest }) => manifest.schema).filter((id) => id !== own.id));
  if (others.size === 0) return own;
  return schemas.store(
    tables.segments,
    unionOf(
      schema,
      [...others].map((id) => schemas.get(id)),
    ),
  );
}

/** Removes a segment with its chunks; inside a commit. */
export function removeSegment(tables: LogTables, { key, manifest }: StoredSegment): void {
  const memory = new Reusable();
  for (let chunk = 0; chunk < manifest.chunks.length; chunk++)
    new StoredChunkBytes(tables.chunks, key, chunk, memory).remove(tables.chunks);
  tables.segments.remove(key);
}

function liveRows({ rows, time_ms }: SegmentRows, firstDay: number): Uint32Array {
  const order = new Uint32Array(rows);
  if (firstDay === NO_CUT) {
    for (let row = 0; row < rows; row++) order[row] = row;
    return order;
  }
  const cut_ms = firstDay * DAY_MS;
  let live = 0;
  for (let row = 0; row < rows; row++) if ((time_ms[row] as number) >= cut_ms) order[live++] = row;
  return order.subarray(0, live);
}

function divide(
  { schema, sort_min_rows }: MergeContext,
  source: SegmentRows,
  order: Uint32Array,
  firstDay: number,
  { columns }: Pick<LogSchema, 'columns'>,
): ChunkRows[] {
  if (order.length < sort_min_rows) return cutEvenly(order, 0, order.length);
  const hashes = source.hashes(columnIndex(columns, schema.sortBy));
  return sortRows(order, source.time_ms, firstDay, hashes);
}
