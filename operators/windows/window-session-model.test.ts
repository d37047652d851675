import { describe, expect, it } from 'vitest';
import { type Builder, SeededRandom, type Stream, TestDriver } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { map } from '../core/index.ts';
import { SessionModel } from './fixture-session-model.ts';
import { type ObservedResult, observed, type Reading, rowsLeft } from './fixture-window.ts';
import { earlyEvery, earlyEveryEvents, onWatermark, type Trigger } from './trigger.ts';
import { window } from './window.ts';
import type { WindowMode } from './window-types.ts';
import { session } from './windows.ts';

interface SessionsConfig {
  readonly gap_ms: number;
  readonly allowedLateness_ms: number;
  readonly trigger: Trigger;
  readonly mode: WindowMode;
}

type Op = { readonly items: readonly Reading[] } | { readonly advanceTo_ms: number };

/** Results and the ids of late events. */
const build =
  ({ gap_ms, ...config }: SessionsConfig) =>
  (input: Stream<Reading>, t: Builder): Stream<ObservedResult | number> => {
    const results = input.pipe(
      window('w', {
        keyOf: ({ key }) => key,
        timeOf: ({ time_ms }) => time_ms,
        aggregate: observed,
        max_cached_rows: 2,
        window: session({ gap_ms }),
        ...config,
      }),
    );
    return t.merge<ObservedResult | number>(
      'all',
      results,
      results.side('late').pipe(map('late', ({ id }: Reading) => id)),
    );
  };

/** Most events come in the last gap before they would be late, and a bit before and after. */
function planOf({ gap_ms, allowedLateness_ms }: SessionsConfig, random: SeededRandom): Op[] {
  let watermark_ms = 1_000;
  let id = 0;
  return Array.from({ length: random.int(1, 24) }, (): Op => {
    if (random.chance(0.45)) {
      watermark_ms += random.int(0, 2 * gap_ms);
      return { advanceTo_ms: watermark_ms };
    }
    const horizon_ms = watermark_ms - allowedLateness_ms;
    return {
      items: Array.from({ length: random.int(1, 3) }, () => ({
        id: id++,
        key: random.pick(['a', 'a', 'b']),
        value: 1,
        time_ms: random.chance(0.7)
          ? horizon_ms - random.int(-1, gap_ms + 1)
          : horizon_ms + random.int(-4 * gap_ms, 3 * gap_ms),
      })),
    };
  });
}

/** What a reader has in the end; a retraction that is missing, or of what was never given, leaves a count. */
function standing(results: readonly ObservedResult[], mode: WindowMode): string[] {
  const windows = new Map<string, string>();
  const counts = new Map<string, number>();
  for (const { key, window: of, value, kind } of results) {
    const name = `${key} [${of.start_ms}, ${of.end_ms})`;
    const text = `${name} ${value.ids}`;
    if (mode === 'retract') counts.set(text, (counts.get(text) ?? 0) + (kind === 'retract' ? -1 : 1));
    else if (kind === 'retract') windows.delete(name);
    else windows.set(name, text);
  }
  for (const [text, times] of counts) if (times !== 0) windows.set(`${text} ×${times}`, text);
  return [...windows.values()].sort();
}

async function run(config: SessionsConfig, plan: readonly Op[], random: SeededRandom, model: SessionModel) {
  const program = build(config);
  let driver = await TestDriver.start(program);
  const out: (ObservedResult | number)[] = [];
  let uncommitted: Op[] = [];
  const apply = (op: Op): Promise<void> =>
    'items' in op ? driver.push(...op.items) : driver.advanceTo(op.advanceTo_ms);
  for (const op of [...plan, { advanceTo_ms: 1_000_000 }]) {
    await apply(op);
    uncommitted.push(op);
    if ('items' in op) for (const item of op.items) model.event(item);
    else model.watermark(op.advanceTo_ms);
    if (random.chance(0.4)) {
      driver.commit();
      out.push(...driver.take());
      uncommitted = [];
    }
    if (random.chance(0.3)) {
      driver = await driver.restart();
      for (const again of uncommitted) await apply(again);
    }
  }
  driver.commit();
  return { driver, out: [...out, ...driver.take()] };
}

describe('sessions and events in the last gap before they are late', () => {
  it('an event that touches a closed session is late, and no two sessions overlap', async () => {
    const config = { gap_ms: 5, allowedLateness_ms: 0, trigger: onWatermark(), mode: 'accumulate' } as const;
    const at = (id: number, time_ms: number): Reading => ({ id, key: 'a', time_ms, value: 1 });
    const driver = await TestDriver.start(build(config));
    await driver.push(at(0, 0));
    await driver.advanceTo(6);
    // 3 would make [0, 8) of the closed [0, 5); 5 touches nothing that is closed.
    await driver.push(at(1, 3), at(2, 5));
    await driver.advanceTo(100);
    const told = driver.out.map((one) => (typeof one === 'number' ? one : standing([one], 'accumulate')[0]));
    expect(told).toEqual(['a [0, 5) 0', 1, 'a [5, 10) 2']);
    const together = await TestDriver.start(build(config));
    await together.push(at(0, 0), at(1, 3));
    await together.advanceTo(100);
    expect(standing(together.out as ObservedResult[], 'accumulate')).toEqual(['a [0, 8) 0,1']);
  });

  it('are those of the model, whatever the batches, restarts, triggers and modes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 8 }),
        fc.constantFrom(0, 3, 10),
        fc.constantFrom(onWatermark(), earlyEveryEvents(2), earlyEvery(3)),
        fc.constantFrom<WindowMode>('accumulate', 'retract'),
        fc.integer(),
        async (gap_ms, allowedLateness_ms, trigger, mode, seed) => {
          const config = { gap_ms, allowedLateness_ms, trigger, mode };
          const random = new SeededRandom(seed);
          const model = new SessionModel(gap_ms, allowedLateness_ms);
          const { driver, out } = await run(config, planOf(config, random), random, model);
          const results = out.filter((one) => typeof one !== 'number');
          expect(standing(results, mode)).toEqual(model.standing());
          expect(out.filter((one) => typeof one === 'number')).toEqual(model.late);
          expect(rowsLeft(driver)).toEqual(['definition', 'watermark']);
        },
      ),
      { numRuns: 200 },
    );
  });
});
