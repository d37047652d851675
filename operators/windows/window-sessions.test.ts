import { describe, expect, it } from 'vitest';
import { queryTable, type Stream, TestDriver, type WindowedValue } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { count } from '../aggregates/index.ts';
import { filter } from '../core/index.ts';
import { rowsOf, runAnyWay } from '../fixture-any-way.ts';
import { toTable, toWindowTable, windowTableOf } from '../views/index.ts';
import {
  type ObservedConfig,
  type ObservedResult,
  observe,
  type Reading,
  windowsByDefinition,
} from './fixture-window.ts';
import { earlyEvery, earlyEveryEvents, type Trigger } from './trigger.ts';
import { window } from './window.ts';
import type { WindowMode, WindowResult } from './window-types.ts';
import { session, tumbling } from './windows.ts';

let nextId = 0;
const at = (time_ms: number, value = 1, key = 'a'): Reading => ({ id: nextId++, key, time_ms, value });
const start = (config: Partial<ObservedConfig>) =>
  TestDriver.start<Reading, ObservedResult>(observe({ window: session({ gap_ms: 10 }), ...config }));
/** `key [start, end) total kind index`, with a minus before a retraction and a plus before what says it is none. */
const told = (results: readonly ObservedResult[]): string[] =>
  results.map(({ key, window: { start_ms, end_ms }, value, pane, kind }) => {
    const sign = kind === undefined ? '' : kind === 'retract' ? '-' : '+';
    return `${sign}${key} [${start_ms}, ${end_ms}) ${value.total} ${pane.kind} ${pane.index}`;
  });

describe('sessions, accumulating', () => {
  it('take back what was given of sessions that a late event has merged', async () => {
    const driver = await start({ allowedLateness_ms: 100 });
    await driver.push(at(0, 1), at(15, 2));
    await driver.advanceTo(30);
    await driver.push(at(8, 4));
    expect(told(driver.out)).toEqual([
      ...['a [0, 10) 1 onTime 0', 'a [15, 25) 2 onTime 0'],
      ...['-a [0, 10) 1 onTime 0', '-a [15, 25) 2 onTime 0', 'a [0, 25) 7 late 1'],
    ]);
    // The same bounds again: the result takes the place of the last one.
    await driver.push(at(9, 8));
    expect(told(driver.out).slice(5)).toEqual(['a [0, 25) 15 late 2']);
  });

  it('take back what was given of a session that has grown, also after a restart', async () => {
    const driver = await start({ trigger: earlyEveryEvents(1) });
    await driver.push(at(0, 1), at(0, 2));
    driver.commit();
    const again = await driver.restart();
    await again.push(at(5, 4));
    await again.advanceTo(100);
    expect(told([...driver.out, ...again.out])).toEqual([
      ...['a [0, 10) 1 early 0', 'a [0, 10) 3 early 1'],
      ...['-a [0, 10) 3 early 1', 'a [0, 15) 7 early 2', 'a [0, 15) 7 onTime 3'],
    ]);
  });

  it('take nothing back of a session that stays as it was, and of none without early or late results', async () => {
    const driver = await start({ trigger: earlyEvery(3) });
    await driver.push(at(0, 1), at(4, 2));
    await driver.advanceTo(6);
    await driver.push(at(2, 4));
    await driver.advanceTo(9);
    await driver.advanceTo(50);
    expect(told(driver.out)).toEqual([
      ...['a [0, 14) 3 early 0', 'a [0, 14) 7 early 1', 'a [0, 14) 7 onTime 2'],
    ]);
    const plain = await start({});
    await plain.push(at(0), at(15), at(8));
    await plain.advanceTo(100);
    expect(told(plain.out)).toEqual(['a [0, 25) 3 onTime 0']);
  });

  it('with less allowed lateness after a restart still take back what was given, once', async () => {
    const before = await start({ allowedLateness_ms: 50 });
    await before.push(at(0, 1));
    await before.advanceTo(15);
    const config = { window: session({ gap_ms: 10 }), allowedLateness_ms: 0 };
    const driver = await TestDriver.start(observe(config), { snapshot: before.snapshot() });
    await driver.push(at(2, 2));
    await driver.push(at(3, 4));
    await driver.advanceTo(100);
    expect(told([...before.out, ...driver.out])).toEqual([
      ...['a [0, 10) 1 onTime 0', '-a [0, 10) 1 onTime 0', 'a [0, 12) 3 late 1'],
      ...['-a [0, 12) 3 late 1', 'a [0, 13) 7 late 2'],
    ]);
  });
});

const GAP_MS = 6;
const LATE_MS = 12;
const END_MS = 1_000;
const TRIGGERS: readonly (Trigger | undefined)[] = [undefined, earlyEveryEvents(2), earlyEvery(4)];
const table = windowTableOf<number>('t');
const readings = fc
  .array(fc.record({ key: fc.constantFrom('a', 'b'), time_ms: fc.nat(60), value: fc.constant(1) }), {
    maxLength: 25,
  })
  .map((items) => items.map((item, id) => ({ id, ...item })));

/** Sessions of a key, kept as a table of how many events they have. */
const kept =
  (mode: WindowMode, trigger: Trigger | undefined, isValueGiven: boolean) =>
  (input: Stream<Reading>): Stream<WindowedValue<unknown>> => {
    const results = input.pipe(
      window('w', {
        keyOf: ({ key }) => key,
        timeOf: ({ time_ms }) => time_ms,
        window: session({ gap_ms: GAP_MS }),
        aggregate: count(),
        allowedLateness_ms: LATE_MS,
        mode,
        ...(trigger === undefined ? {} : { trigger }),
      }),
    );
    const common = {
      keyOf: ({ key }: WindowResult<number>) => key,
      windowOf: ({ window: of }: WindowResult<number>) => of,
      retain_ms: Number.POSITIVE_INFINITY,
    };
    return isValueGiven
      ? results.pipe(
          toWindowTable<WindowResult<number>, number>('t', { ...common, value: ({ value }) => value }),
        )
      : results.pipe(toWindowTable('t', common));
  };

const rowsIn = ({ disk }: Pick<TestDriver<Reading, unknown>, 'disk'>): string[] => {
  const answer = queryTable(disk.reader(), table, {
    ...{ kind: 'windows', start_ms: 0, end_ms: END_MS, limit: 1_000 },
  });
  if (!answer.ok) return [];
  return answer.values.map(({ key, start_ms, end_ms, value }) => {
    const events = typeof value === 'number' ? value : (value as WindowResult<number>).value;
    return `${key} ${start_ms} ${end_ms}: ${events}`;
  });
};

describe('a table of sessions', () => {
  for (const mode of ['accumulate', 'retract'] as const) {
    for (const isValueGiven of [false, true]) {
      for (const trigger of TRIGGERS) {
        const how = `${mode}, ${isValueGiven ? 'with' : 'without'} value, ${trigger?.kind ?? 'no'} trigger`;
        it(`has one row for each session, whatever the order of arrival: ${how}`, async () => {
          await fc.assert(
            fc.asyncProperty(readings, fc.integer(), async (items, seed) => {
              const { driver } = await runAnyWay(kept(mode, trigger, isValueGiven), items, {
                ...{ timeOf: ({ time_ms }: Reading) => time_ms, seed },
                ...{ end_ms: END_MS, lateness_ms: LATE_MS },
              });
              const expected = windowsByDefinition(session({ gap_ms: GAP_MS }), items).map(
                ([name, { n }]) => `${name}: ${n}`,
              );
              expect(rowsIn(driver).sort()).toEqual(expected.sort());
            }),
            { numRuns: 60 },
          );
        });
      }
    }
  }

  it('never counts an event twice: what is taken back and what follows it are in one batch', async () => {
    const driver = await TestDriver.start(kept('accumulate', earlyEveryEvents(1), true));
    for (const [pushed, time_ms] of [0, 20, 5, 10, 15].entries()) {
      await driver.push(at(time_ms));
      driver.commit();
      const total = rowsIn(driver).reduce((sum, row) => sum + Number(row.split(': ')[1]), 0);
      expect(total).toBe(pushed + 1);
    }
    expect(rowsIn(driver)).toEqual(['a 0 26: 5']);
    // Timers of rows that were taken back go with them.
    expect(rowsOf(driver, 't')).toMatchObject({ windows: 1 });
  });

  it('has each event in one row at every commit, or late, also with other allowed latenesses', async () => {
    const step = fc.oneof(
      { weight: 8, arbitrary: fc.record({ event: fc.integer({ min: -25, max: 12 }) }) },
      { weight: 3, arbitrary: fc.record({ move: fc.integer({ min: 1, max: 12 }) }) },
      { weight: 2, arbitrary: fc.record({ lateness: fc.constantFrom(0, 4, 25, 60) }) },
    );
    const property = fc.asyncProperty(
      fc.array(step, { maxLength: 50 }),
      fc.constantFrom('accumulate' as const, 'retract' as const),
      fc.constantFrom(...TRIGGERS),
      async (steps, mode, trigger) => {
        const build = (allowedLateness_ms: number) => (input: Stream<Reading>) =>
          observe({
            ...{ window: session({ gap_ms: 10 }), mode, allowedLateness_ms },
            ...(trigger === undefined ? {} : { trigger }),
          })(input).pipe(
            toWindowTable<ObservedResult, readonly number[]>('t', {
              keyOf: ({ key }) => key,
              windowOf: ({ window: of }) => of,
              value: ({ value }) => value.ids,
              retain_ms: Number.POSITIVE_INFINITY,
            }),
          );
        let driver = await TestDriver.start(build(25));
        let [watermark_ms, pushed, late] = [100, 0, 0];
        await driver.advanceTo(watermark_ms);
        const idsIn = (): readonly number[] => {
          const query = { kind: 'windows', start_ms: 0, end_ms: 10_000, limit: 1_000 } as const;
          const answer = queryTable(driver.disk.reader(), windowTableOf<readonly number[]>('t'), query);
          const ids = answer.ok ? answer.values.flatMap(({ value }) => value) : [];
          expect(new Set(ids).size).toBe(ids.length);
          return ids;
        };
        for (const each of steps) {
          if ('event' in each) {
            pushed++;
            await driver.push(at(watermark_ms + each.event));
          } else if ('move' in each) {
            watermark_ms += each.move;
            await driver.advanceTo(watermark_ms);
          }
          driver.commit();
          idsIn();
          if (!('lateness' in each)) continue;
          late += driver.counter('millrace.window.late');
          driver = await TestDriver.start(build(each.lateness), { snapshot: driver.snapshot() });
        }
        await driver.advanceTo(100_000);
        driver.commit();
        expect(idsIn().length + late + driver.counter('millrace.window.late')).toBe(pushed);
      },
    );
    await fc.assert(property, { numRuns: 150 });
  });

  it('without the retractions keeps rows of sessions that are none any more', async () => {
    const driver = await TestDriver.start((input: Stream<Reading>) =>
      observe({ window: session({ gap_ms: 10 }), allowedLateness_ms: 100 })(input).pipe(
        filter('only-results', ({ kind }) => kind !== 'retract'),
        toWindowTable('t', {
          keyOf: ({ key }) => key,
          windowOf: ({ window: of }) => of,
          retain_ms: Number.POSITIVE_INFINITY,
        }),
      ),
    );
    await driver.push(at(0), at(15));
    await driver.advanceTo(30);
    await driver.push(at(8));
    driver.commit();
    expect(rowsOf(driver, 't').windows).toBe(3);
  });
});

describe('retractions in a table by key', () => {
  it('delete the row where no value is asked for, and come before what follows them', async () => {
    const driver = await TestDriver.start((input: Stream<Reading>) =>
      observe({
        ...{ window: tumbling({ size_ms: 10 }), mode: 'retract' },
        trigger: earlyEveryEvents(1),
      })(input).pipe(toTable('t', { keyOf: ({ key, window: { start_ms } }) => `${key}@${start_ms}` })),
    );
    await driver.push(at(1, 1), at(2, 2), at(12, 4));
    expect(
      driver.out.map(({ key, before, after }) => [key, before?.value.total, after?.value.total]),
    ).toEqual([
      ['a@0', undefined, 1],
      ['a@0', 1, undefined],
      ['a@0', undefined, 3],
      ['a@10', undefined, 4],
    ]);
  });

  it('are items like others with a value of their own, and with a time, by which they have no order', async () => {
    interface Change {
      readonly kind: 'insert' | 'retract';
      readonly n: number;
    }
    const of = (config: { value?: (item: Change) => number; timeOf?: (item: Change) => number }) =>
      TestDriver.start((input: Stream<Change>) =>
        input.pipe(toTable<Change, unknown>('t', { keyOf: () => 'k', ...config })),
      );
    const asked = await of({ value: ({ n }) => n });
    await asked.push({ kind: 'insert', n: 1 }, { kind: 'retract', n: 2 });
    expect(asked.out.at(-1)).toEqual({ key: 'k', before: 1, after: 2 });
    const timed = await of({ timeOf: ({ n }) => n });
    await timed.push({ kind: 'retract', n: 2 }, { kind: 'insert', n: 1 });
    expect(timed.out.at(-1)).toMatchObject({ before: undefined, after: { kind: 'retract', n: 2 } });
  });
});
