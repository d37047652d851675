import { describe, expect, it } from 'vitest';
import { type Builder, SeededRandom, type Stream, TestDriver } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { map } from '../core/index.ts';
import { type ObservedResult, observed, type Reading, rowsLeft } from './fixture-window.ts';
import { type ModelConfig, WindowModel } from './fixture-window-model.ts';
import { earlyEvery, earlyEveryEvents, onWatermark } from './trigger.ts';
import { window } from './window.ts';
import { cumulate, hopping, tumbling } from './windows.ts';

const small = fc.integer({ min: 1, max: 12 });
const offset_ms = fc.integer({ min: -20, max: 20 });
const specs = {
  tumbling: fc.record({ size_ms: small, offset_ms }).map(tumbling),
  hopping: fc
    .record({ size_ms: small, hop_ms: small, offset_ms })
    .filter(({ size_ms, hop_ms }) => hop_ms <= size_ms)
    .map(hopping),
  cumulate: fc
    .record({ step_ms: fc.integer({ min: 1, max: 5 }), steps: fc.integer({ min: 1, max: 4 }), offset_ms })
    .map(({ step_ms, steps, offset_ms: of }) =>
      cumulate({ step_ms, size_ms: step_ms * steps, offset_ms: of }),
    ),
};
const triggers = fc.oneof(
  fc.constant(onWatermark()),
  fc.integer({ min: 1, max: 3 }).map(earlyEveryEvents),
  fc.integer({ min: 1, max: 6 }).map(earlyEvery),
);
const KEYS = ['a', 'b', '', '\0', '\ud800', '\ufffd'];

const told = ({ key, window: of, value, pane, kind }: ObservedResult): string => {
  const sign = kind === undefined ? '' : kind === 'insert' ? '+ ' : '- ';
  return `${sign}${JSON.stringify(key)} [${of.start_ms}, ${of.end_ms}) ${value.ids} ${pane.kind} ${pane.index}`;
};

/** Results as they are told, and the ids of late events. */
const build =
  (config: ModelConfig, max_cached_rows: number) =>
  (input: Stream<Reading>, t: Builder): Stream<string | number> => {
    const results = input.pipe(
      window('w', {
        keyOf: ({ key }) => key,
        timeOf: ({ time_ms }) => time_ms,
        aggregate: observed,
        max_cached_rows,
        ...config,
      }),
    );
    const late = results.side('late').pipe(map('late', ({ id }: Reading) => id));
    return t.merge<string | number>('all', results.pipe(map('told', told)), late);
  };

type Op = { readonly items: readonly Reading[] } | { readonly advanceTo_ms: number };

/** Batches of any size, also empty ones, with times about the bounds of what is late; now and then years pass. */
function planOf({ window: { size_ms }, allowedLateness_ms }: ModelConfig, random: SeededRandom): Op[] {
  let watermark_ms = random.pick([-60, 0, 1_700_000_000_000, -(2 ** 47), 2 ** 48 - 500]);
  let id = 0;
  const anyTime = (): number =>
    random.chance(0.4)
      ? watermark_ms - allowedLateness_ms - size_ms + random.int(-2, 2)
      : watermark_ms + random.int(-30, 30);
  return Array.from({ length: random.int(0, 12) }, (): Op => {
    if (random.chance(0.4)) {
      watermark_ms += random.chance(0.9) ? random.int(0, 20) : random.int(0, 4) * 31_557_600_000;
      return { advanceTo_ms: watermark_ms };
    }
    const key = (): string => random.pick(KEYS);
    const items = Array.from({ length: random.int(0, 4) }, () => {
      // Beyond these a time is none.
      const time_ms = Math.max(-(2 ** 48) + 50, Math.min(2 ** 48 - 50, anyTime()));
      return { id: id++, key: key(), time_ms, value: 1 };
    });
    return { items };
  });
}

describe('what comes out is exactly what the documentation says, late events too, and in that order', () => {
  for (const [kind, anySpec] of Object.entries(specs)) {
    it(`${kind}, with crashes and moves`, async () => {
      await fc.assert(
        fc.asyncProperty(
          anySpec,
          triggers,
          fc.constantFrom('accumulate' as const, 'discard' as const, 'retract' as const),
          fc.constantFrom(0, 1, 5, 17),
          fc.integer(),
          async (spec, trigger, mode, allowedLateness_ms, seed) => {
            const config = { window: spec, trigger, mode, allowedLateness_ms };
            const random = new SeededRandom(seed);
            const model = new WindowModel(config);
            const { out, driver } = await run(config, planOf(config, random), random, model);
            expect(out.filter((one) => typeof one === 'string')).toEqual(model.told);
            expect(out.filter((one) => typeof one === 'number')).toEqual(model.late);
            expect(rowsLeft(driver)).toEqual(['definition', 'watermark']);
          },
        ),
        { numRuns: 120 },
      );
    });
  }
});

/** Follows a plan to its end and beyond, commits and crashes at random; the model hears of each step once. */
async function run(config: ModelConfig, plan: readonly Op[], random: SeededRandom, model: WindowModel) {
  const program = build(config, random.int(1, 4));
  let driver = await TestDriver.start(program);
  const out: (string | number)[] = [];
  let uncommitted: Op[] = [];
  const apply = (op: Op): Promise<void> =>
    'items' in op ? driver.push(...op.items) : driver.advanceTo(op.advanceTo_ms);
  for (const op of [...plan, { advanceTo_ms: Number.POSITIVE_INFINITY }]) {
    await apply(op);
    uncommitted.push(op);
    if ('items' in op) for (const item of op.items) model.event(item);
    else model.watermark(op.advanceTo_ms);
    if (random.chance(0.3)) {
      driver.commit();
      out.push(...driver.take());
      uncommitted = [];
    }
    if (random.chance(0.2)) {
      driver = await driver.restart();
      for (const again of uncommitted) await apply(again);
    } else if (random.chance(0.1)) {
      const snapshot = driver.snapshot();
      out.push(...driver.take());
      uncommitted = [];
      driver = await TestDriver.start(program, { snapshot });
    }
  }
  driver.commit();
  out.push(...driver.take());
  return { out, driver };
}
