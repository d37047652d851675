import type { KvView } from '../state/index.ts';
import { parseKey, SCOPES_RANGE } from './layout.ts';
import { decodeManifest, decodeScope, NO_CUT } from './manifest.ts';
import type { ScopeSegments } from './scope-segments.ts';
import type { Merge, TierEntry, TierLimits } from './tiers.ts';

/**
 * What is done to a log beside what each commit does by itself. `retention`: segments that have rows behind a cut are
 * written anew without them. `compaction`: segments become as few as possible. Neither changes what a scan shows.
 */
export type LogUpkeepMode = 'retention' | 'compaction';

export interface LogUpkeep {
  readonly mode: LogUpkeepMode;
  /** Absent: all. */
  readonly scopes?: readonly string[];
}

export interface UpkeepLimits extends Pick<TierLimits, 'sealed_min_rows'> {
  /** Segments of more rows together do not become one. */
  readonly merge_max_rows: number;
}

/** A segment as the choice sees it. */
export interface UpkeepEntry extends TierEntry {
  readonly id: number;
}

/**
 * What is to be done next among the segments of a scope, in their order, as far as `isWanted` says; undefined: nothing.
 * What it makes is a segment that was not wanted, so that it comes to an end whatever is committed meanwhile.
 */
export function nextUpkeep(
  entries: readonly UpkeepEntry[],
  mode: LogUpkeepMode,
  { sealed_min_rows, merge_max_rows }: UpkeepLimits,
  isWanted: (id: number) => boolean,
): Merge | undefined {
  if (mode === 'retention') {
    const from = entries.findIndex(({ id, rows, liveRows }) => liveRows < rows && isWanted(id));
    return from < 0 ? undefined : { from, to: from + 1, rows: entries[from]?.rows ?? 0 };
  }
  let [from, rows] = [0, 0];
  for (let to = 0; to <= entries.length; to++) {
    const entry = entries[to];
    const isOpen = entry !== undefined && entry.rows < sealed_min_rows && isWanted(entry.id);
    if (isOpen && (to === from || rows + entry.rows <= merge_max_rows)) {
      rows += entry.rows;
      continue;
    }
    if (to - from > 1) return { from, to, rows };
    // One that did not fit begins the next group.
    from = isOpen ? to : to + 1;
    rows = isOpen ? entry.rows : 0;
  }
  return undefined;
}

interface AskedUpkeep {
  readonly mode: LogUpkeepMode;
  /** The segments of a scope that are meant have smaller ids; what is written meanwhile has none of them. */
  readonly before: ReadonlyMap<ScopeSegments, number>;
  /** Scopes that may have something to do. */
  readonly open: Set<ScopeSegments>;
}

/**
 * Upkeep that is under way, of the segments that were there when it was asked for. They are meant until it is taken
 * back: a cut that moves meanwhile makes more of them due, and whoever waits until none is sees that from outside.
 */
export class UpkeepWork {
  readonly #asked = new Map<string, AskedUpkeep>();

  /** Of what is there now, each segment once. */
  begin(id: string, { mode, scopes }: LogUpkeep, all: Iterable<ScopeSegments>): void {
    const before = new Map<ScopeSegments, number>();
    for (const scope of all) {
      if (scopes !== undefined && !scopes.includes(scope.scope)) continue;
      before.set(scope, scope.nextId);
    }
    this.#asked.set(id, { mode, before, open: new Set(before.keys()) });
  }

  end(id: string): void {
    this.#asked.delete(id);
  }

  /** Segments of the scope have changed: there may be something to do again. */
  changed(scope: ScopeSegments): void {
    for (const { before, open } of this.#asked.values()) if (before.has(scope)) open.add(scope);
  }

  /** The next piece; undefined: everything that was asked for is done, as far as cuts have come. */
  next(limits: UpkeepLimits): { readonly scope: ScopeSegments; readonly merge: Merge } | undefined {
    for (const { mode, before, open } of this.#asked.values()) {
      for (const scope of open) {
        const end = before.get(scope) ?? 0;
        const merge = nextUpkeep(scope.entries, mode, limits, (id) => id < end);
        if (merge !== undefined) return { scope, merge };
        open.delete(scope);
      }
    }
    return undefined;
  }
}

/** A scope of a log, and what upkeep would do to it. Rows and bytes are those that lie in the store. */
export interface ScopeUpkeep {
  readonly scope: string;
  /** UTC day before which its rows were dropped; -Infinity: none were. */
  readonly firstDay: number;
  /** UTC day of its newest row that counts; -Infinity: none does. */
  readonly lastDay: number;
  readonly segments: number;
  readonly rows: number;
  readonly bytes: number;
  /** Rows behind the cut that no scan shows and that lie there still, and their bytes, in proportion. */
  readonly hidden_rows: number;
  readonly hidden_bytes: number;
  /**
   * What is to be written anew: segments that become `into` others, the rows and bytes that are read for it, and those
   * of the rows that are behind the cut and go.
   */
  readonly due: {
    readonly segments: number;
    readonly into: number;
    readonly rows: number;
    readonly bytes: number;
    readonly hidden_rows: number;
    readonly hidden_bytes: number;
  };
  /** No segment that is there has this id or a larger one. */
  readonly nextId: number;
}

interface Kept extends UpkeepEntry {
  readonly bytes: number;
}

/** What upkeep would do, from manifests alone. `isWanted` leaves segments out. */
export function logUpkeepPlan(
  segments: KvView,
  mode: LogUpkeepMode,
  limits: UpkeepLimits,
  isWanted: (scope: string, id: number) => boolean = () => true,
): ScopeUpkeep[] {
  const plans: ScopeUpkeep[] = [];
  let scope: string | undefined;
  let entries: Kept[] = [];
  let [firstDay, lastDay] = [NO_CUT, Number.NEGATIVE_INFINITY];
  const close = (): void => {
    const name = scope;
    if (name === undefined) return;
    const due = dueOf(entries, mode, limits, (id) => isWanted(name, id));
    plans.push({ scope: name, firstDay, lastDay, ...sumsOf(entries), due });
  };
  for (const { key, value } of segments.scan(SCOPES_RANGE)) {
    const parsed = parseKey(key);
    if (parsed.scope !== scope) {
      close();
      scope = parsed.scope;
      entries = [];
      [firstDay, lastDay] = [NO_CUT, Number.NEGATIVE_INFINITY];
    }
    if (parsed.id === undefined) {
      firstDay = decodeScope(value).firstDay;
      continue;
    }
    const { chunks, days } = decodeManifest(value);
    let [rows, liveRows, bytes] = [0, 0, 0];
    for (const day of days) {
      rows += day.rows;
      if (day.day < firstDay) continue;
      liveRows += day.rows;
      lastDay = Math.max(lastDay, day.day);
    }
    for (const chunk of chunks) bytes += chunk.bytes;
    entries.push({ id: parsed.id, rows, liveRows, bytes });
  }
  close();
  return plans;
}

function sumsOf(entries: readonly Kept[]) {
  const sums = { segments: entries.length, rows: 0, bytes: 0, hidden_rows: 0, hidden_bytes: 0, nextId: 0 };
  for (const { id, rows, liveRows, bytes } of entries) {
    sums.rows += rows;
    sums.bytes += bytes;
    sums.hidden_rows += rows - liveRows;
    sums.hidden_bytes += Math.round((bytes * (rows - liveRows)) / Math.max(1, rows));
    sums.nextId = Math.max(sums.nextId, id + 1);
  }
  return sums;
}

/** As the writer would do it, one piece after the other. */
function dueOf(
  entries: readonly Kept[],
  mode: LogUpkeepMode,
  limits: UpkeepLimits,
  isWanted: (id: number) => boolean,
): ScopeUpkeep['due'] {
  const due = { segments: 0, into: 0, rows: 0, bytes: 0, hidden_rows: 0, hidden_bytes: 0 };
  const left = [...entries];
  for (;;) {
    // What was made is none of those that are wanted.
    const merge = nextUpkeep(left, mode, limits, (id) => Number.isFinite(id) && isWanted(id));
    if (merge === undefined) return due;
    const { from, to } = merge;
    const { segments, rows, bytes, hidden_rows, hidden_bytes } = sumsOf(left.slice(from, to));
    due.segments += segments;
    due.rows += rows;
    due.bytes += bytes;
    due.hidden_rows += hidden_rows;
    due.hidden_bytes += hidden_bytes;
    const liveRows = rows - hidden_rows;
    const made = { id: Number.POSITIVE_INFINITY, rows: liveRows, liveRows, bytes: bytes - hidden_bytes };
    if (liveRows > 0) due.into++;
    left.splice(from, to - from, ...(liveRows > 0 ? [made] : []));
  }
}
