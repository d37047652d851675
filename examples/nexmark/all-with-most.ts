import type { Aggregate, Codec } from '../../index.ts';
import { listCodec } from './codecs.ts';

/** All items with the greatest value seen. */
interface Most<E> {
  readonly value: number;
  readonly items: readonly E[];
}

/**
 * Aggregate: the items with the greatest `measure`, all of them where several have it, in the order of `compare`.
 * Size: that of the ties.
 */
export function allWithMost<E>(
  measure: (item: E) => number,
  compare: (a: E, b: E) => number,
  codec: Codec<E>,
): Aggregate<E, Most<E>, readonly E[]> {
  const items = listCodec(codec);
  return {
    init: () => ({ value: Number.NEGATIVE_INFINITY, items: [] }),
    add: (most, item) => {
      const value = measure(item);
      if (value < most.value) return most;
      return { value, items: value === most.value ? [...most.items, item] : [item] };
    },
    merge: (a, b) => {
      if (a.value !== b.value) return a.value > b.value ? a : b;
      return { value: a.value, items: [...a.items, ...b.items] };
    },
    result: (most) => most.items.toSorted(compare),
    codec: {
      write: (writer, most) => {
        writer.f64(most.value);
        items.write(writer, most.items);
      },
      read: (reader) => ({ value: reader.f64(), items: items.read(reader) }),
    },
  };
}
