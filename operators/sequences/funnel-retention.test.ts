import { describe, expect, it } from 'vitest';
import {
  defineOperator,
  mapTable,
  type Stream,
  stringKey,
  TestDriver,
  trustedJsonCodec,
} from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { runAnyWay } from '../fixture-any-way.ts';
import { abc, anyClicks, anyDefinition, bruteForce, build, type Click, clicks } from './fixture-funnel.ts';
import type { FunnelConfig } from './funnel.ts';
import { compileFunnel, funnelInWords } from './funnel-definition.ts';

const start = (config: FunnelConfig<Click>) => TestDriver.start(build(config));

/** Events with a silence of more than `retain_ms` between them. */
function livesOf(events: readonly Click[], retain_ms: number): Click[][] {
  const lives: Click[][] = [];
  let last_ms = Number.NEGATIVE_INFINITY;
  for (const event of events.toSorted((a, b) => a.time_ms - b.time_ms)) {
    if (event.time_ms - last_ms > retain_ms) lives.push([]);
    lives.at(-1)?.push(event);
    last_ms = event.time_ms;
  }
  return lives;
}

describe('a funnel with a retention', () => {
  it('a silence longer than the retention begins anew, whatever the order; a late event makes two one', async () => {
    const config = abc({ retain_ms: 20, allowed_lateness_ms: 50 });
    const [early, first, , again] = clicks('a@-9 a@0 b@20 a@41') as [Click, Click, Click, Click];
    const bridge = { ...first, type: 'b', time_ms: 20, id: 'b' };
    const driver = await start(config);
    await driver.push(again, first);
    const standingTimes = (): (readonly number[])[] => {
      const records = new Map<string, readonly number[]>();
      for (const { kind, times_ms } of driver.out) {
        if (kind === 'insert') records.set(times_ms.join(), times_ms);
        else expect(records.delete(times_ms.join())).toBe(true);
      }
      return [...records.values()];
    };
    expect(standingTimes()).toEqual([[0], [41]]);
    await driver.advanceTo(60);
    await driver.push({ ...early, time_ms: 21, id: 'x', type: 'b' });
    expect(standingTimes()).toEqual([[0], [41]]);
    await driver.push(bridge);
    expect(standingTimes()).toEqual([[41]]);
  });

  it('takes over the rows of version 1, which knew one life', async () => {
    const config = abc({ allowed_lateness_ms: 5 });
    const before = defineOperator({
      kind: 'funnel',
      summary: 'Writes a row as version 1 did',
      state: () => ({
        entities: mapTable<string, object>({ key: stringKey, value: trustedJsonCodec(), version: 1 }),
      }),
      definition: () => funnelInWords(config),
      start: ({ state, timers }) => ({
        onBatch: (events: readonly Click[]) => {
          const [event] = events.map(compileFunnel(config).read);
          const said = { status: 'in_progress', furthest: 1, times_ms: [0] };
          state.entities.scope('').set('k', { events: [event], said, wake_ms: 10, last_ms: 0 });
          timers.set(10, 'k');
        },
      }),
    });
    const old = await TestDriver.start((input: Stream<Click>) => input.pipe(before('funnel', undefined)));
    await old.push(...clicks('a@0'));
    const driver = await TestDriver.start(build(config), { snapshot: old.snapshot() });
    await driver.advanceTo(12);
    await driver.push(...clicks('b@8'));
    const said = { key: 'k', furthest: 1, times_ms: [0] };
    expect(driver.out).toEqual([
      { kind: 'retract', status: 'in_progress', ...said },
      { kind: 'insert', status: 'dropped', ...said },
      { kind: 'retract', status: 'dropped', ...said },
      { kind: 'insert', status: 'dropped', key: 'k', furthest: 2, times_ms: [0, 8] },
    ]);
    await driver.advanceTo(100);
    await driver.push(...clicks('a@96'));
    expect(driver.counter('millrace.funnel.late')).toBe(0);
    expect(driver.out.slice(4)).toEqual([]);
  });

  it('keeps no more lives of an entity than events', async () => {
    const driver = await start(abc({ retain_ms: 0, max_events_per_key: 3 }));
    await driver.push(...clicks('a@0 a@1 a@2 a@3 a@4'));
    expect(driver.counter('millrace.funnel.overflowed')).toBe(2);
    await driver.push(...clicks('c@1'));
    expect(driver.out.filter(({ kind }) => kind === 'retract')).toEqual([]);
  });

  it('with a retention: those of every life by itself, for any order, batches, watermarks and restarts', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyDefinition,
        anyClicks(12, ['k', 'k', 'l']),
        fc.integer({ min: 0, max: 3 }),
        fc.nat(4),
        fc.integer(),
        async ({ range: _, ...definition }, clicked, retain_ms, lateness_ms, seed) => {
          const events = clicked.map((event) => ({ ...event, time_ms: event.time_ms * 2 }));
          const config = { ...definition, retain_ms, allowed_lateness_ms: lateness_ms, cacheRows: 1 };
          const end_ms = 16 + (Math.abs(seed) % 20);
          const { out } = await runAnyWay(build(config), events, {
            timeOf: ({ time_ms }) => time_ms,
            seed,
            end_ms,
            lateness_ms,
            disorder_ms: 6,
          });
          const standingTexts = new Map<string, number>();
          for (const { kind, ...record } of out) {
            const text = JSON.stringify(record, Object.keys(record).sort());
            const times = (standingTexts.get(text) ?? 0) + (kind === 'insert' ? 1 : -1);
            if (times === 0) standingTexts.delete(text);
            else standingTexts.set(text, times);
          }
          const expected = ['k', 'l'].flatMap((key) =>
            livesOf(
              events.filter((event) => event.key === key && compileFunnel(config).read(event)),
              retain_ms,
            )
              .map((life) => bruteForce(life, definition, end_ms))
              .filter((result) => result !== undefined)
              .map((result) => ({ key, ...result }))
              .map((record) => JSON.stringify(record, Object.keys(record).sort())),
          );
          expect([...standingTexts].sort()).toEqual(expected.map((text) => [text, 1]).sort());
        },
      ),
      { numRuns: 600 },
    );
  });
});
