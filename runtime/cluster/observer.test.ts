import { describe, expect, it } from 'vitest';
import { Observer } from './observer.ts';

/** Looks at revision `revision` each second from `from_ms` on. */
function look(observer: Observer, revision: number, from_ms: number, times: number): void {
  for (let at = 0; at < times; at++) {
    const asked_ms = from_ms + at * 1_000;
    observer.seen('a', revision, asked_ms, asked_ms + 5);
  }
}

describe('a member is dead', () => {
  it('when its record was seen unchanged for five seconds, and not before', () => {
    const observer = new Observer();
    look(observer, 7, 0, 6);
    expect(observer.isDead('a')).toBe(false);
    look(observer, 7, 6_000, 1);
    expect(observer.isDead('a')).toBe(true);
    look(observer, 8, 7_000, 1);
    expect(observer.isDead('a')).toBe(false);
    expect(observer.living()).toEqual(['a']);
  });

  it('when it has no record', () => {
    const observer = new Observer();
    expect(observer.isDead('a')).toBe(true);
    look(observer, 1, 0, 1);
    observer.left('a');
    expect(observer.isDead('a')).toBe(true);
    expect(observer.living()).toEqual([]);
  });
});

describe('nobody is dead', () => {
  it('by time in which the observer stood still', () => {
    const observer = new Observer();
    look(observer, 7, 0, 1);
    look(observer, 7, 60_000, 1);
    expect(observer.unchanged_ms('a')).toBe(2_500);
    expect(observer.isDead('a')).toBe(false);
  });

  it('by time before a read that failed, nor by that until the next answer', () => {
    const observer = new Observer();
    look(observer, 7, 0, 5);
    observer.failed();
    look(observer, 7, 7_000, 5);
    expect(observer.unchanged_ms('a')).toBeLessThan(4_100);
    expect(observer.isDead('a')).toBe(false);
    look(observer, 7, 12_000, 2);
    expect(observer.isDead('a')).toBe(true);
  });

  it('by an answer that was asked for before the newest word was known', () => {
    const observer = new Observer();
    look(observer, 7, 0, 4);
    observer.seen('a', 8, 4_000, 4_000);
    observer.seen('a', 7, 3_900, 4_900);
    expect(observer.unchanged_ms('a')).toBe(0);
    observer.seen('a', 8, 5_000, 5_005);
    expect(observer.unchanged_ms('a')).toBe(1_000);
  });

  it('that has taken or confirmed a task meanwhile', () => {
    const observer = new Observer();
    look(observer, 7, 0, 5);
    observer.alive('a', 4_500);
    look(observer, 7, 5_000, 5);
    expect(observer.isDead('a')).toBe(false);
  });
});
