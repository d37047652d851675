import { type KvView, type RawTable, rawTable } from '../../engine/index.ts';

/** Sources of a tenant whose clocks are counted apart; the others are counted together. */
export const AHEAD_SOURCES_MAX = 20;
const OTHER_SOURCES = '__other__';

/** How far one tenant's events have come. */
interface TenantTime {
  /** Largest of min(event time, time of storing) minus the allowance, and of what quiet times have moved it to. */
  own_ms: number;
  /** When the stream stored the newest of its events. */
  stored_ms: number;
  /** Events that were more than 5 minutes ahead of their storing, by their `source`. */
  ahead?: Record<string, number>;
}

/** What is the same for all tenants. */
interface SharedTime extends TenantTimesConfig {
  /** When the stream stored the newest of all events; 0 before the first. */
  stored_ms: number;
  /** Up to where an idle stream has moved every tenant that has had an event; 0: nowhere. */
  idle_to_ms: number;
  /** The watermark of a state that was written before tenants had their own; 0: there was none. */
  before_ms: number;
}

/** Tables of the state of `eventWatermark`; how they came to be is a matter of the way, not of the events. */
export const tenantTimeTables = () => ({ tenants: rawTable({ version: 1, logicalRows: () => [] }) });

const SHARED_KEY = Uint8Array.of(0);
const keyOf = (tenant: string): Uint8Array => Buffer.from(`\u0001${tenant}`);

function read<T>(view: Pick<KvView, 'get'>, key: Uint8Array): T | undefined {
  const bytes = view.get(key);
  return bytes === undefined ? undefined : (JSON.parse(Buffer.from(bytes).toString('utf8')) as T);
}

export interface TenantTimesConfig {
  readonly outOfOrderness_ms: number;
  /** After so long without an event of its own, by the stream's time, a tenant goes with the others, ms. */
  readonly idle_ms: number;
}

/**
 * The watermark of a tenant: the largest of min(event time, time at which the stream stored the event), minus the
 * allowance. A tenant that has had no event for `idle_ms`, while the stream stored others', follows the time at which
 * those were stored. So it is a function of the tenant's events and of the times of the stream, and nothing that
 * another tenant says of its own times moves it.
 */
function reached(own: TenantTime | undefined, shared: SharedTime): number {
  if (own === undefined) return shared.before_ms || Number.NEGATIVE_INFINITY;
  const isQuiet = shared.stored_ms - own.stored_ms >= shared.idle_ms;
  return Math.max(own.own_ms, shared.idle_to_ms, isQuiet ? shared.stored_ms - shared.outOfOrderness_ms : 0);
}

/** Up to where a tenant's events are expected to be in, ms; null before its first. `table` is `tenants`. */
export function readTenantWatermark(table: Pick<KvView, 'get'>, tenant: string): number | null {
  const shared = read<SharedTime>(table, SHARED_KEY);
  if (shared === undefined) return null;
  const time_ms = reached(read<TenantTime>(table, keyOf(tenant)), shared);
  return Number.isFinite(time_ms) ? time_ms : null;
}

/** Events of a tenant that were more than 5 minutes ahead of their storing, by source; `` has none. */
export function readEventsAhead(
  table: Pick<KvView, 'get'>,
  tenant: string,
): Readonly<Record<string, number>> {
  return read<TenantTime>(table, keyOf(tenant))?.ahead ?? {};
}

/** A tenant's times in memory; undefined before its first event. */
export interface TenantEntry {
  readonly key: Uint8Array;
  time: TenantTime | undefined;
  /** Where its events alone have brought it, as far as this run knows. */
  byEvents_ms: number;
}

/** Whether an event came in time for its tenant; `late_by_idle`: it would have, but for a quiet stream. */
export type Arrival = 'in_time' | 'late' | 'late_by_idle';

/** The times of the tenants while a task runs: changed by each event, written at its barriers. */
export class TenantTimes {
  readonly #table: RawTable;
  readonly #entries = new Map<string, TenantEntry>();
  readonly #changed = new Set<TenantEntry>();
  readonly #shared: SharedTime;
  #isChanged = false;

  /** `before_ms`: the watermark that the state was written with, where it has no tenants yet. */
  constructor(table: RawTable, config: TenantTimesConfig, before_ms: number | null) {
    this.#table = table;
    const stored = read<SharedTime>(table, SHARED_KEY);
    this.#shared = { stored_ms: 0, idle_to_ms: 0, before_ms: before_ms ?? 0, ...stored, ...config };
  }

  /** A tenant that has events. Good until the next `flush`. */
  enter(tenant: string): TenantEntry {
    let entry = this.#entries.get(tenant);
    if (entry === undefined) {
      const time = read<TenantTime>(this.#table, keyOf(tenant));
      const byEvents_ms = time?.own_ms ?? Number.NEGATIVE_INFINITY;
      entry = { key: keyOf(tenant), time, byEvents_ms };
      this.#entries.set(tenant, entry);
    }
    this.#changed.add(entry);
    this.#isChanged = true;
    return entry;
  }

  /** Takes an event; says whether its tenant's watermark had passed it. */
  take(entry: TenantEntry, event_ms: number, stored_ms: number): Arrival {
    const shared = this.#shared;
    const before_ms = reached(entry.time, shared);
    const own_ms = Math.min(event_ms, stored_ms) - shared.outOfOrderness_ms;
    const reached_ms = Math.max(before_ms, own_ms);
    const isByIdle = event_ms >= entry.byEvents_ms && event_ms < shared.idle_to_ms;
    entry.byEvents_ms = Math.max(entry.byEvents_ms, own_ms);
    if (entry.time === undefined) entry.time = { own_ms: reached_ms, stored_ms };
    entry.time.own_ms = reached_ms;
    if (stored_ms > entry.time.stored_ms) entry.time.stored_ms = stored_ms;
    if (stored_ms > shared.stored_ms) shared.stored_ms = stored_ms;
    if (event_ms >= before_ms) return 'in_time';
    return isByIdle ? 'late_by_idle' : 'late';
  }

  /** Counts an event whose time was ahead of its storing. */
  countAhead({ time }: TenantEntry, source: string): void {
    if (time === undefined) return;
    const ahead = new Map(Object.entries(time.ahead ?? {}));
    const name = ahead.has(source) || ahead.size < AHEAD_SOURCES_MAX ? source : OTHER_SOURCES;
    ahead.set(name, (ahead.get(name) ?? 0) + 1);
    time.ahead = Object.fromEntries(ahead);
  }

  /** The stream is idle: every tenant goes there. */
  idleTo(time_ms: number): void {
    if (time_ms <= this.#shared.idle_to_ms) return;
    this.#shared.idle_to_ms = time_ms;
    this.#isChanged = true;
  }

  flush(): void {
    if (!this.#isChanged) return;
    for (const { key, time } of this.#changed) if (time !== undefined) this.#write(key, time);
    this.#write(SHARED_KEY, this.#shared);
    this.#changed.clear();
    this.#isChanged = false;
  }

  #write(key: Uint8Array, value: unknown): void {
    this.#table.put(key, Buffer.from(JSON.stringify(value)));
  }
}
