import { describe, expect, it } from 'vitest';
import type { Lane } from './limits.ts';
import { ScanJob } from './scan-job.ts';
import type { ScanTask } from './scan-message.ts';
import { Turns } from './turns.ts';

function job(tenant: string, units: number, unit_ms: number, lane: Lane = 'long'): ScanJob {
  const unit = { cost_ms: unit_ms, task: () => ({ task: 'part' }) as ScanTask };
  return new ScanJob({
    tenant,
    lane,
    units: Array.from({ length: units }, () => unit),
    onResult: () => undefined,
  });
}

/** Runs one unit after the other on one thread; who had each turn. */
function run(turns: Turns, taken_ms: (job: ScanJob) => number, unitMax_ms = 1e9): ScanJob[] {
  const order: ScanJob[] = [];
  for (let next = turns.next(unitMax_ms); next !== undefined; next = turns.next(unitMax_ms)) {
    const estimated_ms = next.next_ms ?? 0;
    next.take();
    turns.begin(next, estimated_ms);
    turns.end(next, estimated_ms, taken_ms(next));
    order.push(next);
  }
  return order;
}

describe('whose unit is next', () => {
  it('tenants share the time, whatever the number of their queries and units', () => {
    const turns = new Turns();
    const [a, b, c] = [job('one', 30, 10), job('one', 30, 10), job('two', 10, 10)];
    for (const each of [a, b, c]) turns.add(each);
    const order = run(turns, () => 10);
    expect(order.lastIndexOf(c)).toBeLessThanOrEqual(20);
    // And the two queries of the first share what it has.
    expect(order.slice(0, 40).filter((each) => each === a)).toHaveLength(15);
  });

  it('counts the time that units took, not their number or what was estimated', () => {
    const turns = new Turns();
    const [slow, fast] = [job('slow', 10, 10), job('fast', 40, 10)];
    turns.add(slow);
    turns.add(fast);
    const order = run(turns, (each) => (each === slow ? 40 : 10));
    expect(order.slice(0, 25).filter((each) => each === fast).length).toBeGreaterThanOrEqual(18);
  });

  it('who comes later has no claim to the time before, nor has to wait for it', () => {
    const turns = new Turns();
    const old = job('old', 100, 10);
    turns.add(old);
    // A unit runs while the other comes: its estimate is not time that was had.
    old.take();
    turns.begin(old, 1_000);
    turns.end(old, 1_000, 10);
    const late = job('late', 5, 10);
    turns.add(late);
    const order = run(turns, () => 10);
    expect(order.lastIndexOf(late)).toBeLessThan(11);
    expect(order.slice(0, 11).filter((each) => each === old).length).toBeGreaterThanOrEqual(4);
  });

  it('units that run already count as estimated', () => {
    const turns = new Turns();
    const [a, b] = [job('a', 4, 10), job('b', 4, 10)];
    turns.add(a);
    turns.add(b);
    const first = turns.next(1e9);
    first?.take();
    if (first !== undefined) turns.begin(first, 10);
    expect(turns.next(1e9)).toBe(first === a ? b : a);
  });

  it('quick queries go before other short ones, whoever had less time, and all get turns', () => {
    const turns = new Turns();
    const [long, short, quick] = [job('a', 2, 10), job('b', 10, 10, 'short'), job('c', 5, 10, 'short')];
    for (const each of [long, short, quick]) turns.add(each);
    const names = new Map([
      [long, 'L'],
      [short, 's'],
      [quick, 'q'],
    ]);
    const order = run(turns, () => 10).map((each) => names.get(each));
    expect(order.join('')).toBe('qqqqLsqssLsssssss');
  });

  it('short queries go first, and every fifth turn is a long one', () => {
    const turns = new Turns();
    const [long, short] = [job('a', 4, 10), job('b', 12, 10, 'short')];
    turns.add(long);
    turns.add(short);
    const order = run(turns, () => 10).map((each) => (each === long ? 'L' : 's'));
    expect(order.join('')).toBe('ssssLssssLssssLL');
  });

  it('leaves out units that are longer than allowed', () => {
    const turns = new Turns();
    const [long, other] = [job('a', 2, 500), job('b', 2, 100)];
    turns.add(long);
    turns.add(other);
    expect(run(turns, () => 10, 250)).toEqual([other, other]);
  });
});
