import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { ThreadTurns } from './thread-turns.ts';

/** Holds the thread for longer than a turn may. */
function hold(): void {
  const until_ms = performance.now() + 12;
  while (performance.now() < until_ms);
}

it('runs the first piece at once, and others after the event loop had its turn', async () => {
  const turns = new ThreadTurns();
  const seen: string[] = [];
  const piece = (name: string) => turns.run('a', () => [hold(), seen.push(name)]);
  const pieces = [piece('1'), piece('2'), piece('3')];
  expect([seen, turns.waiting]).toEqual([['1'], 2]);
  await turn();
  seen.push('loop');
  await Promise.all(pieces);
  expect(seen).toEqual(['1', '2', 'loop', '3']);
});

it('takes those who wait in turn, however many pieces one has', async () => {
  const turns = new ThreadTurns();
  const seen: string[] = [];
  const piece = (scope: string) => turns.run(scope, () => [hold(), seen.push(scope)]);
  await Promise.all(['a', 'a', 'a', 'a', 'b', 'c'].map(piece));
  expect(seen.join('')).toBe('aabcaa');
});

it('gives what a piece gives or throws, and goes on', async () => {
  const turns = new ThreadTurns();
  const fails = turns.run('a', () => {
    throw new Error('mine');
  });
  await expect(fails).rejects.toThrow('mine');
  await expect(turns.run('a', () => 7)).resolves.toBe(7);
  expect(turns.waiting).toBe(0);
});
