import { invariant, MillraceError } from '../base/index.ts';
import type { Progress } from '../task/index.ts';
import type { QueryStop } from './cancel.ts';
import type { AnyQueryKind, Plan, PlanHead } from './kind.ts';
import { laneOf, type QueryLimits, SHORT_QUERY_MAX_MS } from './limits.ts';
import { finishesInThread, mergeAll } from './run-parts.ts';
import { type JobUnit, ScanJob } from './scan-job.ts';
import { type Outcome, ownBytes, type ScanResult } from './scan-message.ts';
import type { ScanPool } from './scan-pool.ts';

/** One query on its way. */
export interface Asked {
  readonly kind: AnyQueryKind;
  readonly query: unknown;
  readonly scope: string;
  readonly now_ms: number;
  readonly limits: QueryLimits;
  readonly key: string | undefined;
  readonly accept: ((progress: Progress | undefined) => void) | undefined;
  readonly stop: QueryStop;
  readonly jobs: ScanJob[];
}

/** A plan whose mutable parts have run. */
export interface Planned {
  readonly plan: Plan;
  readonly head: PlanHead;
  readonly progress: Progress | undefined;
  /** What they gave. */
  readonly sum: Uint8Array | undefined;
}

export interface RanInThreads {
  readonly place: 'split' | 'whole';
  readonly head: PlanHead;
  readonly progress: Progress | undefined;
  readonly outcome: Outcome;
}

/** The two ways a query runs in scan threads. */
export class ThreadRuns {
  readonly #pool: ScanPool;

  constructor(pool: ScanPool) {
    this.#pool = pool;
  }

  /** The immutable parts of a plan, each in a snapshot of its own. Throws `plan_stale` beside all else. */
  async split(asked: Asked, { plan, head, progress, sum }: Planned): Promise<RanInThreads> {
    const { kind, scope, now_ms, limits } = asked;
    const base = { kind: kind.name, scope, now_ms, limits, progress, head };
    // Each thread adds to the sum that it is handed; there are never more of them than threads, and one.
    const sums: Uint8Array[] = sum === undefined ? [] : [ownBytes(sum)];
    const units = plan.parts
      .filter(({ reads }) => reads === 'immutable')
      .map(
        ({ cost_ms, work }): JobUnit => ({
          cost_ms,
          task: () => ({ ...base, task: 'part', work, sum: sums.pop() }),
        }),
      );
    await this.#run(asked, laneOf(plan), units, (result) => {
      if (result.task === 'part') sums.push(result.bytes);
    });
    const size_bytes = sums.reduce((total, { byteLength }) => total + byteLength, 0);
    if (!finishesInThread(kind, head, size_bytes)) {
      const bytes = mergeAll(kind, head, sums, limits);
      return { place: 'split', head, progress, outcome: { done: false, bytes } };
    }
    let outcome: Outcome | undefined;
    const last: JobUnit = { cost_ms: 0, task: () => ({ ...base, task: 'finish', sums }) };
    await this.#run(asked, 'short', [last], (result) => {
      if (result.task === 'finish') outcome = result.outcome;
    });
    invariant(outcome !== undefined, 'a finish task has an outcome');
    return { place: 'split', head, progress, outcome };
  }

  /** Plan and parts in one snapshot of one thread. `planned`: for its cost. */
  async whole(asked: Asked, planned: PlanHead | undefined): Promise<RanInThreads> {
    const { kind, query, scope, now_ms, limits } = asked;
    const lane = planned === undefined ? 'short' : laneOf(planned);
    const unit: JobUnit = {
      // Where it is not known it is taken for the longest of the short ones.
      cost_ms: planned?.cost_ms ?? SHORT_QUERY_MAX_MS,
      task: () => ({ kind: kind.name, scope, now_ms, limits, task: 'whole', query }),
    };
    let whole: Extract<ScanResult, { task: 'whole' }> | undefined;
    await this.#run(asked, lane, [unit], (result) => {
      if (result.task === 'whole') whole = result;
    });
    invariant(whole !== undefined, 'a whole task has a result');
    const { head, progress, outcome } = whole;
    return { place: 'whole', head, progress, outcome };
  }

  async #run(
    asked: Asked,
    lane: ScanJob['lane'],
    units: readonly JobUnit[],
    onResult: (result: ScanResult) => void,
  ): Promise<void> {
    const pool = this.#pool;
    asked.stop.check();
    const job = new ScanJob({ tenant: asked.scope, lane, units, onResult });
    asked.jobs.push(job);
    pool.add(job);
    const release = asked.stop.onStop((reason) => pool.cancel(job, reason));
    try {
      await job.done;
    } catch (thrown) {
      // The other parts of it need not go on.
      if (thrown instanceof MillraceError) pool.cancel(job, thrown);
      throw thrown;
    } finally {
      release();
    }
  }
}
