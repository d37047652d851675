import {
  ByteReader,
  ByteWriter,
  type KvStore,
  type KvTable,
  type KvView,
  rawTable,
} from '../../engine/index.ts';
import { IdRows } from './id-rows.ts';
import type { idTables } from './id-tables.ts';
import { KnownIds } from './known-ids.ts';
import { DAY_S, storedIds } from './old-ids.ts';
import { ID_WORDS, RecentIds } from './recent-ids.ts';

/** Ids that are waited for one by one; of more only the number is known, and it does not come down to nothing. */
const AWAITED_MAX_IDS = 1_000_000;
/** Longer than no id: the summary's row stands before those of the ids. */
const SUMMARY = Uint8Array.of(0);

/** The part of a stream that a state is without. */
export interface LackingRange {
  readonly stream: string;
  readonly incarnation: string;
  /** Sequences, inclusive, of the stream as the former state read it. */
  readonly first: number;
  readonly last: number;
}

/** Events that a former state had applied and the one that was built in its place lacks. */
export interface AwaitedEvents extends LackingRange {
  readonly found_at_ms: number;
  /** Those that have not come again. */
  readonly events: number;
}

/** The table of the ids that are waited for. How a state came to be is no content. */
export const awaitedTable = () => rawTable({ version: 1, logicalRows: () => [] });

/** What a state waits for; undefined where that is nothing. */
export function readAwaited(table: KvView): AwaitedEvents | undefined {
  const bytes = table.get(SUMMARY);
  if (bytes === undefined) return undefined;
  const awaited = JSON.parse(Buffer.from(bytes).toString('utf8')) as AwaitedEvents;
  return awaited.events === 0 ? undefined : awaited;
}

const writeSummary = (table: KvTable, awaited: AwaitedEvents): void =>
  table.put(SUMMARY, Buffer.from(JSON.stringify(awaited)));

const keyOf = (id0: number, id1: number, id2: number): Uint8Array =>
  new ByteWriter()
    .u32(id0 >>> 0)
    .u32(id1 >>> 0)
    .u32(id2 >>> 0)
    .copy();

function* idsIn(table: KvView): Iterable<{ readonly key: Uint8Array; readonly time_s: number }> {
  for (const { key, value } of table.scan()) {
    if (key.length > SUMMARY.length) yield { key, time_s: new ByteReader(value).u32() };
  }
}

/** The ids that a task waits for: each goes with the commit of the event that has it. */
export class AwaitedIds {
  readonly #table: KvTable;
  readonly #ids = new RecentIds();
  #summary: AwaitedEvents | undefined;
  #gone: Uint8Array[] = [];

  constructor(table: KvTable) {
    this.#table = table;
    this.#summary = readAwaited(table);
    if (this.#summary === undefined) return;
    for (const { key, time_s } of idsIn(table)) {
      const reader = new ByteReader(key);
      this.#ids.add(reader.u32() | 0, reader.u32() | 0, reader.u32() | 0, time_s);
    }
  }

  /** Ids that are waited for one by one. */
  get size(): number {
    return this.#ids.size;
  }

  /** An event of this id has come. */
  meet(id0: number, id1: number, id2: number): void {
    if (this.#ids.find(id0, id1, id2) < 0) return;
    this.#ids.remove(id0, id1, id2);
    this.#gone.push(keyOf(id0, id1, id2));
  }

  /** Inside the commit. */
  commit(): void {
    const gone = this.#gone.splice(0);
    if (gone.length === 0 || this.#summary === undefined) return;
    for (const key of gone) this.#table.remove(key);
    this.#summary = { ...this.#summary, events: Math.max(0, this.#summary.events - gone.length) };
    writeSummary(this.#table, this.#summary);
  }
}

type Tables = (id: string) => KvView;

/** Every id that a state knows, with its event time, or with the beginning of its day. */
function* idsOf(table: Tables, operator: string): Iterable<readonly [number, number, number, number]> {
  const entries = new Int32Array(IdRows.maxIds * ID_WORDS);
  const codec = new IdRows(IdRows.maxIds);
  for (const { value } of table(`${operator}/log`).scan()) {
    const end = codec.read(value, entries, 0) * ID_WORDS;
    for (let at = 0; at < end; at += ID_WORDS) {
      const [id0 = 0, id1 = 0, id2 = 0, , time_s = 0] = entries.subarray(at, at + ID_WORDS);
      yield [id0, id1, id2, time_s >>> 0];
    }
  }
  for (const [id0, id1, id2, day] of storedIds(table(`${operator}/blocks`))) {
    yield [id0, id1, id2, day * DAY_S];
  }
}

interface Missing {
  readonly ids: Iterable<readonly [number, number, number, number]>;
  /** Events that are missing beside those of the ids. */
  readonly untold: number;
}

/** Ids that a state waits for. */
function missingIn(table: Tables, operator: string): Missing {
  const awaited = table(`${operator}/awaited`);
  const ids = [...idsIn(awaited)].map(({ key, time_s }) => {
    const reader = new ByteReader(key);
    return [reader.u32(), reader.u32(), reader.u32(), time_s] as const;
  });
  return { ids, untold: Math.max(0, (readAwaited(awaited)?.events ?? 0) - ids.length) };
}

/** Writes down which of the ids the new state lacks; how many events there are then. */
function writeMissing(
  store: KvStore,
  operator: string,
  { ids, untold }: Missing,
  of: Omit<AwaitedEvents, 'events'>,
): number {
  const table = (name: keyof ReturnType<typeof idTables>): KvTable => store.table(`${operator}/${name}`);
  const known = new KnownIds(
    { log: table('log'), blocks: table('blocks'), directory: table('directory') },
    0,
  );
  const awaited = store.table(`${operator}/awaited`);
  return store.transaction(() => {
    let events = untold;
    let rows = 0;
    for (const [id0, id1, id2, time_s] of ids) {
      if (known.knows(id0, id1, id2, time_s)) continue;
      events++;
      if (rows++ >= AWAITED_MAX_IDS) continue;
      awaited.put(keyOf(id0, id1, id2), new ByteWriter().u32(time_s).copy());
    }
    if (events > 0) writeSummary(awaited, { ...of, events });
    return events;
  });
}

/** A state that was built in the place of another one, and that no task has open. */
export interface BuiltState {
  readonly former: Tables;
  readonly store: KvStore;
  /** The name of the operator that drops what is known. */
  readonly operator: string;
}

/** Has a new state that knows the same events as the former one wait for what that waited for. */
export function passOnAwaited({ former, store, operator }: BuiltState): void {
  const before = readAwaited(former(`${operator}/awaited`));
  if (before !== undefined) writeMissing(store, operator, missingIn(former, operator), before);
}

/**
 * Has a new state wait for the events that the former one knew, or waited for itself, and that it does not know. Gives
 * how many there are.
 */
export function awaitMissing(
  { former, store, operator }: BuiltState,
  lacking: LackingRange & { readonly found_at_ms: number },
): number {
  const before = readAwaited(former(`${operator}/awaited`));
  const { ids, untold } = missingIn(former, operator);
  function* all(): Missing['ids'] {
    yield* idsOf(former, operator);
    yield* ids;
  }
  const first = Math.min(lacking.first, before?.first ?? lacking.first);
  return writeMissing(store, operator, { ids: all(), untold }, { ...lacking, first });
}
