import { invariant } from '../base/index.ts';
import {
  ColumnEncoder,
  columnIndex,
  type LogSchema,
  physicalColumns,
  type RowBatch,
  RowBuffer,
  type RowsView,
  type StoredSchema,
  unionOf,
  visitColumns,
} from '../columns/index.ts';
import { DAY_MS, parseKey, SCOPES_RANGE } from './layout.ts';
import { cutScope, dayBySize } from './log-retention.ts';
import { decodeManifest, decodeScope, encodeManifest, type Manifest, NO_CUT } from './manifest.ts';
import { RowHasher } from './row-hasher.ts';
import { cutEvenly, sortRows } from './row-order.ts';
import type { LogView } from './scan-types.ts';
import { ScopeSegments } from './scope-segments.ts';
import { type ChunkRows, SegmentEncoder } from './segment-encoder.ts';
import { type LogTables, type MergeContext, mergeSegments } from './segment-merge.ts';
import { StoredSchemas } from './stored-schemas.ts';
import { dueMerge, type TierLimits } from './tiers.ts';
import { type LogUpkeep, UpkeepWork } from './upkeep.ts';

export interface LogLimits extends TierLimits {
  /** Segments of so many rows are sorted by (UTC day, `sortBy`, time); smaller ones stay as they came. */
  readonly sort_min_rows: number;
  /** Rows that are merged in a commit; one merge is done however large it is. */
  readonly merge_max_rows: number;
  /** Bytes of a tenant's rows, about: beyond it the oldest days go. Absent: no limit. */
  readonly scope_max_bytes?: number;
}

export const DEFAULT_LOG_LIMITS: LogLimits = {
  fanout: 8,
  sealed_min_rows: 131_072,
  segment_max_rows: 524_288,
  sort_min_rows: 65_536,
  merge_max_rows: 262_144,
};

/** A segment costs a merge as much as so many rows, however few it has. */
const SEGMENT_COST_ROWS = 100;

/** What a commit did, in rows and segments. */
export interface LogCommit {
  readonly appended: number;
  /** Rows that a cut hid or that came behind one. */
  readonly dropped: number;
  readonly tails: number;
  readonly merges: number;
  readonly merged: number;
  /** A piece of upkeep was done. */
  readonly hasKeptUp: boolean;
}

/**
 * The one writer of a log. `append` copies rows; `commit` writes them as one segment a tenant and merges what is
 * due, in the caller's transaction. When that is not committed the writer is of no use any more: open another.
 */
export class LogWriter {
  readonly #schema: LogSchema;
  readonly #limits: LogLimits;
  readonly #buffer: RowBuffer;
  readonly #schemas: StoredSchemas;
  #own: StoredSchema | undefined;
  readonly #encoder = new ColumnEncoder();
  readonly #scopes = new Map<string, ScopeSegments>();
  readonly #byCode: (ScopeSegments | undefined)[] = [];
  #source: RowBatch['dictionary'] | undefined;
  #hasher: RowHasher | undefined;
  /** Scopes whose segments may have to be merged. */
  readonly #due = new Set<ScopeSegments>();
  /** Cuts that wait for the commit, by scope; that of all scopes. */
  readonly #cuts = new Map<string, number>();
  /** Days that scopes keep behind their newest one. */
  readonly #keptDays = new Map<string, number>();
  readonly #upkeep = new UpkeepWork();
  #firstDay = NO_CUT;
  #isCut = false;

  /** Reads the manifests that are there. Throws `log_column_changed`. */
  constructor(view: LogView, schema: LogSchema, limits: Partial<LogLimits> = {}) {
    this.#schema = schema;
    this.#limits = { ...DEFAULT_LOG_LIMITS, ...limits };
    const hasHashes = schema.items.some(({ kind }) => kind === 'hash');
    invariant(!hasHashes, 'items have no hash columns');
    this.#buffer = new RowBuffer(schema);
    this.#schemas = new StoredSchemas(view.segments);
    unionOf(schema, this.#schemas.all);
    for (const { key, value } of view.segments.scan(SCOPES_RANGE)) {
      const { scope: name, order, id } = parseKey(key);
      const scope = this.#scope(name);
      if (order === undefined || id === undefined) scope.restore(decodeScope(value));
      else scope.entries.push(scope.entryOf(Uint8Array.from(key), order, id, decodeManifest(value)));
      this.#due.add(scope);
    }
  }

  /** Rows that wait for the commit. */
  get pendingRows(): number {
    return this.#buffer.rows;
  }

  /** These rows, until the next `append` or `commit`. */
  get pending(): RowsView {
    return this.#buffer.view;
  }

  /** Segments, their rows and bytes. */
  totals(): { readonly segments: number; readonly rows: number; readonly bytes: number } {
    let [segments, rows, bytes] = [0, 0, 0];
    for (const { entries } of this.#scopes.values()) {
      segments += entries.length;
      for (const entry of entries) {
        rows += entry.liveRows;
        bytes += entry.bytes;
      }
    }
    return { segments, rows, bytes };
  }

  #scope(name: string): ScopeSegments {
    let scope = this.#scopes.get(name);
    if (scope === undefined) {
      scope = new ScopeSegments(name);
      this.#scopes.set(name, scope);
    }
    return scope;
  }

  /** Copies the rows of a batch. All batches have one dictionary. */
  append(batch: RowBatch): void {
    this.#source ??= batch.dictionary;
    invariant(batch.dictionary === this.#source, 'all batches of a log have one dictionary');
    this.#buffer.append(batch);
  }

  /** Drops a tenant's rows before the UTC day that begins at `day_ms`, with the next commit. */
  dropBefore(scope: string, day_ms: number): void {
    this.#cuts.set(scope, Math.max(this.#cuts.get(scope) ?? NO_CUT, dayOf(day_ms)));
  }

  /** Likewise for every tenant, also those that come later. */
  dropAllBefore(day_ms: number): void {
    const day = dayOf(day_ms);
    if (day <= this.#firstDay) return;
    this.#firstDay = day;
    this.#isCut = true;
  }

  /**
   * From the next commit on a scope keeps so many whole UTC days before the day of its newest row; undefined: it
   * loses no more. What is gone stays gone.
   */
  keepDays(scope: string, days: number | undefined): void {
    if (days === undefined) this.#keptDays.delete(scope);
    else this.#keptDays.set(scope, days);
  }

  /**
   * From the next commit on does this beside what is due, a piece a commit, to the segments that are there now. Called
   * again under the same id it begins anew.
   */
  beginUpkeep(id: string, upkeep: LogUpkeep): void {
    this.#upkeep.begin(id, upkeep, this.#scopes.values());
  }

  /** What is done stays; the rest is not done. */
  endUpkeep(id: string): void {
    this.#upkeep.end(id);
  }

  /** There is more of it to do. */
  get hasUpkeep(): boolean {
    return this.#upkeep.next(this.#limits) !== undefined;
  }

  /**
   * Inside the transaction of the commit. `now_ms` is the event time that was reached: a row that is ahead of it
   * makes no day of `keepDays` go. `isUrgent`: upkeep waits.
   */
  commit(tables: LogTables, now_ms = Number.POSITIVE_INFINITY, isUrgent = false): LogCommit {
    let dropped = this.#cut(tables);
    const appended = this.#buffer.rows;
    const tails = appended === 0 ? { count: 0, dropped: 0 } : this.#writeTails(tables);
    this.#buffer.clear();
    dropped += tails.dropped;
    // By the rows of this commit, too: how rows are divided into commits makes no difference.
    for (const [name, days] of this.#keptDays) {
      const scope = this.#scope(name);
      dropped += this.#cutOne(tables, scope, Math.min(scope.lastDay, dayOf(now_ms)) - days);
    }
    const { scope_max_bytes } = this.#limits;
    if (scope_max_bytes !== undefined) {
      for (const scope of this.#due)
        dropped += cutScope(tables, scope, dayBySize(tables, scope, scope_max_bytes));
    }
    for (const scope of this.#due) this.#upkeep.changed(scope);
    const merged = this.#merge(tables);
    // A piece of upkeep is as large as a merge: one or the other in a commit.
    const keptUp = merged.merges > 0 || isUrgent ? undefined : this.#keepUp(tables);
    return { appended, dropped, tails: tails.count, ...(keptUp ?? merged), hasKeptUp: keptUp !== undefined };
  }

  #cut(tables: LogTables): number {
    let hidden = 0;
    for (const [name, day] of this.#cuts) hidden += this.#cutOne(tables, this.#scope(name), day);
    this.#cuts.clear();
    if (this.#isCut) {
      for (const scope of this.#scopes.values()) hidden += this.#cutOne(tables, scope, this.#firstDay);
      this.#isCut = false;
    }
    return hidden;
  }

  #cutOne(tables: LogTables, scope: ScopeSegments, day: number): number {
    if (day <= scope.firstDay) return 0;
    this.#due.add(scope);
    return cutScope(tables, scope, day);
  }

  #writeTails(tables: LogTables): { readonly count: number; readonly dropped: number } {
    const source = this.#buffer;
    const dictionary = this.#source;
    invariant(dictionary !== undefined, 'rows have a dictionary');
    this.#hasher ??= new RowHasher(dictionary, this.#schema.retraction);
    const groups = this.#group(tables);
    const stored = this.#ownSchema(tables);
    const encoder = new SegmentEncoder(this.#encoder, tables.chunks, physicalColumns(stored));
    let kept = 0;
    const tails = groups.map(({ scope, order, from, to }) => {
      const place = scope.newKey();
      const chunks = this.#divide(order, from, to);
      for (const [chunk, rows] of chunks.entries()) encoder.add(place.key, chunk, rows);
      kept += to - from;
      return { scope, place, order, from, to, chunks: chunks.length };
    });
    this.#hasher.start(source.rows);
    visitColumns(source, stored, [this.#hasher, encoder]);
    const entries = encoder.finish();
    let at = 0;
    for (const { scope, place, order, from, to, chunks } of tails) {
      const days = this.#hasher.sums(source.time_ms, order, from, to).sorted();
      const manifest: Manifest = { schema: stored.id, chunks: entries.slice(at, at + chunks), days };
      at += chunks;
      tables.segments.put(place.key, encodeManifest(manifest));
      scope.entries.push(scope.entryOf(place.key, place.order, place.id, manifest));
      this.#due.add(scope);
    }
    return { count: tails.length, dropped: source.rows - kept };
  }

  /** A backlog's commit is as large as a sealed segment: it is sorted at once, and not merged again. */
  #divide(order: Uint32Array, from: number, to: number): ChunkRows[] {
    const { sort_min_rows } = this.#limits;
    if (to - from < sort_min_rows) return cutEvenly(order, from, to);
    const source = this.#buffer;
    const time_ms = source.time_ms.subarray(0, source.rows);
    const firstDay = Math.floor(time_ms.reduce((least, time) => Math.min(least, time)) / DAY_MS);
    const hashes = source.hashes(columnIndex(this.#schema.columns, this.#schema.sortBy));
    return sortRows(order.slice(from, to), time_ms, firstDay, hashes);
  }

  #ownSchema({ segments }: LogTables): StoredSchema {
    this.#own ??= this.#schemas.store(segments, this.#schema);
    return this.#own;
  }

  /** The rows of each tenant, in order of arrival, without those behind its cut. */
  #group(tables: LogTables): TenantRows[] {
    const { rows, scope: codes, time_ms } = this.#buffer;
    const counts = new Map<number, number>();
    for (let row = 0; row < rows; ) {
      const code = codes[row] as number;
      const first = row;
      while (row < rows && codes[row] === code) row++;
      counts.set(code, (counts.get(code) ?? 0) + row - first);
    }
    const order = new Uint32Array(rows);
    const groups = new Map<number, TenantRows>();
    let start = 0;
    for (const [code, count] of counts) {
      groups.set(code, { scope: this.#scopeOf(tables, code), order, from: start, to: start });
      start += count;
    }
    for (let row = 0; row < rows; ) {
      const code = codes[row] as number;
      const group = groups.get(code) as TenantRows;
      const cut_ms = group.scope.firstDay * DAY_MS;
      for (; row < rows && codes[row] === code; row++)
        if ((time_ms[row] as number) >= cut_ms) order[group.to++] = row;
    }
    return [...groups.values()].filter(({ from, to }) => to > from);
  }

  #scopeOf(tables: LogTables, code: number): ScopeSegments {
    let scope = this.#byCode[code];
    if (scope === undefined) {
      scope = this.#scope(this.#source?.textOf(code) ?? '');
      this.#byCode[code] = scope;
      if (this.#firstDay > scope.firstDay) cutScope(tables, scope, this.#firstDay);
    }
    return scope;
  }

  #merge(tables: LogTables): { readonly merges: number; readonly merged: number } {
    if (this.#due.size === 0) return { merges: 0, merged: 0 };
    const { merge_max_rows } = this.#limits;
    const context = this.#mergeContext(tables);
    let merges = 0;
    let merged = 0;
    let cost_rows = 0;
    for (const scope of this.#due) {
      for (;;) {
        const due = dueMerge(scope.entries, this.#limits);
        if (due === undefined) break;
        // The rest is done with the next commits.
        cost_rows += due.rows + (due.to - due.from) * SEGMENT_COST_ROWS;
        if (merges > 0 && cost_rows > merge_max_rows) return { merges, merged };
        mergeSegments(context, scope, due.from, due.to);
        merges++;
        merged += due.rows;
      }
      this.#due.delete(scope);
    }
    return { merges, merged };
  }

  /** One piece of upkeep. */
  #keepUp(tables: LogTables): { readonly merges: number; readonly merged: number } | undefined {
    const next = this.#upkeep.next(this.#limits);
    if (next === undefined) return undefined;
    const { scope, merge } = next;
    mergeSegments(this.#mergeContext(tables), scope, merge.from, merge.to);
    return { merges: 1, merged: merge.rows };
  }

  #mergeContext(tables: LogTables): MergeContext {
    const { sort_min_rows } = this.#limits;
    return {
      ...{ tables, schema: this.#schema, schemas: this.#schemas },
      ...{ own: this.#ownSchema(tables), encoder: this.#encoder, sort_min_rows },
    };
  }
}

interface TenantRows {
  readonly scope: ScopeSegments;
  /** The rows order[from..to). */
  readonly order: Uint32Array;
  readonly from: number;
  to: number;
}

function dayOf(day_ms: number): number {
  return Math.floor(day_ms / DAY_MS);
}
