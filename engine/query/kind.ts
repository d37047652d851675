import type { KvView } from '../state/index.ts';
import type { Progress } from '../task/index.ts';

/**
 * A query is data. A kind of query says how one is planned, run in parts and finished; `QueryExecutor` decides
 * where. Everything here is synchronous and works on one snapshot. Queries, plans and answers are plain data (what
 * `structuredClone` copies and JSON can say), because they go to threads and are shown by `explain`.
 */

/** One committed state, as a kind sees it. */
export interface QueryContext {
  readonly table: (name: string) => KvView;
  /** The tenant. */
  readonly scope: string;
  /**
   * What the answer is the state of: position, watermark, commit; undefined before the first commit. In `partial`
   * and `finish` it is that of the snapshot the plan was made in, even where `table` reads a newer one.
   */
  readonly progress: Progress | undefined;
  /** The clock when the query began, ms: the same in every thread. */
  readonly now_ms: number;
}

/**
 * Polled by `partial` between chunks, at least every few milliseconds. A part of a short query may run inside, in a
 * snapshot of its own: so what `partial` works with is its own, or made for being shared.
 */
export interface Cancel {
  isCancelled(): boolean;
  /** Throws `query_cancelled`. */
  check(): void;
}

/** A unit of a plan that can run beside the others. */
export interface PlanPart<P> {
  /**
   * `immutable`: `partial` finds everything by the names in `work` and those rows never change: segments. It
   * throws `PlanStale` for what is no longer there. Such a part may run in any thread, in a newer snapshot.
   * `mutable`: it reads rows that a commit may change (cubes): it only runs in the snapshot the plan was made in.
   */
  readonly reads: 'immutable' | 'mutable';
  readonly rows: number;
  readonly cost_ms: number;
  /** What `partial` needs for this part. */
  readonly work: P;
}

/** What is known of a query before it runs, without its parts. */
export interface PlanHead<S = unknown> {
  /** Name of the kind. */
  readonly kind: string;
  /** Rows of the log to be looked at. */
  readonly rows: number;
  /** Bytes to be read. */
  readonly bytes: number;
  /** Cells of cubes to be read. */
  readonly cells?: number;
  /** Column chunks to be read. */
  readonly chunks?: number;
  /** CPU time of all parts, estimated. */
  readonly cost_ms: number;
  /** As `meta.source` says it: `rollup:country@15m`, `scan`, … */
  readonly source: string;
  /** For `explain=true` and `dry_run=true`. */
  readonly explain: Readonly<Record<string, unknown>>;
  /** What would make the query smaller, as clauses: `ask for a shorter range (start, end)`. */
  readonly narrow: readonly string[];
  /** What all parts and `finish` need: resolved filters, rates. Goes to each thread with each part. */
  readonly shared: S;
}

export interface Plan<S = unknown, P = unknown> extends PlanHead<S> {
  readonly parts: readonly PlanPart<P>[];
}

/**
 * `Q`: the query. `S`: what a plan's parts share. `P`: the work of a part. `A`: the answer.
 */
export interface QueryKind<Q, S, P, A> {
  /** Stable. */
  readonly name: string;
  /** Checks what comes from outside; throws what it likes. A zod schema is one. */
  readonly schema: { parse(input: unknown): Q };
  /**
   * Reads manifests, definitions and estimates, no rows. What a part or `finish` needs of mutable tables beside
   * the part's own (rates, definitions) is read here and goes into `shared`. Runs in the API's thread, and again
   * in a scan thread where the whole query has to run in one snapshot.
   */
  plan(context: QueryContext, query: Q): Plan<S, P>;
  /** One part as bytes. Throws `PlanStale`, or what `cancel.check()` throws. */
  partial(context: QueryContext, plan: PlanHead<S>, part: P, cancel: Cancel): Uint8Array;
  /** Adds two partial answers, in any order and grouping; may write into `a` and return it. */
  merge(a: Uint8Array, b: Uint8Array): Uint8Array;
  /**
   * Renders. `bytes` is undefined when the plan has no parts. Its snapshot may be newer than the plan's: only what
   * is appended and never changed (dictionaries) may be read.
   */
  finish(context: QueryContext, plan: PlanHead<S>, bytes: Uint8Array | undefined): A;
  /**
   * Of a query that went to threads: whether `finish` runs there too; then its answer is copied to the API's
   * thread. By default it does when there are more than `FINISH_IN_API_MAX_BYTES`.
   */
  finishesInThread?(plan: PlanHead<S>, bytes: number): boolean;
}

/** A kind, its types erased: what registries and threads hold. */
export type AnyQueryKind = QueryKind<unknown, unknown, unknown, unknown>;

/**
 * What a module of kinds exports as `queryKinds`. The API's thread and the scan threads each load the module and
 * call it with the same `config`, plain data: settings such as the declared dimensions.
 */
export type QueryKinds = (config: unknown) => readonly AnyQueryKind[];

/** Infers the types of a kind from its functions. */
export function defineKind<Q, S, P, A>(kind: QueryKind<Q, S, P, A>): QueryKind<Q, S, P, A> {
  return kind;
}
