import { defineOperator, MillraceError, type Operator, type OperatorDoc } from '../../engine/index.ts';
import { fnv1aOfString, mix32 } from './hash.ts';
import { checkedKey } from './valid-time.ts';

/** Configuration of `sample`: `rate` is the share that is kept, 0 to 1; the same id is always kept or never. */
export interface SampleConfig<A> {
  /** The share of ids that is passed on, 0 to 1. */
  readonly rate: number;
  /** What is sampled: of an id all items are passed on or none (a session, an order, an event). */
  readonly idOf: (item: A) => string;
}

export const sampleDoc: OperatorDoc = {
  kind: 'sample',
  summary: 'A share of the items, chosen by a hash of an id',
};

/** The items of a share of the ids, the same ids always. Throws `bad_config` for a rate outside 0..1. No state. */
export function sample<A>(name: string, config: SampleConfig<NoInfer<A>>): Operator<A, A>;
export function sample<A>(name: string, config: SampleConfig<A>): Operator<A, A>;
export function sample<A>(name: string, config: SampleConfig<A>): Operator<A, A> {
  if (!(config.rate >= 0 && config.rate <= 1)) {
    throw new MillraceError('bad_config', `"${name}" has the rate ${config.rate}: give it one from 0 to 1.`);
  }
  return make<A>()(name, config);
}

const HASHES = 2 ** 32;

const make = <A>() =>
  defineOperator<A, A, SampleConfig<A>>({
    kind: sampleDoc.kind,
    summary: sampleDoc.summary,
    retractions: () => 'passes',
    start: ({ name, config: { rate, idOf }, metrics, emit }) => {
      const below = rate * HASHES;
      const dropped = metrics.counter('millrace.sample.dropped', 'Items that a sample left out', {
        operator: name,
      });
      return {
        onBatch: (items) => {
          const kept = items.filter((item) => mix32(fnv1aOfString(checkedKey(idOf(item)))) >>> 0 < below);
          dropped.add(items.length - kept.length);
          emit(kept);
        },
      };
    },
  });
