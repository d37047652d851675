import { type Clock, invariant, type MetricSample, MillraceError, threadTurns } from '../base/index.ts';
import type { KvReader, KvView } from '../state/index.ts';
import { META_TABLE, type Progress, readProgress } from '../task/index.ts';
import { Admission, type AdmissionLimits, type Caller, DEFAULT_ADMISSION, type Ticket } from './admission.ts';
import { type BegunLimits, BegunQueries, DEFAULT_BEGUN_MAX } from './begun.ts';
import { CancelFlag, QueryStop } from './cancel.ts';
import type { Plan, PlanHead, QueryContext, QueryKind } from './kind.ts';
import {
  checkLimits,
  DEFAULT_QUERY_LIMITS,
  isCheap,
  isSoonUrgent,
  laneOf,
  placeOf,
  type QueryLimits,
  URGENT_MAX_MS,
} from './limits.ts';
import { QueryMetrics } from './query-metrics.ts';
import type { KindRegistry } from './registry.ts';
import { QueryRunError } from './run-error.ts';
import { addParts, headOf, planWithin } from './run-parts.ts';
import { DEFAULT_SCAN_THREADS, ScanPool, type ScanPoolOptions } from './scan-pool.ts';
import { type Asked, type Planned, type RanInThreads, ThreadRuns } from './thread-runs.ts';

export const DEFAULT_QUERY_DEADLINE_MS = 30_000;
/** After as many plans that were overtaken by merges the query runs in one snapshot, where none can be. */
const MAX_SPLIT_ATTEMPTS = 2;

export interface QueryExecutorOptions {
  /** Of one generation; another one has an executor of its own. */
  readonly reader: KvReader;
  readonly kinds: KindRegistry;
  readonly clock: Clock;
  /** Absent: everything runs in the caller's thread (simulations, command line). */
  readonly pool?: Omit<ScanPoolOptions, 'onBusy'>;
  readonly limits?: QueryLimits;
  readonly admission?: AdmissionLimits;
  /** Default: `DEFAULT_BEGUN_MAX`. */
  readonly begun_max?: BegunLimits;
}

export interface QueryRunOptions {
  /** The tenant. */
  readonly scope: string;
  /** The API key or token subject, whose queries are counted. */
  readonly key?: string;
  /** Aborted when whoever asked has left. */
  readonly signal?: AbortSignal;
  /** From now, ms; default `DEFAULT_QUERY_DEADLINE_MS`. Waiting counts. */
  readonly deadline_ms?: number;
  /** Narrower than the executor's. */
  readonly limits?: QueryLimits;
  /** Looks at the state before a plan is made, and throws where it is not fresh enough. */
  readonly accept?: (progress: Progress | undefined) => void;
}

export interface QueryAnswer<A> {
  readonly answer: A;
  readonly plan: PlanHead;
  /** The answer is the state after exactly this commit. */
  readonly progress: Progress | undefined;
  readonly ran: 'inline' | 'split' | 'whole';
}

export interface PlannedQuery {
  readonly plan: PlanHead;
  readonly parts: number;
  readonly progress: Progress | undefined;
  /** Where it would run. */
  readonly runs: 'inline' | 'split' | 'whole';
  /** Why it would not be run. */
  readonly refused: MillraceError | undefined;
}

type Begun =
  | { readonly is: 'answered'; readonly answer: QueryAnswer<unknown> }
  | { readonly is: 'waiting'; readonly caller: Caller }
  | { readonly is: 'planned'; readonly planned: Planned; readonly ticket: Ticket };

const NEVER = new CancelFlag();

/**
 * Answers queries: cheap ones at once in this thread, others in scan threads. The answer is always a function of one
 * commit; docs/queries.md has the argument.
 *
 * Throws, beside what a kind throws: `query_too_large`, `too_many_queries`, `query_timeout`, `query_cancelled`,
 * `query_thread_failed`, `queries_stopped`.
 */
export class QueryExecutor {
  readonly #reader: KvReader;
  readonly #clock: Clock;
  readonly #kinds: KindRegistry;
  readonly #limits: QueryLimits;
  readonly #pools: readonly ScanPool[];
  readonly #urgentPool: ScanPool | undefined;
  readonly #runs: ThreadRuns | undefined;
  /** For short queries that run in one snapshot. */
  readonly #urgent: ThreadRuns | undefined;
  readonly #admission: Admission;
  readonly #begun: BegunQueries;
  readonly #metrics: QueryMetrics;
  readonly #active = new Set<QueryStop>();
  readonly #idleWaiters: (() => void)[] = [];
  #isClosed = false;

  constructor({ reader, kinds, clock, pool, limits, admission, begun_max }: QueryExecutorOptions) {
    this.#reader = reader;
    this.#kinds = kinds;
    this.#clock = clock;
    this.#limits = limits ?? DEFAULT_QUERY_LIMITS;
    this.#admission = new Admission(admission ?? DEFAULT_ADMISSION, pool?.threads ?? DEFAULT_SCAN_THREADS);
    this.#begun = new BegunQueries(begun_max ?? DEFAULT_BEGUN_MAX);
    const onBusy = (kind: string, busy_ms: number): void => this.#metrics.busy(kind, busy_ms);
    this.#pools =
      pool === undefined
        ? []
        : [new ScanPool({ ...pool, onBusy }), new ScanPool({ ...pool, onBusy, threads: 1, isUrgent: true })];
    this.#urgentPool = this.#pools[1];
    [this.#runs, this.#urgent] = this.#pools.map((each) => new ThreadRuns(each));
    this.#metrics = new QueryMetrics({
      begun: () => this.#begun.count,
      running: () => this.#admission.running,
      waiting: () => this.#admission.waiting,
      threads: () => this.#pools.reduce((sum, { threads }) => sum + threads, 0),
      busyThreads: () => this.#pools.reduce((sum, { busyThreads }) => sum + busyThreads, 0),
    });
  }

  /** Runs a query of a registered kind. `query` is what its schema gave. */
  async run<Q, S, P, A>(
    kind: QueryKind<Q, S, P, A>,
    query: Q,
    options: QueryRunOptions,
  ): Promise<QueryAnswer<A>> {
    const { name } = kind;
    const leave = this.#enter(name, options);
    const stop = new QueryStop(options.deadline_ms ?? DEFAULT_QUERY_DEADLINE_MS, options.signal);
    this.#active.add(stop);
    try {
      const answer = await this.#run(this.#asked(name, query, options, stop));
      this.#metrics.answered(name, answer.ran, answer.plan);
      return answer as QueryAnswer<A>;
    } catch (thrown) {
      this.#metrics.failed(name, thrown instanceof MillraceError ? thrown.code : 'internal');
      throw thrown;
    } finally {
      stop.end();
      leave();
      this.#active.delete(stop);
      if (this.#active.size === 0) for (const wake of this.#idleWaiters.splice(0)) wake();
    }
  }

  /** What a query would read and cost, and whether it would be run: for `dry_run`. */
  async plan<Q, S, P, A>(
    { name }: QueryKind<Q, S, P, A>,
    query: Q,
    options: QueryRunOptions,
  ): Promise<PlannedQuery> {
    const leave = this.#enter(name, options);
    const stop = new QueryStop(DEFAULT_QUERY_DEADLINE_MS, options.signal);
    try {
      return await this.#turn(options.scope, stop, () => this.#planned(name, query, options));
    } finally {
      stop.end();
      leave();
    }
  }

  /** Counts a query of the caller. Throws `too_many_queries`. */
  #enter(name: string, { scope, key }: QueryRunOptions): () => void {
    try {
      return this.#begun.enter(scope, key);
    } catch (thrown) {
      this.#metrics.failed(name, 'too_many_queries');
      throw thrown;
    }
  }

  /** Work that holds this thread; of a query that was stopped meanwhile nothing is done. */
  #turn<T>(scope: string, stop: QueryStop, work: () => T): Promise<T> {
    return threadTurns.run(scope, () => {
      stop.check();
      return work();
    });
  }

  #planned(
    name: string,
    query: unknown,
    { scope, accept, limits = this.#limits }: QueryRunOptions,
  ): PlannedQuery {
    const kind = this.#kinds.get(name);
    return this.#snapshot(scope, this.#clock.now(), (context) => {
      accept?.(context.progress);
      const plan = kind.plan(context, query);
      return {
        plan: headOf(plan),
        parts: plan.parts.length,
        progress: context.progress,
        runs: this.#runsInline(plan) ? 'inline' : placeOf(plan),
        refused: refusal(plan, limits),
      };
    });
  }

  samples(): MetricSample[] {
    return this.#metrics.samples();
  }

  /** Resolves when no query runs or waits. */
  idle(): Promise<void> {
    if (this.#active.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Ends what runs and waits with `queries_stopped`, then the threads. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const stop of [...this.#active]) stop.stop(stopped());
    await Promise.all(this.#pools.map((pool) => pool.close()));
  }

  #asked(name: string, query: unknown, options: QueryRunOptions, stop: QueryStop): Asked {
    if (this.#isClosed) throw stopped();
    const { scope, key, accept, limits = this.#limits } = options;
    const [kind, now_ms] = [this.#kinds.get(name), this.#clock.now()];
    return { kind, query, scope, now_ms, limits, key, accept, stop, jobs: [] };
  }

  async #run(asked: Asked): Promise<QueryAnswer<unknown>> {
    const begin = (held?: Ticket): Promise<Begun> =>
      this.#turn(asked.scope, asked.stop, () => this.#begin(asked, held));
    let begun = await begin();
    if (begun.is === 'answered') return begun.answer;
    const ticket =
      begun.is === 'planned' ? begun.ticket : await this.#admission.enter(begun.caller, asked.stop);
    const [runs, urgent] = [this.#runs, this.#urgent];
    invariant(runs !== undefined && urgent !== undefined, 'without threads everything runs inline');
    try {
      for (let attempt = 1; attempt <= MAX_SPLIT_ATTEMPTS; attempt++) {
        // Planned while it waited, or overtaken by a merge: again.
        if (begun.is !== 'planned' || attempt > 1) begun = await begin(ticket);
        if (begun.is === 'answered') return begun.answer;
        invariant(begun.is === 'planned', 'who has a ticket does not wait');
        if (placeOf(begun.planned.plan) === 'whole') break;
        try {
          return await this.#finish(asked, await runs.split(asked, begun.planned));
        } catch (thrown) {
          if (!isStale(thrown)) throw thrown;
          this.#metrics.stale(asked.kind.name);
        }
      }
      const head = begun.is === 'planned' ? begun.planned.head : undefined;
      const isUrgent = head !== undefined && head.cost_ms <= URGENT_MAX_MS;
      return await this.#finish(asked, await (isUrgent ? urgent : runs).whole(asked, head));
    } finally {
      // Its threads are its own until they have stopped.
      void Promise.all(asked.jobs.map(({ ended }) => ended)).then(() => ticket.leave());
    }
  }

  /** Plans in one snapshot, and does all there that has to be done there. */
  #begin(asked: Asked, ticket: Ticket | undefined): Begun {
    const { kind, query, scope, now_ms, limits, key, accept } = asked;
    return this.#snapshot(scope, now_ms, (context): Begun => {
      accept?.(context.progress);
      const plan = planWithin(kind, context, query, limits);
      const head = headOf(plan);
      const { progress } = context;
      const run = { cancel: NEVER, limits };
      if (this.#runsInline(plan)) {
        // It grows while events come in, and then waits for no thread that takes seconds to start.
        if (isSoonUrgent(plan)) this.#urgentPool?.warm();
        const answer = kind.finish(context, head, addParts(kind, context, head, plan.parts, run));
        return { is: 'answered', answer: { answer, plan: head, progress, ran: 'inline' } };
      }
      const caller = { scope, key, lane: laneOf(plan), cost_ms: plan.cost_ms };
      const admitted = ticket ?? this.#admission.tryEnter(caller);
      if (admitted === undefined) return { is: 'waiting', caller };
      try {
        const here = placeOf(plan) === 'split' ? plan.parts.filter(({ reads }) => reads === 'mutable') : [];
        const sum = addParts(kind, context, head, here, run);
        return { is: 'planned', planned: { plan, head, progress, sum }, ticket: admitted };
      } catch (thrown) {
        if (ticket === undefined) admitted.leave();
        throw thrown;
      }
    });
  }

  /** Renders what the threads gave, where they have not; the newer snapshot is for what never changes. */
  async #finish({ kind, scope, now_ms, stop }: Asked, ran: RanInThreads): Promise<QueryAnswer<unknown>> {
    stop.check();
    const { head: plan, progress, outcome, place } = ran;
    if (outcome.done) return { answer: outcome.answer, plan, progress, ran: place };
    const answer = await this.#turn(scope, stop, () =>
      this.#snapshot(scope, now_ms, (context) => kind.finish({ ...context, progress }, plan, outcome.bytes)),
    );
    return { answer, plan, progress, ran: place };
  }

  #runsInline(plan: Plan): boolean {
    return this.#runs === undefined || isCheap(plan);
  }

  #snapshot<T>(scope: string, now_ms: number, work: (context: QueryContext) => T): T {
    return this.#reader.snapshot((table: (name: string) => KvView) =>
      work({ table, scope, now_ms, progress: readProgress(table(META_TABLE)) }),
    );
  }
}

function refusal(plan: Plan, limits: QueryLimits): MillraceError | undefined {
  try {
    checkLimits(plan, limits);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof MillraceError) return thrown;
    throw thrown;
  }
}

function stopped(): QueryRunError {
  return new QueryRunError('queries_stopped', 'The service is being stopped. Ask again in a moment.', {
    retryAfter_ms: 1_000,
  });
}

function isStale(thrown: unknown): boolean {
  return thrown instanceof MillraceError && thrown.code === 'plan_stale';
}
