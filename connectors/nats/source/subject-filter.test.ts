import { describe, expect, it } from 'vitest';
import { fc } from '../../../test/property.ts';
import { covers } from '../client/index.ts';
import { patternOver, SubjectFilter } from './subject-filter.ts';

const token = fc.constantFrom('a', 'b', 'c', '*');
const pattern = fc
  .tuple(fc.array(token, { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([tokens, isOpen]) => [...tokens, ...(isOpen ? ['>'] : [])].join('.'));
const subject = fc
  .array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 6 })
  .map((tokens) => tokens.join('.'));

describe('SubjectFilter', () => {
  it.each([
    [['orders.paid'], 'orders.paid'],
    [['orders.*.paid', 'orders.*.refunded'], 'orders.*.*'],
    [['orders.paid', 'orders.paid.late'], 'orders.>'],
    [['orders.>', 'orders.paid'], 'orders.>'],
    [['orders', 'orders.paid'], '>'],
    [['orders.>', 'payments.>'], '*.>'],
    [['orders', 'payments'], '*'],
    [['>', 'payments'], '>'],
  ])('reads %j through %s', (subjects, wanted) => {
    expect(patternOver(subjects)).toBe(wanted);
  });

  it('asks the server for all that it takes, and takes nothing else', () => {
    fc.assert(
      fc.property(
        fc.array(pattern, { maxLength: 4 }),
        fc.array(subject, { maxLength: 20 }),
        (each, names) => {
          const filter = new SubjectFilter(each);
          expect(filter.isWhole).toBe(each.length === 0 || each.includes('>'));
          for (const name of names) {
            const isWanted = each.length === 0 || each.some((one) => covers(one, name));
            const isSent = filter.pattern === undefined || covers(filter.pattern, name);
            if (isWanted) expect(isSent).toBe(true);
            if (isSent) expect(filter.matches({ subject: name })).toBe(isWanted);
          }
        },
      ),
      { numRuns: 2_000, seed: 4 },
    );
  });

  it('remembers a bounded number of subjects', () => {
    const filter = new SubjectFilter(['a.*', 'b.*']);
    for (let index = 0; index < 20_000; index++) {
      expect(filter.matches({ subject: `${index % 3 === 0 ? 'a' : 'c'}.${index}` })).toBe(index % 3 === 0);
    }
    expect(filter.matches({ subject: 'b.1' })).toBe(true);
  });
});
