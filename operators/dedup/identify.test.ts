import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { identify } from './identify.ts';

const idOf = ({ id0, id1, id2 }: ReturnType<typeof identify>): string => `${id0}/${id1}/${id2}`;

describe('identify', () => {
  it('takes no id that is missing for one', () => {
    for (const id of [undefined, null, 7] as unknown as string[]) {
      expect(() => identify(id, null)).toThrow(expect.objectContaining({ code: 'bad_text' }));
    }
  });

  it('tells ids apart in all three words, and contents by themselves', () => {
    const known = identify('payment-1', { cents: 5, to: 'ada' });
    expect(identify('payment-1', { to: 'ada', cents: 5 })).toEqual(known);
    const changed = identify('payment-1', { cents: 6, to: 'ada' });
    expect(idOf(changed)).toBe(idOf(known));
    expect(changed.payload).not.toBe(known.payload);
    const words = Array.from({ length: 2_000 }, (_, index) => identify(`payment-${index}`, null));
    for (const word of ['id0', 'id1', 'id2'] as const) {
      expect(new Set(words.map((one) => one[word])).size).toBe(2_000);
    }
  });

  it('gives different ids different words', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (a, b) => {
        expect(idOf(identify(a, 1)) === idOf(identify(b, 1))).toBe(a === b);
      }),
    );
  });
});
