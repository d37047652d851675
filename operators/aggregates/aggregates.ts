import {
  type ByteReader,
  type ByteWriter,
  type Codec,
  refuseAsync,
  trustedJsonCodec,
} from '../../engine/index.ts';
import { codecFrom } from '../core/index.ts';

/**
 * How the events of a window become one value. Pure: no clock, no randomness, nothing outside the
 * accumulator. `add` and `merge` may change their first argument and return it; they never change the
 * second one, nor keep a mutable part of it. For results that do not depend on the order of arrival, `add`
 * must commute and `merge` must be associative and commutative with `init()` as its neutral element. An
 * accumulator may be null, but never undefined, which stands for none.
 */
export interface Aggregate<E, A, R> {
  init(): A;
  add(acc: A, event: E, time_ms: number): A;
  merge(a: A, b: A): A;
  /** Undoes `add`, exactly. */
  retract?(acc: A, event: E, time_ms: number): A;
  /** A value that later changes of the accumulator do not reach. */
  result(acc: A): R;
  /** How an accumulator is stored; JSON without it. */
  readonly codec?: Codec<A>;
  /**
   * Makes an accumulator of one that was stored under an older `version` of the window. Where no aggregate of the
   * window has it (or `formerCodec`), a start on an older version refuses; the others' are taken as they are.
   */
  migrate?(old: unknown, fromVersion: number): A;
  /** How accumulators of an older version were stored. By default as those of this one are. */
  formerCodec?(fromVersion: number): Codec<unknown>;
  /**
   * What accumulators hold, in a word: part of a window's definition, so that state of one aggregate is not read
   * as that of another. By default `custom`.
   */
  readonly kind?: string;
}

/** An aggregate, or aggregates by name (to any depth) whose result is an object of their results. */
export type AggregateSpec<E> = Aggregate<E, unknown, unknown> | { readonly [name: string]: AggregateSpec<E> };

/** The type of the result: `{ orders: count(), revenue: sum(…) }` gives `{ orders: number; revenue: number }`. */
export type ResultOf<S> = S extends { init(): unknown; result(acc: never): infer R }
  ? R
  : { -readonly [N in keyof S]: ResultOf<S[N]> };

/** An aggregate as operators use it: a composition is one aggregate, and the codec is always there. */
export interface ResolvedAggregate<E, A, R> extends Aggregate<E, A, R> {
  readonly codec: Codec<A>;
  readonly kind: string;
  /** Reads accumulators of an older version as those of this one; only where one of the aggregates migrates. */
  readonly codecOf?: (fromVersion: number) => Codec<A>;
  /** The names of a composition's parts: what is stored depends on them. */
  readonly shape: string;
}

/** One aggregate of a specification. */
export function resolveAggregate<E, S extends AggregateSpec<E>>(
  spec: S,
): ResolvedAggregate<E, unknown, ResultOf<S>> {
  const resolved = isAggregate<E>(spec)
    ? withCodec(spec)
    : compose(spec as Readonly<Record<string, AggregateSpec<E>>>);
  // ResultOf follows the same two cases; the compiler cannot see that.
  return resolved as ResolvedAggregate<E, unknown, ResultOf<S>>;
}

function isAggregate<E>(spec: AggregateSpec<E>): spec is Aggregate<E, unknown, unknown> {
  return typeof spec.init === 'function';
}

/** Delegates, for an aggregate may be an instance of a class. */
function withCodec<E>(aggregate: Aggregate<E, unknown, unknown>): ResolvedAggregate<E, unknown, unknown> {
  return {
    init: () => aggregate.init(),
    add: (acc, event, time_ms) => aggregate.add(acc, event, time_ms),
    merge: (a, b) => aggregate.merge(a, b),
    result: (acc) => aggregate.result(acc),
    ...(aggregate.retract === undefined
      ? {}
      : { retract: (acc, event, time_ms) => aggregate.retract?.(acc, event, time_ms) }),
    codec: aggregate.codec ?? trustedJsonCodec<unknown>(),
    kind: aggregate.kind ?? 'custom',
    shape: '',
    ...(migrates(aggregate)
      ? {
          codecOf: (fromVersion) =>
            codecFrom({ ...codecIn(aggregate), ...migrationIn(aggregate) }, fromVersion),
        }
      : {}),
  };
}

function migrates<E, A>({ migrate, formerCodec }: Aggregate<E, A, unknown>): boolean {
  return migrate !== undefined || formerCodec !== undefined;
}

function codecIn<E, A, R>({ codec }: Aggregate<E, A, R>): Pick<Aggregate<E, A, R>, 'codec'> {
  return codec === undefined ? {} : { codec };
}

/** As functions that may be called by themselves. */
function migrationIn<E, A, R>(
  aggregate: Aggregate<E, A, R>,
): Pick<Aggregate<E, A, R>, 'migrate' | 'formerCodec'> {
  const { migrate, formerCodec } = aggregate;
  return {
    ...(migrate === undefined ? {} : { migrate: migrate.bind(aggregate) }),
    ...(formerCodec === undefined ? {} : { formerCodec: formerCodec.bind(aggregate) }),
  };
}

/** The accumulator of a composition is an array, one element a part. */
function compose<E>(
  spec: Readonly<Record<string, AggregateSpec<E>>>,
): ResolvedAggregate<E, unknown[], Record<string, unknown>> {
  const names = Object.keys(spec);
  const parts = names.map((name) => resolveAggregate<E, AggregateSpec<E>>(spec[name] as AggregateSpec<E>));
  const retractable = parts.every(({ retract }) => retract !== undefined);
  return {
    init: () => parts.map((part) => part.init()),
    add: (acc, event, time_ms) => {
      for (let index = 0; index < parts.length; index++) {
        acc[index] = parts[index]?.add(acc[index], event, time_ms);
      }
      return acc;
    },
    merge: (a, b) => {
      for (let index = 0; index < parts.length; index++) a[index] = parts[index]?.merge(a[index], b[index]);
      return a;
    },
    ...(retractable
      ? {
          retract: (acc, event, time_ms) =>
            acc.map((held, index) => parts[index]?.retract?.(held, event, time_ms)),
        }
      : {}),
    result: (acc) => {
      const results: Record<string, unknown> = {};
      for (let index = 0; index < parts.length; index++) {
        results[names[index] as string] = parts[index]?.result(acc[index]);
      }
      return results;
    },
    codec: codecOfParts(parts.map(({ codec }) => codec)),
    ...(parts.some(({ codecOf }) => codecOf !== undefined)
      ? {
          codecOf: (fromVersion) =>
            codecOfParts(parts.map((part) => part.codecOf?.(fromVersion) ?? part.codec)),
        }
      : {}),
    kind: `{${parts.map(({ kind }, index) => `${names[index]}: ${kind}`).join(', ')}}`,
    shape: `{${parts.map(({ shape }, index) => `${names[index]}${shape}`).join(',')}}`,
  };
}

/** One after the other. */
function codecOfParts(codecs: readonly Codec<unknown>[]): Codec<unknown[]> {
  return {
    write: (writer: ByteWriter, acc) => {
      for (let index = 0; index < codecs.length; index++) codecs[index]?.write(writer, acc[index]);
    },
    read: (reader: ByteReader) => codecs.map((codec) => codec.read(reader)),
  };
}

/** Counts only the events that the predicate holds for: SQL's `FILTER (WHERE …)`. */
export function filtered<E, A, R>(
  predicate: (event: E) => boolean,
  aggregate: Aggregate<NoInfer<E>, A, R>,
): Aggregate<E, A, R> {
  refuseAsync(predicate, 'filtered');
  const { retract } = aggregate;
  return {
    init: () => aggregate.init(),
    add: (acc, event, time_ms) => (predicate(event) ? aggregate.add(acc, event, time_ms) : acc),
    merge: (a, b) => aggregate.merge(a, b),
    ...(retract === undefined
      ? {}
      : {
          retract: (acc: A, event: E, time_ms: number) =>
            predicate(event) ? retract.call(aggregate, acc, event, time_ms) : acc,
        }),
    result: (acc) => aggregate.result(acc),
    ...codecIn(aggregate),
    ...migrationIn(aggregate),
    kind: `filtered ${aggregate.kind ?? 'custom'}`,
  };
}

/** An aggregate whose result goes through a pure function, e.g. `mapResult(first<Order>(), (o) => o?.status)`. */
export function mapResult<E, A, R, Q>(
  aggregate: Aggregate<E, A, R>,
  project: (result: R) => Q,
): Aggregate<E, A, Q> {
  refuseAsync(project, 'mapResult');
  const { retract } = aggregate;
  return {
    init: () => aggregate.init(),
    add: (acc, event, time_ms) => aggregate.add(acc, event, time_ms),
    merge: (a, b) => aggregate.merge(a, b),
    ...(retract === undefined
      ? {}
      : {
          retract: (acc: A, event: E, time_ms: number) => retract.call(aggregate, acc, event, time_ms),
        }),
    result: (acc) => project(aggregate.result(acc)),
    ...codecIn(aggregate),
    ...migrationIn(aggregate),
    ...(aggregate.kind === undefined ? {} : { kind: aggregate.kind }),
  };
}
