import { expect, it } from 'vitest';
import { Failures } from './failures.ts';

const failuresUntilLast = (failures: Failures, sequence: number, part = 0): number => {
  for (let count = 1; ; count++) if (failures.isLast(sequence, part)) return count;
};

it('counts the failures of each part of a message until it is forgotten', () => {
  const failures = new Failures();
  expect(failures.isLast(1, 0)).toBe(false);
  expect(failuresUntilLast(failures, 1, 1)).toBe(20);
  expect(failuresUntilLast(failures, 1, 0)).toBe(19);
  expect(failures.isLast(1, 0)).toBe(true);
  failures.forget(1);
  expect(failuresUntilLast(failures, 1)).toBe(20);
});

it('keeps so many messages in mind, the newest', () => {
  const failures = new Failures();
  for (let sequence = 0; sequence <= 1_024; sequence++) failures.isLast(sequence, 0);
  expect(failuresUntilLast(failures, 1_024)).toBe(19);
  expect(failuresUntilLast(failures, 0)).toBe(20);
});
