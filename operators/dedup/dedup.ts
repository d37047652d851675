import {
  type Barrier,
  ByteReader,
  ByteWriter,
  defineOperator,
  type KvView,
  MillraceError,
  type Operator,
  type OperatorDoc,
  type OutMessage,
  rawTable,
} from '../../engine/index.ts';
import { mix32 } from '../core/index.ts';
import { identify } from './identify.ts';
import { OldIds, storedIds } from './old-ids.ts';
import { ID_WORDS, RecentIds } from './recent-ids.ts';

/** By what an item is known. */
export interface Identified {
  /** 96 bits of a hash of the id (the tenant is part of it). */
  readonly id0: number;
  readonly id1: number;
  readonly id2: number;
  /** 32 bits of a hash of the rest, signed or not: tells a conflict from a duplicate. */
  readonly payload: number;
  /** Event time; an id that has left memory is looked for on the day of its event time only. */
  readonly time_ms: number;
}

export interface DedupLimits<E> {
  /** Ids kept in memory at a commit, newest first to stay; 20 bytes each. By default 1,000,000. */
  readonly memory_ids?: number;
  /** How long an id is remembered after it left memory, by the clock, ms; 0 or more. By default 7 days. */
  readonly retain_ms?: number;
  /** What the notice of a dropped item says. By default that the operator dropped it. */
  readonly describe?: (event: E) => {
    scope: string;
    sequence: number;
    detail: Record<string, string | number>;
  };
  /** What to send for an item whose id is known with other content. By default nothing is sent. */
  readonly conflict?: (event: E) => OutMessage;
}

/** For items of any type. */
export interface ByIdConfig<E> extends DedupLimits<E> {
  /** Unique: put the tenant into it where ids are a tenant's own. */
  readonly idOf: (event: E) => string;
  /** Event time, ms: that of a repeat must be the same once its id has left memory. */
  readonly timeOf: (event: E) => number;
  /** What a repeat has to say again, as JSON; a known id with other content is a conflict. By default nothing. */
  readonly contentOf?: (event: E) => unknown;
}

/** For items whose hashes are known from elsewhere, a decoder say. */
export interface ByHashConfig<E> extends DedupLimits<E> {
  readonly identify: (event: E) => Identified;
}

export type DedupConfig<E> = ByIdConfig<E> | ByHashConfig<E>;

/** Items that were dropped: repeats, and those whose id is known with other content. */
export interface DedupSides<E> {
  readonly duplicates: E;
  readonly conflicts: E;
}

const DEFAULT_MEMORY_IDS = 1_000_000;
const DEFAULT_RETAIN_MS = 7 * 86_400_000;

function identification<E>(config: DedupConfig<E>): (event: E) => Identified {
  if ('identify' in config) return config.identify;
  const { idOf, timeOf, contentOf = () => null } = config;
  return (event) => ({ ...identify(idOf(event), contentOf(event)), time_ms: timeOf(event) });
}

/** Ids of a log row at most; the last one is extended until it has them, so that a quiet stream makes no tiny rows. */
const LOG_ROW_IDS = 2_048;
/** Rows that the ids in memory have at least, as the oldest row leaves memory whole. */
const LOG_ROWS_MIN = 8;
/** So many new ids ask for a commit, where memory holds fewer: until then they are there beside the others. */
const UNCOMMITTED_MIN_IDS = 65_536;

const tables = () => ({
  // Which ids are known is content; which of them are in the log is a matter of the way.
  log: rawTable({ version: 1, logicalRows: (log, _, sibling) => [idSetDigest(log, sibling('blocks'))] }),
  blocks: rawTable({ version: 1, logicalRows: () => [] }),
  directory: rawTable({ version: 1, logicalRows: () => [] }),
});

export const dedupDoc: OperatorDoc = {
  kind: 'dedup',
  summary: 'The first event of each id; conflicts to the dead letters',
  does: 'Passes on the first event of each id in the order of the stream, and drops those whose id is known. An id is remembered as 96 bits of its MurmurHash3. The newest ids are found in memory by id alone; older ones on disk by id and event time, in sorted runs by the day of event time, so that a live event costs no read. With `contentOf`, a known id with other content (by a 32-bit hash) is a conflict: it is dropped too, and `conflict` can send it to the dead letters, because a publisher has used an id twice. Dropped items go to the side outputs `duplicates` and `conflicts`.',
  state:
    'After each commit up to `memory_ids` ids in memory, 20 bytes each, with a log of them that is read back at start; older ones on disk, 16 bytes each, until `retain_ms` after they left memory, by the clock. New ids are in memory beside them until the commit, which is asked for when there are as many again (at least 65,536).',
  late: 'A late event is judged like any other, as long as its id is remembered.',
  duplicates:
    'Dropped, counted as `millrace.dedup.duplicates` and listed as notices of the kind `duplicate`; conflicts as `millrace.dedup.conflicts` and `conflict`. A repeat that comes later than ids are remembered passes; so does one whose id has left memory and whose event time is another than the first one’s.',
  failure:
    'Ids are part of the commit: after a crash those of uncommitted events are forgotten with the events, and both come again. Limits may change with a restart. Any `timeOf` is taken, also NaN: it only says where on disk an id lies.',
};

/**
 * Passes the first event of each id by stream sequence. The newest ids are found in memory by id alone;
 * older ones on disk by id and event time (`OldIds`), for as long as `retain_ms`. A known id with another
 * payload is a conflict: counted, and sent to the dead letters where `conflict` says how.
 * State: a log of the ids in memory, appended to at each commit and read back at start, and the runs of
 * the older ones; each id is in exactly one of them. Throws `bad_config` for limits that are none.
 */
export function dedup<E>(name: string, config: DedupConfig<NoInfer<E>>): Operator<E, E, DedupSides<E>>;
export function dedup<E>(name: string, config: DedupConfig<E>): Operator<E, E, DedupSides<E>>;
export function dedup<E>(name: string, config: DedupConfig<E>): Operator<E, E, DedupSides<E>> {
  const { memory_ids = 0, retain_ms = 0 } = config;
  if (!Number.isSafeInteger(memory_ids) || memory_ids < 0 || !(retain_ms >= 0)) {
    throw new MillraceError(
      'bad_config',
      `"${name}" has memory_ids ${memory_ids} and retain_ms ${retain_ms}: give it a whole number of ids and a time, 0 or more.`,
    );
  }
  return make<E>()(name, config);
}

const make = <E>() =>
  defineOperator<E, E, DedupConfig<E>, ReturnType<typeof tables>, DedupSides<E>>({
    kind: 'dedup',
    summary: 'The first event of each id; conflicts to the dead letters',
    state: tables,
    sides: ['duplicates', 'conflicts'],
    start: ({ name, config, state, metrics, emit, emitTo, send, notice, requestBarrier }) => {
      const { memory_ids = DEFAULT_MEMORY_IDS, retain_ms = DEFAULT_RETAIN_MS, conflict } = config;
      const { describe = () => ({ scope: name, sequence: 0, detail: {} }) } = config;
      const identified = identification(config);
      const rowIds = Math.max(1, Math.min(LOG_ROW_IDS, Math.floor(memory_ids / LOG_ROWS_MIN)));
      const uncommittedIds = Math.max(UNCOMMITTED_MIN_IDS, memory_ids);
      const recent = new RecentIds();
      const old = new OldIds(state.blocks, state.directory);
      /** First ordinals of the log's rows, oldest first. */
      const rows = restore(state.log, recent);
      let logged = recent.next;
      const duplicates = metrics.counter(
        'millrace.dedup.duplicates',
        'Events dropped because their id is known',
      );
      const conflicts = metrics.counter('millrace.dedup.conflicts', 'Duplicates whose payload differs');
      metrics.gauge('millrace.dedup.memory_ids', 'Ids in memory', () => recent.size);
      metrics.gauge('millrace.dedup.memory_bytes', 'Memory of the ids', () => recent.memory_bytes);
      metrics.gauge('millrace.dedup.disk_runs', 'Runs of ids on disk', () => old.runCount);
      metrics.gauge('millrace.dedup.disk_blocks_read', 'Blocks of ids read', () => old.blocksRead);

      const refuse = (event: E, isConflict: boolean): void => {
        duplicates.add();
        notice({ kind: isConflict ? 'conflict' : 'duplicate', ...describe(event) });
        if (!isConflict) return;
        conflicts.add();
        if (conflict !== undefined) send(conflict(event));
      };

      const appendLog = (): void => {
        while (logged < recent.next) {
          const last = rows.at(-1);
          const extend = last !== undefined && logged - last < rowIds;
          const from = extend ? last : logged;
          if (!extend) rows.push(from);
          logged = Math.min(recent.next, from + rowIds);
          state.log.put(rowKey(from), wordsToBytes(recent.copy(from, logged)));
        }
      };

      /** What is in the log goes by whole rows; what is new and too much never comes into it. */
      const evict = (now_ms: number): void => {
        const enough = recent.next - memory_ids;
        if (enough <= recent.first) return;
        while (rows.length > 0 && (rows[0] as number) < enough)
          state.log.remove(rowKey(rows.shift() as number));
        const to = rows[0] ?? Math.max(enough, logged);
        old.store(recent.copy(recent.first, to), Math.floor(now_ms / 1_000));
        recent.forget(to);
        logged = Math.max(logged, to);
      };

      return {
        onBatch: (events) => {
          const fresh: E[] = [];
          const repeated: E[] = [];
          const conflicting: E[] = [];
          for (const event of events) {
            const { id0, id1, id2, payload, time_ms } = identified(event);
            // As it is stored, whatever it is.
            const time_s = Math.floor(time_ms / 1_000) >>> 0;
            let known = recent.find(id0, id1, id2);
            if (known < 0) known = old.find(id0, id1, id2, time_s);
            if (known < 0) {
              recent.add(id0, id1, id2, payload, time_s);
              fresh.push(event);
              continue;
            }
            const isConflict = known !== payload >>> 0;
            refuse(event, isConflict);
            (isConflict ? conflicting : repeated).push(event);
          }
          if (recent.next - logged > uncommittedIds) requestBarrier();
          emit(fresh);
          emitTo('duplicates', repeated);
          emitTo('conflicts', conflicting);
        },
        onBarrier: ({ now_ms }: Barrier) => {
          evict(now_ms);
          appendLog();
          old.expire((now_ms - retain_ms) / 1_000);
        },
      };
    },
  });

function rowKey(ordinal: number): Uint8Array {
  return new ByteWriter().u48(ordinal).copy();
}

function wordsToBytes(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

function bytesToWords(bytes: Uint8Array): Uint32Array {
  const copy = Uint8Array.from(bytes);
  return new Uint32Array(copy.buffer, 0, copy.length / 4);
}

function restore(log: KvView, recent: RecentIds): number[] {
  const rows: number[] = [];
  for (const { key, value } of log.scan()) {
    const from = new ByteReader(key).u48();
    if (rows.length === 0) recent.startAt(from);
    rows.push(from);
    const words = bytesToWords(value);
    for (let at = 0; at < words.length; at += ID_WORDS) {
      recent.add(
        words[at] as number,
        words[at + 1] as number,
        words[at + 2] as number,
        words[at + 3] as number,
        words[at + 4] as number,
      );
    }
  }
  return rows;
}

/**
 * A digest of the set of remembered ids, for tests and tools: the sum of the mixed words, so that the
 * order and the place (log or runs) make no difference.
 */
export function idSetDigest(log: KvView, blocks: KvView): Uint8Array {
  let ids = 0;
  let sum = 0n;
  const add = (id0: number, id1: number, id2: number): void => {
    ids++;
    sum = BigInt.asUintN(
      64,
      sum + BigInt(mix32(id0) >>> 0) * 0x1_0000_0000n + BigInt(mix32(id1 ^ mix32(id2)) >>> 0),
    );
  };
  for (const { value } of log.scan()) {
    const words = bytesToWords(value);
    for (let at = 0; at < words.length; at += ID_WORDS) {
      add(words[at] as number, words[at + 1] as number, words[at + 2] as number);
    }
  }
  for (const [id0, id1, id2] of storedIds(blocks)) add(id0, id1, id2);
  return Buffer.from(`${ids} ids, sum ${sum.toString(16)}`);
}
