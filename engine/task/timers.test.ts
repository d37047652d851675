import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { type KvStore, MemoryDisk } from '../state/index.ts';
import { TimerService } from './timers.ts';

const open = (store: KvStore): TimerService =>
  new TimerService(() => store.table('op/timers'), store.tableNames().includes('op/timers'));
const commit = (store: KvStore, timers: TimerService): void => store.transaction(() => timers.flush());

describe('timers', () => {
  it('are due once, when the watermark reaches them, earliest first', () => {
    const timers = open(new MemoryDisk().open());
    timers.set(30, 'c');
    timers.set(10, 'b');
    timers.set(10, 'a');
    timers.set(10, 'a');
    expect(timers.due(9)).toEqual([]);
    expect(timers.due(10)).toEqual([
      { time_ms: 10, key: 'a' },
      { time_ms: 10, key: 'b' },
    ]);
    expect(timers.due(29)).toEqual([]);
    expect(timers.due(1_000)).toEqual([{ time_ms: 30, key: 'c' }]);
    expect(timers.due(1_000)).toEqual([]);
  });

  it('a cleared timer is never due', () => {
    const store = new MemoryDisk().open();
    const timers = open(store);
    timers.set(10, 'a');
    commit(store, timers);
    timers.clear(10, 'a');
    expect(timers.due(20)).toEqual([]);
  });

  it('those that are due and not committed fire again after a crash', () => {
    const disk = new MemoryDisk();
    const store = disk.open();
    const timers = open(store);
    timers.set(10, 'a');
    commit(store, timers);
    expect(timers.due(10)).toHaveLength(1);
    expect(open(disk.open()).due(10)).toHaveLength(1);
  });

  it('all fire at a watermark beyond what a timer can hold', () => {
    for (const watermark_ms of [2 ** 48 - 1, 2 ** 48, 1.7e15, Number.MAX_VALUE, Number.POSITIVE_INFINITY]) {
      const store = new MemoryDisk().open();
      const timers = open(store);
      timers.set(2 ** 48 - 1, '\u{10ffff}');
      timers.set(10, 'a');
      commit(store, timers);
      timers.set(2 ** 48 - 1, 'new');
      expect(timers.due(watermark_ms).map(({ key }) => key)).toEqual(['a', 'new', '\u{10ffff}']);
      expect(timers.due(watermark_ms)).toEqual([]);
      timers.set(20, 'b');
      commit(store, timers);
      expect(timers.due(Number.POSITIVE_INFINITY)).toEqual([{ time_ms: 20, key: 'b' }]);
    }
  });

  it('an operator without timers makes no table', () => {
    const store = new MemoryDisk().open();
    commit(store, open(store));
    expect(store.tableNames()).toEqual([]);
  });

  it('behave like a sorted set, whatever is set, cleared, fired, committed and restored', () => {
    const step = fc.record({
      kind: fc.constantFrom(
        'set' as const,
        'set' as const,
        'clear' as const,
        'due' as const,
        'commit' as const,
        'restart' as const,
      ),
      time_ms: fc.integer({ min: 0, max: 20 }),
      key: fc.constantFrom('a', 'b', 'a\0', 'ü'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const disk = new MemoryDisk();
        let store = disk.open();
        let timers = open(store);
        let model = new Set<string>();
        let committed = new Set<string>();
        const id = (time_ms: number, key: string): string => JSON.stringify([time_ms, key]);
        for (const { kind, time_ms, key } of steps) {
          if (kind === 'set') {
            timers.set(time_ms, key);
            model.add(id(time_ms, key));
          } else if (kind === 'clear') {
            timers.clear(time_ms, key);
            model.delete(id(time_ms, key));
          } else if (kind === 'due') {
            const due = timers.due(time_ms);
            const expected = [...model].filter((entry) => (JSON.parse(entry) as [number])[0] <= time_ms);
            expect(due.map((timer) => id(timer.time_ms, timer.key)).sort()).toEqual(expected.sort());
            expect(due.map((timer) => timer.time_ms)).toEqual(
              due.map((timer) => timer.time_ms).sort((a, b) => a - b),
            );
            for (const entry of expected) model.delete(entry);
          } else if (kind === 'commit') {
            commit(store, timers);
            committed = new Set(model);
          } else {
            store = disk.open();
            timers = open(store);
            model = new Set(committed);
          }
        }
      }),
    );
  });
});
