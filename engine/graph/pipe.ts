import type { Operator, Sides } from './operator.ts';
import type { Stream } from './topology.ts';

type AnyOperator = Operator<never, unknown, Sides>;

/** An operator before the last: nobody reads its side outputs here. */
type To<A, B> = Operator<A, B, Sides>;
// Operators one behind another, by what is between them.
type Two<A, B, C> = [To<A, B>, To<B, C>];
type Three<A, B, C, D> = [...Two<A, B, C>, To<C, D>];
type Four<A, B, C, D, E> = [...Three<A, B, C, D>, To<D, E>];
type Five<A, B, C, D, E, F> = [...Four<A, B, C, D, E>, To<E, F>];
type Six<A, B, C, D, E, F, G> = [...Five<A, B, C, D, E, F>, To<F, G>];
type Seven<A, B, C, D, E, F, G, H> = [...Six<A, B, C, D, E, F, G>, To<G, H>];
type Eight<A, B, C, D, E, F, G, H, I> = [...Seven<A, B, C, D, E, F, G, H>, To<H, I>];
type Nine<A, B, C, D, E, F, G, H, I, J> = [...Eight<A, B, C, D, E, F, G, H, I>, To<I, J>];
type Ten<A, B, C, D, E, F, G, H, I, J, K> = [...Nine<A, B, C, D, E, F, G, H, I, J>, To<J, K>];
type Eleven<A, B, C, D, E, F, G, H, I, J, K, L> = [...Ten<A, B, C, D, E, F, G, H, I, J, K>, To<K, L>];

/** The operators, each of which takes what the one before gives; the first takes `In`. */
type Chained<In, Operators extends readonly AnyOperator[]> = Operators extends readonly [
  Operator<infer _, infer Out, Sides>,
  ...infer Rest extends readonly AnyOperator[],
]
  ? readonly [To<In, Out>, ...Chained<Out, Rest>]
  : readonly [];

/** What the last of the operators gives. */
type StreamOf<Operators extends readonly AnyOperator[]> = Operators extends readonly [
  ...infer _,
  Operator<infer _A, infer Out, infer P extends Sides>,
]
  ? Stream<Out, P>
  : never;

/** What operators can be put behind. */
export abstract class Piped<T> {
  /**
   * Operators one after the other, as many as one likes; the stream returned has the side outputs of the last. Of the
   * first twelve each function knows the type of its items; from the 13th on it says it: `map('m', (order: Order) => …)`.
   */
  pipe<B, P extends Sides>(a: Operator<T, B, P>): Stream<B, P>;
  pipe<B, C, P extends Sides>(...o: [To<T, B>, Operator<B, C, P>]): Stream<C, P>;
  pipe<B, C, D, P extends Sides>(...o: [...Two<T, B, C>, Operator<C, D, P>]): Stream<D, P>;
  pipe<B, C, D, E, P extends Sides>(...o: [...Three<T, B, C, D>, Operator<D, E, P>]): Stream<E, P>;
  pipe<B, C, D, E, F, P extends Sides>(...o: [...Four<T, B, C, D, E>, Operator<E, F, P>]): Stream<F, P>;
  pipe<B, C, D, E, F, G, P extends Sides>(...o: [...Five<T, B, C, D, E, F>, Operator<F, G, P>]): Stream<G, P>;
  pipe<B, C, D, E, F, G, H, P extends Sides>(
    ...o: [...Six<T, B, C, D, E, F, G>, Operator<G, H, P>]
  ): Stream<H, P>;
  pipe<B, C, D, E, F, G, H, I, P extends Sides>(
    ...o: [...Seven<T, B, C, D, E, F, G, H>, Operator<H, I, P>]
  ): Stream<I, P>;
  pipe<B, C, D, E, F, G, H, I, J, P extends Sides>(
    ...o: [...Eight<T, B, C, D, E, F, G, H, I>, Operator<I, J, P>]
  ): Stream<J, P>;
  pipe<B, C, D, E, F, G, H, I, J, K, P extends Sides>(
    ...o: [...Nine<T, B, C, D, E, F, G, H, I, J>, Operator<J, K, P>]
  ): Stream<K, P>;
  pipe<B, C, D, E, F, G, H, I, J, K, L, P extends Sides>(
    ...o: [...Ten<T, B, C, D, E, F, G, H, I, J, K>, Operator<K, L, P>]
  ): Stream<L, P>;
  pipe<B, C, D, E, F, G, H, I, J, K, L, M, P extends Sides>(
    ...o: [...Eleven<T, B, C, D, E, F, G, H, I, J, K, L>, Operator<L, M, P>]
  ): Stream<M, P>;
  pipe<B, C, D, E, F, G, H, I, J, K, L, M, R extends readonly [AnyOperator, ...AnyOperator[]]>(
    // One by one: a rest is inferred where it stands alone.
    b: To<T, B>,
    c: To<B, C>,
    d: To<C, D>,
    e: To<D, E>,
    f: To<E, F>,
    g: To<F, G>,
    h: To<G, H>,
    i: To<H, I>,
    j: To<I, J>,
    k: To<J, K>,
    l: To<K, L>,
    m: To<L, M>,
    ...rest: R & Chained<M, R>
  ): StreamOf<R>;
  pipe(...operators: AnyOperator[]): Stream<never, never> {
    return this.through(operators);
  }

  protected abstract through(operators: readonly AnyOperator[]): Stream<never, never>;
}
