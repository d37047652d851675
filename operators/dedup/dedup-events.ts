import {
  defineOperator,
  MillraceError,
  type Operator,
  type OperatorDoc,
  type OutMessage,
} from '../../engine/index.ts';
import { AwaitedIds, awaitedTable } from './awaited-ids.ts';
import { idTables } from './id-tables.ts';
import { KnownIds } from './known-ids.ts';
import { TOUCHED_IDS } from './recent-ids.ts';

/** An id that is known, too, once the event at `row` goes on. */
interface AlsoKnown {
  readonly row: number;
  /** What it said, where that is known; else a repeat of it is a conflict. */
  readonly payload?: number | undefined;
  readonly target: {
    readonly id0: number;
    readonly id1: number;
    readonly id2: number;
    /** Set here: the id was not known before. */
    isNew?: boolean;
  };
}

/** What the operator needs of a batch of events in columns. */
export interface IdentifiedColumns {
  readonly length: number;
  /** 96 bits of a hash of the id, spread evenly; the tenant is part of it. */
  readonly id0: Int32Array;
  readonly id1: Int32Array;
  readonly id2: Int32Array;
  /** 32 bits of a hash of the rest: tells a conflict from a duplicate. */
  readonly payload: Int32Array;
  /** 1 where an event goes on. */
  readonly live: Uint8Array;
  /** Event times, ms. */
  readonly own: { readonly time_ms: Float64Array };
  /** Events before it are no longer kept, ms: the beginning of a UTC day. Absent: as the configuration says. */
  readonly cut_ms?: number;
  readonly alsoKnown?: readonly AlsoKnown[];
  /** Set for the operators behind: the ids that are known. */
  known?: Pick<KnownIds, 'has' | 'timeOf'> | undefined;
}

/** Configuration of `dedupEvents`. */
export interface DedupEventsConfig<B> {
  /** Ids kept in memory at a commit, newest first to stay; about 25 bytes each. By default 10,000,000. */
  readonly memory_ids?: number;
  /**
   * The retention's cut, ms, taken to the beginning of its UTC day: ids of earlier events are forgotten. Never
   * moves back, and is the same for all operators. By default nothing is forgotten.
   */
  readonly cut_ms?: () => number;
  /** What the notice of a dropped event says. By default that the operator dropped it. */
  readonly describe?: (
    batch: B,
    row: number,
  ) => {
    readonly scope: string;
    readonly sequence: number;
    readonly detail: Readonly<Record<string, string | number>>;
  };
  /** What to send for an event whose id is known with another payload. By default nothing is sent. */
  readonly conflict?: (batch: B, row: number) => OutMessage;
}

const DEFAULT_MEMORY_IDS = 10_000_000;
const DAY_MS = 86_400_000;

export const dedupEventsDoc: OperatorDoc = {
  kind: 'dedup-events',
  summary: 'The first event of each id, in batches of columns; conflicts to the dead letters',
};

/**
 * Sets `live` to 0 for events whose id is known. Which ids are known after a cut depends on the set of events after
 * it only, not on their order. Throws `bad_config` for a limit that is none.
 */
export function dedupEvents<B extends IdentifiedColumns>(
  name: string,
  config: DedupEventsConfig<B>,
): Operator<B, B> {
  const { memory_ids = 0 } = config;
  if (!Number.isSafeInteger(memory_ids) || memory_ids < 0) {
    throw new MillraceError(
      'bad_config',
      `"${name}" has memory_ids ${memory_ids}: give it a whole number of ids, 0 or more.`,
    );
  }
  return make<B>()(name, config);
}

const tables = () => ({ ...idTables(), awaited: awaitedTable() });

const make = <B extends IdentifiedColumns>() =>
  defineOperator<B, B, DedupEventsConfig<B>, ReturnType<typeof tables>>({
    kind: 'dedup-events',
    summary: dedupEventsDoc.summary,
    state: tables,
    start: ({ name, config, state, ordered, metrics, emit, send, notice, requestBarrier }) => {
      const { memory_ids = DEFAULT_MEMORY_IDS, cut_ms = () => Number.NEGATIVE_INFINITY, conflict } = config;
      const { describe = () => ({ scope: name, sequence: 0, detail: {} }) } = config;
      const known = new KnownIds(state, memory_ids, ordered);
      const { duplicates, conflicts } = known.observe(metrics, name);
      const awaited = new AwaitedIds(state.awaited);
      const awaitedHelp = 'Ids of events that the state before this one had, and that have not come again';
      metrics.gauge('millrace.dedup.awaited_ids', awaitedHelp, () => awaited.size, { operator: name });

      let batchCut_ms = Number.NEGATIVE_INFINITY;
      const cutDay_ms = (): number => Math.floor(Math.max(cut_ms(), batchCut_ms) / DAY_MS) * DAY_MS;

      const refuse = (batch: B, row: number, isConflict: boolean): void => {
        batch.live[row] = 0;
        duplicates.add();
        notice({ kind: isConflict ? 'conflict' : 'duplicate', ...describe(batch, row) });
        if (!isConflict) return;
        conflicts.add();
        if (conflict !== undefined) send(conflict(batch, row));
      };

      const judge = (batch: B, from_ms: number): void => {
        const { id0, id1, id2, payload, live, length } = batch;
        const { time_ms } = batch.own;
        const alsoKnown = [...(batch.alsoKnown ?? [])].sort((a, b) => a.row - b.row);
        let also = 0;
        for (let row = 0; row < length; row++) {
          // What a row says of other ids holds for the rows behind it, in this batch as in the next one.
          while (also < alsoKnown.length && (alsoKnown[also] as AlsoKnown).row < row)
            learn(batch, alsoKnown[also++] as AlsoKnown);
          if (row % TOUCHED_IDS === 0) known.touch(id0, row, Math.min(TOUCHED_IDS, length - row));
          const time = time_ms[row] as number;
          if (live[row] === 0 || time < from_ms) continue;
          const own = payload[row] as number;
          const first = known.meet(
            id0[row] as number,
            id1[row] as number,
            id2[row] as number,
            own,
            Math.floor(time / 1_000) >>> 0,
          );
          if (first >= 0) refuse(batch, row, first !== own >>> 0);
          else if (awaited.size > 0) awaited.meet(id0[row] as number, id1[row] as number, id2[row] as number);
        }
        while (also < alsoKnown.length) learn(batch, alsoKnown[also++] as AlsoKnown);
      };

      const learn = (batch: B, { row, payload = batch.payload[row], target }: AlsoKnown): void => {
        if (batch.live[row] !== 1) return;
        const { id0, id1, id2 } = target;
        const time_s = Math.floor((batch.own.time_ms[row] as number) / 1_000) >>> 0;
        target.isNew = known.meet(id0, id1, id2, payload as number, time_s) < 0;
      };

      return {
        onBatch: (batches) => {
          for (const batch of batches) {
            batchCut_ms = Math.max(batchCut_ms, batch.cut_ms ?? batchCut_ms);
            judge(batch, cutDay_ms());
            batch.known = known;
          }
          if (known.isCommitDue) requestBarrier();
          emit(batches);
        },
        onBarrier: ({ now_ms }) => {
          const from_ms = cutDay_ms();
          if (from_ms > 0) known.cut(from_ms / 1_000);
          known.commit(now_ms);
          awaited.commit();
        },
      };
    },
  });
