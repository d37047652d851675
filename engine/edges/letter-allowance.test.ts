import { expect, it } from 'vitest';
import { LetterAllowance } from './letter-allowance.ts';

const letter = (tenant: string, sequence: number, bytes = 10, reason = 'bad_time') => ({
  id: `deadletter-${tenant}-${sequence}`,
  subject: `deadletter.${tenant}`,
  headers: { Reason: reason, 'Original-Seq': String(sequence) },
  payload: new Uint8Array(bytes),
});
const bodies = (allowance: LetterAllowance): unknown[] =>
  allowance.summaries().map(({ subject, payload }) => [subject, JSON.parse(Buffer.from(payload).toString())]);

it('lets a tenant have so many, and says of the others where they are', () => {
  const allowance = new LetterAllowance({ per_min: 2, bytes_per_h: 1_000 });
  const taken = [1, 2, 3, 4, 9].map((sequence) => allowance.takes(letter('a', sequence), 0));
  expect(taken).toEqual([true, true, false, false, false]);
  expect(allowance.takes(letter('b', 5), 0)).toBe(true);
  expect(allowance.takes({ ...letter('a', 6), subject: 'out.a' }, 0)).toBe(true);
  const said = {
    rejected: 3,
    reasons: { bad_time: 3 },
    sequences: [
      [3, 4],
      [9, 9],
    ],
  };
  expect(bodies(allowance)).toEqual([['deadletter.a', said]]);
  expect([bodies(allowance), allowance.summed]).toEqual([[], 3]);
  // A half of a minute gives half of it.
  expect([1, 2].map((sequence) => allowance.takes(letter('a', sequence), 30_000))).toEqual([true, false]);
});

it('bounds the bytes too, but lets a single one through', () => {
  const allowance = new LetterAllowance({ per_min: 100, bytes_per_h: 50 });
  expect(allowance.takes(letter('a', 1, 80), 0)).toBe(true);
  expect(allowance.takes(letter('a', 2, 1, 'too_large'), 0)).toBe(false);
  expect(bodies(allowance)).toMatchObject([['deadletter.a', { reasons: { too_large: 1 } }]]);
  expect(allowance.takes(letter('a', 3, 1), 3_600_000)).toBe(true);
});
