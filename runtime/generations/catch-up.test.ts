import { describe, expect, it } from 'vitest';
import { CLOSE_MESSAGES, catchUp } from './catch-up.ts';

/** A stream that gets `live_per_s` while a build reads so many a second, patient and in a hurry. */
function following(behind: number, live_per_s: number, speeds: { patient: number; hurried: number }) {
  const told: string[] = [];
  let speed = speeds.patient;
  return {
    told,
    behind: () => behind,
    read: async () => {
      told.push('read');
      // What came while it read what there was.
      behind = Math.round((behind / speed) * live_per_s);
    },
    hurry: async () => {
      told.push('hurry');
      speed = speeds.hurried;
    },
  };
}

describe('a build that catches up', () => {
  it('reads until the live state is near', async () => {
    const build = following(1_000_000, 10_000, { patient: 50_000, hurried: 1 });
    await catchUp(build);
    expect(build.told).toEqual(['read', 'read', 'read', 'read']);
    expect(build.behind()).toBeLessThanOrEqual(CLOSE_MESSAGES);
  });

  it('hurries where the live task takes the machine, and comes near then', async () => {
    const build = following(1_000_000, 10_000, { patient: 9_000, hurried: 100_000 });
    await catchUp(build);
    expect(build.told.indexOf('hurry')).toBe(2);
    expect(build.behind()).toBeLessThanOrEqual(CLOSE_MESSAGES);
  });

  it('ends where it comes no nearer in a hurry either', async () => {
    const build = following(1_000_000, 10_000, { patient: 9_000, hurried: 9_500 });
    await catchUp(build);
    expect(build.told).toEqual(['read', 'read', 'hurry', 'read', 'read']);
  });
});
