import { describe, expect, it } from 'vitest';
import { SeededRandom, type Stream, TestDriver } from '../../engine/index.ts';
import { sizes } from '../../test/long.ts';
import { fc } from '../../test/property.ts';
import {
  abc,
  anyClicks,
  anyDefinition,
  bruteForce,
  build,
  type Click,
  clicks,
  definitionOf,
} from './fixture-funnel.ts';
import { type FunnelChange, type FunnelConfig, funnel } from './funnel.ts';

const start = (config: FunnelConfig<Click>) => TestDriver.start(build(config));

const rowsOf = (driver: TestDriver<Click, unknown>): number =>
  driver.disk.reader().snapshot((table) => {
    const tables = ['funnel/entities', 'funnel/timers'];
    return tables.reduce((sum, name) => sum + [...table(name).scan()].length, 0);
  });

/** What is inserted and not retracted; throws if something is retracted that was not there. */
function standing(changes: readonly FunnelChange[]): Omit<FunnelChange, 'kind'>[] {
  const records = new Map<string, Omit<FunnelChange, 'kind'>>();
  for (const { kind, ...record } of changes) {
    if (kind === 'insert') {
      if (records.has(record.key)) throw new Error(`${record.key} counts twice`);
      records.set(record.key, record);
    } else {
      expect(records.get(record.key)).toEqual(record);
      records.delete(record.key);
    }
  }
  return [...records.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

describe('funnel', () => {
  it('each step further retracts the record before it', async () => {
    const driver = await start(abc());
    await driver.push(...clicks('a@0'));
    await driver.push(...clicks('a@0 b@1').slice(1), ...clicks('x@2'));
    expect(driver.take()).toEqual([
      { key: 'k', kind: 'insert', status: 'in_progress', furthest: 1, times_ms: [0] },
      { key: 'k', kind: 'retract', status: 'in_progress', furthest: 1, times_ms: [0] },
      { key: 'k', kind: 'insert', status: 'in_progress', furthest: 2, times_ms: [0, 1] },
    ]);
    await driver.advanceTo(9);
    expect(driver.take()).toEqual([]);
    await driver.advanceTo(10);
    expect(driver.take().map(({ kind, status }) => [kind, status])).toEqual([
      ['retract', 'in_progress'],
      ['insert', 'dropped'],
    ]);
  });

  it('a late event corrects; one later than allowed goes to the side', async () => {
    const driver = await start(abc({ allowed_lateness_ms: 20 }));
    const [a, b, c] = clicks('a@0 b@1 c@2') as [Click, Click, Click];
    await driver.push(a, c);
    await driver.advanceTo(20);
    await driver.push(b);
    expect(standing(driver.out)).toEqual([
      { key: 'k', status: 'converted', furthest: 3, times_ms: [0, 1, 2] },
    ]);
    await driver.advanceTo(21);
    await driver.push({ ...a, key: 'other' });
    expect(standing(driver.out)).toHaveLength(1);
    expect(driver.counter('millrace.funnel.late')).toBe(1);
  });

  it('dropped sequences are in the side output timeout, taken back when they convert after all', async () => {
    const driver = await TestDriver.start((input: Stream<Click>) =>
      input.pipe(funnel('funnel', abc({ allowed_lateness_ms: 20 }))).side('timeout'),
    );
    const [a, b, c] = clicks('a@0 b@1 c@2') as [Click, Click, Click];
    await driver.push(a, c);
    await driver.advanceTo(15);
    await driver.push(b);
    expect(driver.out.map(({ kind, status, furthest }) => [kind, status, furthest])).toEqual([
      ['insert', 'dropped', 1],
      ['retract', 'dropped', 1],
    ]);
  });

  it('late events can be read from their side output', async () => {
    const driver = await TestDriver.start((input: Stream<Click>) =>
      input.pipe(funnel('funnel', abc({ allowed_lateness_ms: 5 }))).side('late'),
    );
    await driver.advanceTo(10);
    await driver.push(...clicks('a@4 a@5'));
    expect(driver.out.map(({ time_ms }) => time_ms)).toEqual([4]);
  });

  it('a repeated event counts once, an event without an entity not at all', async () => {
    const driver = await start({ ...definitionOf(['a', 'a'], 10) });
    const [a] = clicks('a@0') as [Click];
    await driver.push(a, a, { ...a, key: '' });
    expect(standing(driver.out)).toMatchObject([{ furthest: 1 }]);
    expect(driver.counter('millrace.funnel.duplicates')).toBe(1);
    expect(driver.counter('millrace.funnel.keyless')).toBe(1);
  });

  it('keeps the newest events of an entity that has too many, and says so', async () => {
    const driver = await start(abc({ max_events_per_key: 2 }));
    await driver.push(...clicks('a@0 a@1 a@2 b@3'));
    expect(standing(driver.out)).toMatchObject([{ furthest: 2, times_ms: [2, 3] }]);
    expect(driver.counter('millrace.funnel.overflowed')).toBe(2);
    driver.commit();
    expect(driver.progress?.notices).toMatchObject({ k: { funnel_overflowed: 1 } });
  });

  it('forgets an entity after its retention: it counts anew', async () => {
    const driver = await start(abc({ retain_ms: 100, allowed_lateness_ms: 0 }));
    await driver.push(...clicks('a@0 b@1 c@2'));
    await driver.advanceTo(102);
    driver.commit();
    expect(rowsOf(driver)).toBe(2);
    await driver.advanceTo(103);
    driver.commit();
    expect(rowsOf(driver)).toBe(0);
    await driver.push(...clicks('a@200'));
    expect(driver.out.filter(({ kind }) => kind === 'insert').at(-1)).toMatchObject({ furthest: 1 });
  });

  it('records are those of every attempt tried, for any order, batches, watermarks, commits and restarts', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyDefinition,
        anyClicks(14, ['k', 'l']),
        fc.nat(4),
        fc.integer(),
        async (definition, events, lateness_ms, seed) => {
          const config = { ...definition, allowed_lateness_ms: lateness_ms, cacheRows: 2 };
          const random = new SeededRandom(seed);
          let driver = await start(config);
          const committed: FunnelChange[] = [];
          let uncommitted: (() => Promise<void>)[] = [];
          const act = async (action: () => Promise<void>): Promise<void> => {
            uncommitted.push(action);
            await action();
          };
          let watermark_ms = Number.NEGATIVE_INFINITY;
          const left = events.toSorted((a, b) => a.time_ms - b.time_ms);
          while (left.length > 0) {
            const pushed = Array.from({ length: random.int(1, Math.min(4, left.length)) }, () =>
              left.splice(random.int(0, left.length - 1), 1),
            ).flat();
            await act(() => driver.push(...pushed));
            const [oldest] = left;
            if (oldest !== undefined && random.chance(0.5)) {
              watermark_ms = Math.max(watermark_ms, oldest.time_ms + random.int(0, lateness_ms));
              const time_ms = watermark_ms;
              await act(() => driver.advanceTo(time_ms));
            }
            if (random.chance(0.3)) {
              driver.commit();
              committed.push(...driver.take());
              uncommitted = [];
            }
            if (random.chance(0.2)) {
              driver = await driver.restart();
              for (const action of uncommitted) await action();
            }
          }
          const end_ms = random.int(8 + lateness_ms, 16);
          await driver.advanceTo(end_ms);
          expect(driver.counter('millrace.funnel.late')).toBe(0);
          const expected = ['k', 'l'].flatMap((key) => {
            const mine = events.filter((event) => event.key === key);
            const result = bruteForce(mine, definition, end_ms);
            return result === undefined ? [] : [{ key, ...result }];
          });
          expect(standing([...committed, ...driver.take()])).toEqual(expected);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('entities that expire leave nothing', async () => {
    const driver = await start({
      ...definitionOf(['a', 'b', 'c'], 1_000),
      allowed_lateness_ms: 1_000,
      retain_ms: 1_000,
      cacheRows: 1_000,
    });
    const perStep = 2_000;
    for (let step = 0; step < 50 * sizes.passing_keys_factor; step++) {
      const time_ms = step * 1_000;
      const events = Array.from({ length: perStep }, (_, index) => {
        const key = `${step}-${index}`;
        return { key, type: 'abx'[index % 3] as string, time_ms, id: key, item: '' };
      });
      await driver.push(...events);
      await driver.advanceTo(time_ms);
      driver.out.length = 0;
      driver.commit();
      expect(rowsOf(driver)).toBeLessThan(perStep * 6);
    }
    await driver.advanceTo(1_000_000);
    driver.commit();
    expect(rowsOf(driver)).toBe(0);
  });

  it('after the range each entity goes with its last attempt, without a retention', async () => {
    const driver = await start(abc({ range: { start_ms: 0, end_ms: 100 }, allowed_lateness_ms: 5 }));
    await driver.push(...clicks('a@0 b@1 c@2'), ...clicks('a@99', 'other'));
    const rowsAt = async (time_ms: number): Promise<number> => {
      await driver.advanceTo(time_ms);
      driver.commit();
      return rowsOf(driver);
    };
    expect(await rowsAt(104)).toBe(4);
    // No entry can come any more; the attempt of the other one is open until 109, and 5 ms for what is late.
    expect(await rowsAt(105)).toBe(2);
    expect(await rowsAt(114)).toBe(2);
    expect(await rowsAt(115)).toBe(0);
    await driver.push(...clicks('b@110 c@111', 'third'));
    driver.commit();
    expect(rowsOf(driver)).toBe(0);
    expect(standing(driver.out).map(({ status }) => status)).toEqual(['converted', 'dropped']);
  });

  it('before 1970 windows end when the watermark says so', async () => {
    const driver = await start(abc({ allowed_lateness_ms: 5 }));
    await driver.push(...clicks('a@-100'), ...clicks('a@-50 b@-45', 'other'));
    driver.commit();
    await driver.advanceTo(-91);
    expect(standing(driver.out).map(({ status }) => status)).toEqual(['in_progress', 'in_progress']);
    await driver.advanceTo(-90);
    expect(standing(driver.out).map(({ status }) => status)).toEqual(['dropped', 'in_progress']);
    const again = await driver.restart();
    await again.advanceTo(-40);
    expect(again.out.map(({ key, kind, status }) => [key, kind, status])).toEqual([
      ['k', 'retract', 'in_progress'],
      ['k', 'insert', 'dropped'],
      ['other', 'retract', 'in_progress'],
      ['other', 'insert', 'dropped'],
    ]);
  });

  it('a window without an end is in progress for ever', async () => {
    const driver = await start({ ...definitionOf(['a', 'b'], Number.MAX_SAFE_INTEGER) });
    await driver.push(...clicks('a@0'));
    driver.commit();
    await driver.advanceTo(10_000_000_000_000);
    driver.commit();
    expect(standing(driver.out)).toMatchObject([{ status: 'in_progress' }]);
  });

  it('the group is that of the first step, where nothing else is said', async () => {
    const driver = await start(abc({ groupBy: { value: ({ item }) => item } }));
    await driver.push(...clicks('a@0:p b@1:q c@2:r'));
    expect(standing(driver.out)).toMatchObject([{ status: 'converted', group: 'p' }]);
  });

  it('unrelated events change nothing of an ordered funnel: no record, no state, no limit, no retention', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyDefinition,
        anyClicks(10, ['k', 'l']),
        anyClicks(30, ['k', 'l', 'only unrelated']),
        async (given, events, noise) => {
          const config = {
            ...given,
            order: 'ordered' as const,
            allowed_lateness_ms: 2,
            max_events_per_key: 3,
            retain_ms: 4,
          };
          const unrelated = noise.map((event) => ({ ...event, type: 'unrelated', id: `n${event.id}` }));
          const run = async (all: readonly Click[]) => {
            const driver = await start(config);
            for (let time_ms = 0; time_ms < 18; time_ms++) {
              await driver.push(
                ...all.filter((event) => event.time_ms + Number(event.item === 'q') * 2 === time_ms),
              );
              await driver.advanceTo(time_ms);
            }
            driver.commit();
            return { out: driver.take(), state: driver.digest() };
          };
          expect(await run([...unrelated, ...events])).toEqual(await run(events));
        },
      ),
      { numRuns: 200 },
    );
  });
});
