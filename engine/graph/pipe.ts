import type { Operator, Sides } from './operator.ts';
import type { Stream } from './topology.ts';

type AnyOperator = Operator<never, unknown, Sides>;

/** The operators, each of which takes what the one before gives; the first takes `In`. */
type Chained<In, Operators extends readonly AnyOperator[]> = Operators extends readonly [
  Operator<infer _, infer Out, Sides>,
  ...infer Rest extends readonly AnyOperator[],
]
  ? readonly [Operator<In, Out, Sides>, ...Chained<Out, Rest>]
  : readonly [];

/** What the last of the operators gives. */
type StreamOf<Operators extends readonly AnyOperator[]> = Operators extends readonly [
  ...infer _,
  Operator<infer _A, infer Out, infer P extends Sides>,
]
  ? Stream<Out, P>
  : never;

/** What operators can be put behind; the signatures are most of it. */
export abstract class Piped<T> {
  /**
   * Operators one after the other, as many as one likes; the stream returned has the side outputs of the last. Of the
   * first nine each function knows the type of its items; from the tenth on it says it: `map('m', (order: Order) => …)`.
   */
  pipe<B, P extends Sides>(a: Operator<T, B, P>): Stream<B, P>;
  pipe<B, C, P extends Sides>(a: Operator<T, B, Sides>, b: Operator<B, C, P>): Stream<C, P>;
  pipe<B, C, D, P extends Sides>(
    a: Operator<T, B, Sides>,
    b: Operator<B, C, Sides>,
    c: Operator<C, D, P>,
  ): Stream<D, P>;
  pipe<B, C, D, E, P extends Sides>(
    a: Operator<T, B, Sides>,
    b: Operator<B, C, Sides>,
    c: Operator<C, D, Sides>,
    d: Operator<D, E, P>,
  ): Stream<E, P>;
  pipe<B, C, D, E, F, P extends Sides>(
    a: Operator<T, B, Sides>,
    b: Operator<B, C, Sides>,
    c: Operator<C, D, Sides>,
    d: Operator<D, E, Sides>,
    e: Operator<E, F, P>,
  ): Stream<F, P>;
  pipe<B, C, D, E, F, G, P extends Sides>(
    a: Operator<T, B, Sides>,
    b: Operator<B, C, Sides>,
    c: Operator<C, D, Sides>,
    d: Operator<D, E, Sides>,
    e: Operator<E, F, Sides>,
    f: Operator<F, G, P>,
  ): Stream<G, P>;
  pipe<B, C, D, E, F, G, H, P extends Sides>(
    a: Operator<T, B, Sides>,
    b: Operator<B, C, Sides>,
    c: Operator<C, D, Sides>,
    d: Operator<D, E, Sides>,
    e: Operator<E, F, Sides>,
    f: Operator<F, G, Sides>,
    g: Operator<G, H, P>,
  ): Stream<H, P>;
  pipe<B, C, D, E, F, G, H, I, P extends Sides>(
    a: Operator<T, B, Sides>,
    b: Operator<B, C, Sides>,
    c: Operator<C, D, Sides>,
    d: Operator<D, E, Sides>,
    e: Operator<E, F, Sides>,
    f: Operator<F, G, Sides>,
    g: Operator<G, H, Sides>,
    h: Operator<H, I, P>,
  ): Stream<I, P>;
  pipe<B, C, D, E, F, G, H, I, J, P extends Sides>(
    a: Operator<T, B, Sides>,
    b: Operator<B, C, Sides>,
    c: Operator<C, D, Sides>,
    d: Operator<D, E, Sides>,
    e: Operator<E, F, Sides>,
    f: Operator<F, G, Sides>,
    g: Operator<G, H, Sides>,
    h: Operator<H, I, Sides>,
    i: Operator<I, J, P>,
  ): Stream<J, P>;
  pipe<B, C, D, E, F, G, H, I, J, Rest extends readonly [AnyOperator, ...AnyOperator[]]>(
    a: Operator<T, B, Sides>,
    b: Operator<B, C, Sides>,
    c: Operator<C, D, Sides>,
    d: Operator<D, E, Sides>,
    e: Operator<E, F, Sides>,
    f: Operator<F, G, Sides>,
    g: Operator<G, H, Sides>,
    h: Operator<H, I, Sides>,
    i: Operator<I, J, Sides>,
    ...rest: Rest & Chained<J, Rest>
  ): StreamOf<Rest>;
  pipe(...operators: AnyOperator[]): Stream<never, never> {
    return this.through(operators);
  }

  protected abstract through(operators: readonly AnyOperator[]): Stream<never, never>;
}
