import { invariant } from '../base/index.ts';
import { ColumnEncoder } from './column-encoder.ts';
import { DAY_MS, parseKey, SCOPES_RANGE } from './layout.ts';
import { cutScope, dayBySize } from './log-retention.ts';
import { decodeManifest, decodeScope, encodeManifest, type Manifest, NO_CUT } from './manifest.ts';
import type { LogSchema, RowBatch } from './row-batch.ts';
import { RowBuffer } from './row-buffer.ts';
import { RowHasher } from './row-hasher.ts';
import { cutEvenly } from './row-order.ts';
import { visitColumns } from './row-source.ts';
import type { LogView } from './scan-types.ts';
import { ScopeSegments } from './scope-segments.ts';
import { SegmentEncoder } from './segment-encoder.ts';
import { type LogTables, type MergeContext, mergeSegments } from './segment-merge.ts';
import { physicalColumns, StoredSchemas, unionOf } from './stored-schema.ts';
import { dueMerge, type TierLimits } from './tiers.ts';

export interface LogLimits extends TierLimits {
  /** Merged segments of so many rows are sorted by (UTC day, `sortBy`, time); smaller ones stay as they came. */
  readonly sort_min_rows: number;
  /** Rows that are merged in a commit; one merge is done however large it is. */
  readonly merge_max_rows: number;
  /** Bytes of a tenant's rows, about: beyond it the oldest days go. Absent: no limit. */
  readonly scope_max_bytes?: number;
}

export const DEFAULT_LOG_LIMITS: LogLimits = {
  fanout: 8,
  sealed_min_rows: 524_288,
  segment_max_rows: 1_048_576,
  sort_min_rows: 65_536,
  merge_max_rows: 524_288,
};

/** What a commit did, in rows and segments. */
export interface LogCommit {
  readonly appended: number;
  /** Rows that a cut hid or that came behind one. */
  readonly dropped: number;
  readonly tails: number;
  readonly merges: number;
  readonly merged: number;
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
  readonly #encoder = new ColumnEncoder();
  readonly #scopes = new Map<string, ScopeSegments>();
  readonly #byCode: (ScopeSegments | undefined)[] = [];
  #source: RowBatch['dictionary'] | undefined;
  #hasher: RowHasher | undefined;
  /** Scopes whose segments may have to be merged. */
  readonly #due = new Set<ScopeSegments>();
  /** Cuts that wait for the commit, by scope; that of all scopes. */
  readonly #cuts = new Map<string, number>();
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

  /** Inside the transaction of the commit. */
  commit(tables: LogTables): LogCommit {
    let dropped = this.#cut(tables);
    const appended = this.#buffer.rows;
    const tails = appended === 0 ? { count: 0, dropped: 0 } : this.#writeTails(tables);
    this.#buffer.clear();
    dropped += tails.dropped;
    const { scope_max_bytes } = this.#limits;
    if (scope_max_bytes !== undefined) {
      for (const scope of this.#due)
        dropped += cutScope(tables, scope, dayBySize(tables, scope, scope_max_bytes));
    }
    return { appended, dropped, tails: tails.count, ...this.#merge(tables) };
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
    this.#due.add(scope);
    return cutScope(tables, scope, day);
  }

  #writeTails(tables: LogTables): { readonly count: number; readonly dropped: number } {
    const source = this.#buffer;
    const dictionary = this.#source;
    invariant(dictionary !== undefined, 'rows have a dictionary');
    this.#hasher ??= new RowHasher(dictionary, this.#schema.retraction);
    const groups = this.#group(tables);
    const stored = this.#schemas.store(tables.segments, this.#schema);
    const encoder = new SegmentEncoder(this.#encoder, tables.chunks, physicalColumns(stored));
    let kept = 0;
    const tails = groups.map(({ scope, order, from, to }) => {
      const place = scope.newKey();
      const chunks = cutEvenly(order, from, to);
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

  /** The rows of each tenant, in order of arrival, without those behind its cut. */
  #group(tables: LogTables): TenantRows[] {
    const { rows, scope: codes, time_ms } = this.#buffer;
    const groups = new Map<number, { readonly scope: ScopeSegments; rows: number }>();
    for (let row = 0, last = -1, group = undefined as { rows: number } | undefined; row < rows; row++) {
      const code = codes[row] as number;
      if (code !== last || group === undefined) {
        group = groups.get(code) ?? this.#newGroup(tables, code, groups);
        last = code;
      }
      group.rows++;
    }
    const order = new Uint32Array(rows);
    const places = new Map<number, TenantRows & { to: number }>();
    let start = 0;
    for (const [code, group] of groups) {
      const cut_ms = group.scope.firstDay * DAY_MS;
      places.set(code, { scope: group.scope, cut_ms, order, from: start, to: start });
      start += group.rows;
    }
    for (
      let row = 0, last = -1, place = undefined as (TenantRows & { to: number }) | undefined;
      row < rows;
      row++
    ) {
      const code = codes[row] as number;
      if (code !== last || place === undefined) {
        place = places.get(code);
        last = code;
      }
      if (place !== undefined && (time_ms[row] as number) >= place.cut_ms) order[place.to++] = row;
    }
    return [...places.values()].filter(({ from, to }) => to > from);
  }

  #newGroup(
    tables: LogTables,
    code: number,
    groups: Map<number, { readonly scope: ScopeSegments; rows: number }>,
  ): { rows: number } {
    let scope = this.#byCode[code];
    if (scope === undefined) {
      scope = this.#scope(this.#source?.textOf(code) ?? '');
      this.#byCode[code] = scope;
      if (this.#firstDay > scope.firstDay) cutScope(tables, scope, this.#firstDay);
    }
    const group = { scope, rows: 0 };
    groups.set(code, group);
    return group;
  }

  #merge(tables: LogTables): { readonly merges: number; readonly merged: number } {
    const { merge_max_rows, sort_min_rows } = this.#limits;
    const context: MergeContext = {
      ...{ tables, schema: this.#schema, schemas: this.#schemas },
      ...{ encoder: this.#encoder, sort_min_rows },
    };
    let merges = 0;
    let merged = 0;
    for (const scope of this.#due) {
      for (;;) {
        const due = dueMerge(scope.entries, this.#limits);
        if (due === undefined) break;
        // The rest is done with the next commits.
        if (merges > 0 && merged + due.rows > merge_max_rows) return { merges, merged };
        mergeSegments(context, scope, due.from, due.to);
        merges++;
        merged += due.rows;
      }
      this.#due.delete(scope);
    }
    return { merges, merged };
  }
}

interface TenantRows {
  readonly scope: ScopeSegments;
  readonly cut_ms: number;
  /** The rows order[from..to). */
  readonly order: Uint32Array;
  readonly from: number;
  readonly to: number;
}

function dayOf(day_ms: number): number {
  return Math.floor(day_ms / DAY_MS);
}
