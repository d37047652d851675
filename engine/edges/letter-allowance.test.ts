import { expect, it } from 'vitest';
import { MemoryDisk } from '../state/index.ts';
import { LetterAllowance, type LetterLimits } from './letter-allowance.ts';

const MONTH_MS = 30 * 86_400_000;
const opened = (limits: Partial<LetterLimits>, disk = new MemoryDisk()) => {
  const store = disk.open();
  const all = { per_min: 1_000, bytes_per_h: 1_000_000, bytes_per_30d: 1_000_000, ...limits };
  const allowance = new LetterAllowance(all, store.table('meta'));
  const commit = (now_ms = 0) =>
    store.transaction(() => {
      const letters = allowance.summaries(now_ms);
      allowance.flush();
      return letters;
    });
  return { allowance, commit, disk };
};

const letter = (tenant: string, sequence: number, bytes = 10, reason = 'bad_time') => ({
  id: `deadletter-${tenant}-${sequence}`,
  subject: `deadletter.${tenant}`,
  headers: { Reason: reason, 'Original-Seq': String(sequence) },
  payload: new Uint8Array(bytes),
});
const bodies = ({ commit }: ReturnType<typeof opened>, now_ms = 0): unknown[] =>
  commit(now_ms).map(({ subject, payload }) => [subject, JSON.parse(Buffer.from(payload).toString())]);

it('lets a tenant have so many, and says of the others where they are', () => {
  const one = opened({ per_min: 2, bytes_per_h: 1_000 });
  const { allowance } = one;
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
  expect(bodies(one)).toEqual([['deadletter.a', said]]);
  expect([bodies(one), allowance.summed]).toEqual([[], 3]);
  // A half of a minute gives half of it.
  expect([1, 2].map((sequence) => allowance.takes(letter('a', sequence), 30_000))).toEqual([true, false]);
});

it('bounds the bytes too, but lets a single one through', () => {
  const one = opened({ per_min: 100, bytes_per_h: 50 });
  const { allowance } = one;
  expect(allowance.takes(letter('a', 1, 80), 0)).toBe(true);
  expect(allowance.takes(letter('a', 2, 1, 'too_large'), 0)).toBe(false);
  expect(bodies(one)).toMatchObject([['deadletter.a', { reasons: { too_large: 1 } }]]);
  expect(allowance.takes(letter('a', 3, 1), 3_600_000)).toBe(true);
});

it('bounds them over days, however many they are, however often the process starts', () => {
  const limits = { bytes_per_30d: 20_000 };
  const disk = new MemoryDisk();
  let bytes = 0;
  let rejected = 0;
  let told = 0;
  let sent = 0;
  const count = ({
    headers,
    payload,
  }: {
    headers: Readonly<Record<string, string>>;
    payload: Uint8Array;
  }) => {
    bytes += payload.length + JSON.stringify(headers).length;
    if (headers.Reason !== 'too_many_letters') return;
    told += (JSON.parse(Buffer.from(payload).toString()) as { rejected: number }).rejected;
  };
  // A letter each minute of three days, and a new process every 100 minutes.
  for (let minute = 0; minute < 3 * 1_440; minute += 100) {
    const { allowance, commit } = opened(limits, disk);
    for (let at = minute; at < minute + 100; at++) {
      const one = letter('a', at + 1);
      sent++;
      if (allowance.takes(one, at * 60_000)) count(one);
      else rejected++;
      for (const summary of commit(at * 60_000)) count(summary);
    }
  }
  expect(rejected).toBeGreaterThan(sent / 2);
  // The bytes of 30 days, and 24 summaries a day beyond them.
  expect(bytes).toBeLessThan(limits.bytes_per_30d + 3 * 24 * 500);
  // Nothing is left out: what was not told yet comes with the next summary.
  const end = opened(limits, disk);
  for (const summary of end.commit(4 * 86_400_000)) count(summary);
  expect(told).toBe(rejected);
  expect(end.allowance.takes(letter('b', 1), 4 * 86_400_000)).toBe(true);
  expect(end.allowance.takes(letter('a', 9_999), 4 * 86_400_000 + MONTH_MS)).toBe(true);
});
