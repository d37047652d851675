import {
  type Barrier,
  defineOperator,
  MillraceError,
  type Operator,
  type OperatorDoc,
  type OutMessage,
} from '../../engine/index.ts';
import { wholeTime } from '../core/index.ts';
import { idTables } from './id-tables.ts';
import { identify } from './identify.ts';
import { KnownIds } from './known-ids.ts';

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

/** How long ids are known, and what is said of items that are dropped. */
export interface DedupLimits<E> {
  /** Ids kept in memory at a commit, newest first to stay; about 25 bytes each. By default 1,000,000. */
  readonly memory_ids?: number;
  /**
   * How long an id is remembered after it left memory, by the clock, ms; 0 or more, Infinity: for ever, as it has to be in
   * a partitioned topology. By default 7 days.
   */
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
  /**
   * Event time, ms: that of a repeat must be the same once its id has left memory. In a partitioned topology an id is one
   * of its UTC day, always.
   */
  readonly timeOf: (event: E) => number;
  /** What a repeat has to say again, as JSON; a known id with other content is a conflict. By default nothing. */
  readonly contentOf?: (event: E) => unknown;
}

/** For items whose hashes are known from elsewhere, a decoder say. */
export interface ByHashConfig<E> extends DedupLimits<E> {
  readonly identify: (event: E) => Identified;
}

/** Configuration of `dedup`: by an id of the item, or by hashes that are there already. */
export type DedupConfig<E> = ByIdConfig<E> | ByHashConfig<E>;

/** Items that were dropped: repeats, and those whose id is known with other content. */
export interface DedupSides<E> {
  readonly duplicates: E;
  readonly conflicts: E;
}

const DEFAULT_MEMORY_IDS = 1_000_000;
const DEFAULT_RETAIN_MS = 7 * 86_400_000;

function identification<E>(config: DedupConfig<E>, name: string): (event: E) => Identified {
  if ('identify' in config) return config.identify;
  const { idOf, timeOf, contentOf = () => null } = config;
  return (event) => ({ ...identify(idOf(event), contentOf(event)), time_ms: wholeTime(timeOf(event), name) });
}

export const dedupDoc: OperatorDoc = {
  kind: 'dedup',
  summary: 'The first event of each id; conflicts to the dead letters',
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
  defineOperator<E, E, DedupConfig<E>, ReturnType<typeof idTables>, DedupSides<E>>({
    kind: 'dedup',
    summary: 'The first event of each id; conflicts to the dead letters',
    state: idTables,
    sides: ['duplicates', 'conflicts'],
    retractions: () => 'refuses',
    unordered: ({ retain_ms }) =>
      retain_ms === Number.POSITIVE_INFINITY
        ? undefined
        : 'ids are forgotten by the clock, while commits pass, and what is forgotten passes again. Say `retain_ms: Infinity`',
    start: ({ name, config, state, ordered, metrics, emit, emitTo, send, notice, requestBarrier }) => {
      const { memory_ids = DEFAULT_MEMORY_IDS, retain_ms = DEFAULT_RETAIN_MS, conflict } = config;
      const { describe = () => ({ scope: name, sequence: 0, detail: {} }) } = config;
      const identified = identification(config, name);
      const known = new KnownIds(state, memory_ids, ordered);
      const { duplicates, conflicts } = known.observe(metrics, name);

      const refuse = (event: E, isConflict: boolean): void => {
        duplicates.add();
        notice({ kind: isConflict ? 'conflict' : 'duplicate', ...describe(event) });
        if (!isConflict) return;
        conflicts.add();
        if (conflict !== undefined) send(conflict(event));
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
            const first = known.meet(id0, id1, id2, payload, time_s);
            if (first < 0) {
              fresh.push(event);
              continue;
            }
            const isConflict = first !== payload >>> 0;
            refuse(event, isConflict);
            (isConflict ? conflicting : repeated).push(event);
          }
          if (known.isCommitDue) requestBarrier();
          emit(fresh);
          emitTo('duplicates', repeated);
          emitTo('conflicts', conflicting);
        },
        onBarrier: ({ now_ms }: Barrier) => {
          known.commit(now_ms);
          known.expire((now_ms - retain_ms) / 1_000);
        },
      };
    },
  });
