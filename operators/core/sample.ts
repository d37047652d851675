import { defineOperator, MillraceError, type Operator, type OperatorDoc } from '../../engine/index.ts';
import { fnv1aOfString, mix32 } from './hash.ts';

export interface SampleConfig<A> {
  /** The share of ids that is passed on, 0 to 1. */
  readonly rate: number;
  /** What is sampled: of an id all items are passed on or none (a session, an order, an event). */
  readonly idOf: (item: A) => string;
}

export const sampleDoc: OperatorDoc = {
  kind: 'sample',
  summary: 'A share of the items, chosen by a hash of an id',
  does: 'Passes on the items whose id hashes below the rate (FNV-1a, then the finaliser of Murmur3, 32 bits). No chance is involved: an id is in the sample or it is not, today and in a replay, in every topology and on every partition. All items of an id share one fate, so choose the id of what has to stay whole: the session for a funnel, the event for a plain share. A sample of a smaller rate is part of every sample of a larger one.',
  state: 'None.',
  late: 'Late items are judged like all others.',
  duplicates: 'They have the same id and share one fate.',
  failure:
    'Nothing to lose: the choice depends on the id alone. Items left out are counted as `millrace.sample.dropped`, by operator. The share of ids comes close to the rate, that of items only where ids have about as many items each.',
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
    start: ({ name, config: { rate, idOf }, metrics, emit }) => {
      const below = rate * HASHES;
      const dropped = metrics.counter('millrace.sample.dropped', 'Items that a sample left out', {
        operator: name,
      });
      return {
        onBatch: (items) => {
          const kept = items.filter((item) => mix32(fnv1aOfString(idOf(item))) >>> 0 < below);
          dropped.add(items.length - kept.length);
          emit(kept);
        },
      };
    },
  });
