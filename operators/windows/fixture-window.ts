import { ByteReader, SeededRandom, type Stream, TestDriver } from '../../engine/index.ts';
import { type Aggregate, count, type ResultOf, sum } from '../aggregates/index.ts';
import { window } from './window.ts';
import type { WindowConfig, WindowResult } from './window-types.ts';
import type { WindowSpec } from './windows.ts';

export interface Reading {
  readonly id: number;
  readonly key: string;
  readonly time_ms: number;
  readonly value: number;
}

/** A user's own aggregate, stored as JSON. */
const ids: Aggregate<Reading, number[], number[]> = {
  init: () => [],
  add: (acc, { id }) => [...acc, id],
  merge: (a, b) => [...a, ...b],
  result: (acc) => acc.toSorted((a, b) => a - b),
};

export const observed = { n: count(), total: sum((reading: Reading) => reading.value), ids };
export type Observed = ResultOf<typeof observed>;
export type ObservedResult = WindowResult<Observed>;
export type ObservedConfig = Pick<WindowConfig<Reading, typeof observed>, 'window'> &
  Partial<WindowConfig<Reading, typeof observed>>;

export const observe =
  (config: ObservedConfig) =>
  (input: Stream<Reading>): Stream<ObservedResult> =>
    input.pipe(
      window('w', {
        keyOf: ({ key }) => key,
        timeOf: ({ time_ms }) => time_ms,
        aggregate: observed,
        ...config,
      }),
    );

type Op = { readonly items: readonly Reading[] } | { readonly advanceTo_ms: number };

/**
 * Feeds readings in any order that the allowed lateness bears, in any batches, with commits, crashes and moves
 * to another disk in between. Gives what was committed.
 */
export async function runShuffled(
  config: ObservedConfig,
  readings: readonly Reading[],
  { seed, end_ms }: { readonly seed: number; readonly end_ms: number },
): Promise<{ results: ObservedResult[]; driver: TestDriver<Reading, ObservedResult> }> {
  const random = new SeededRandom(seed);
  const build = observe(config);
  let driver = await TestDriver.start(build);
  const results: ObservedResult[] = [];
  let uncommitted: Op[] = [];
  const apply = (op: Op): Promise<void> =>
    'items' in op ? driver.push(...op.items) : driver.advanceTo(op.advanceTo_ms);
  const step = async (op: Op): Promise<void> => {
    await apply(op);
    uncommitted.push(op);
    if (random.chance(0.3)) {
      driver.commit();
      results.push(...driver.take());
      uncommitted = [];
    }
    if (random.chance(0.15)) {
      driver = await driver.restart();
      for (const again of uncommitted) await apply(again);
    } else if (uncommitted.length === 0 && random.chance(0.1)) {
      driver = await TestDriver.start(build, { snapshot: driver.snapshot() });
    }
  };
  let watermark_ms = Number.NEGATIVE_INFINITY;
  const left = random.shuffled(readings);
  while (left.length > 0) {
    await step({ items: left.splice(0, random.int(1, 5)) });
    const earliest_ms = Math.min(...left.map(({ time_ms }) => time_ms));
    const limit_ms = Math.min(end_ms, earliest_ms + (config.allowedLateness_ms ?? 0));
    if (random.chance(0.5)) {
      const next_ms = random.int(limit_ms - 10, limit_ms);
      if (next_ms > watermark_ms) {
        watermark_ms = next_ms;
        await step({ advanceTo_ms: next_ms });
      }
    }
  }
  await step({ advanceTo_ms: end_ms });
  driver.commit();
  results.push(...driver.take());
  return { results, driver };
}

/** What the windows contain, straight from their definitions: `key start end` and the observation. */
export function windowsByDefinition(spec: WindowSpec, readings: readonly Reading[]): [string, Observed][] {
  const keys = [...new Set(readings.map(({ key }) => key))];
  return keys.flatMap((key) => {
    const own = readings.filter((reading) => reading.key === key).sort(byPlace);
    return spansOf(spec, own)
      .filter(({ inside }) => inside.length > 0)
      .map(({ start_ms, end_ms, inside }): [string, Observed] => [
        `${key} ${start_ms} ${end_ms}`,
        observedOf(inside),
      ]);
  });
}

interface Span {
  readonly start_ms: number;
  readonly end_ms: number;
  readonly inside: readonly Reading[];
}

/** The windows of one key, whose readings are sorted. */
function spansOf(spec: WindowSpec, own: readonly Reading[]): Span[] {
  const within = (start_ms: number, end_ms: number): Span => ({
    start_ms,
    end_ms,
    inside: own.filter(({ time_ms }) => time_ms >= start_ms && time_ms < end_ms),
  });
  switch (spec.kind) {
    case 'session':
      return runsOf(own, spec.gap_ms, Number.POSITIVE_INFINITY).map(({ first_ms, last_ms, inside }) => ({
        start_ms: first_ms,
        end_ms: last_ms + spec.gap_ms,
        inside,
      }));
    case 'count':
      return runsOf(own, spec.idle_ms, spec.count).map(({ first_ms, last_ms, inside }) => ({
        start_ms: first_ms,
        end_ms: last_ms + 1,
        inside,
      }));
    case 'sliding':
      return [...new Set(own.map(({ time_ms }) => time_ms))].map((time_ms) =>
        within(time_ms - spec.before_ms, time_ms + spec.after_ms + 1),
      );
    case 'global':
      return [];
    default: {
      const every_ms = spec.kind === 'hopping' ? spec.hop_ms : spec.size_ms;
      const step_ms = spec.kind === 'cumulate' ? spec.step_ms : spec.size_ms;
      const spans: Span[] = [];
      for (let start_ms = FIRST_MS; start_ms < LAST_MS; start_ms++) {
        if (Math.abs((start_ms - spec.offset_ms) % every_ms) > 0) continue;
        for (let length_ms = step_ms; length_ms <= spec.size_ms; length_ms += step_ms) {
          spans.push(within(start_ms, start_ms + length_ms));
        }
      }
      return spans;
    }
  }
}

/** No window of a test begins before or after these. */
const FIRST_MS = -150;
const LAST_MS = 150;

/** Sorted readings cut where they are at least a gap apart, and after so many. */
function runsOf(own: readonly Reading[], gap_ms: number, max: number) {
  const runs: { first_ms: number; last_ms: number; inside: Reading[] }[] = [];
  for (const reading of own) {
    const run = runs.at(-1);
    if (run === undefined || reading.time_ms - run.last_ms >= gap_ms || run.inside.length >= max) {
      runs.push({ first_ms: reading.time_ms, last_ms: reading.time_ms, inside: [reading] });
    } else {
      run.last_ms = reading.time_ms;
      run.inside.push(reading);
    }
  }
  return runs;
}

/** Equal times in the order of their stored bytes: a length and JSON. */
function byPlace(a: Reading, b: Reading): number {
  const stored = (item: Reading): string => JSON.stringify(item);
  const [left, right] = [stored(a), stored(b)];
  return a.time_ms - b.time_ms || left.length - right.length || (left < right ? -1 : 1);
}

export function observedOf(readings: readonly Reading[]): Observed {
  return {
    n: readings.length,
    total: readings.reduce((total, { value }) => total + value, 0),
    ids: readings.map(({ id }) => id).sort((a, b) => a - b),
  };
}

export function idOf({ key, window: { start_ms, end_ms } }: ObservedResult): string {
  return `${key} ${start_ms} ${end_ms}`;
}

/** What a reader of the results has in the end. */
export function folded(
  mode: WindowConfig<Reading, typeof observed>['mode'],
  results: readonly ObservedResult[],
) {
  const state = new Map<string, Observed>();
  for (const result of results) {
    const id = idOf(result);
    const known = state.get(id);
    if (mode === 'discard' && known !== undefined) {
      state.set(id, {
        n: known.n + result.value.n,
        total: known.total + result.value.total,
        ids: [...known.ids, ...result.value.ids].sort((a, b) => a - b),
      });
    } else if (mode !== 'retract' && result.kind === undefined) state.set(id, result.value);
    else if (result.kind === 'insert') {
      if (known !== undefined) throw new Error(`${id} is given twice without a retraction`);
      state.set(id, result.value);
    } else {
      if (JSON.stringify(known) !== JSON.stringify(result.value)) throw new Error(`${id} was never given so`);
      state.delete(id);
    }
  }
  return state;
}

/** Rows in the committed state: of windows and timers, and what is remembered beside them, by name. */
export function rowsLeft(driver: { readonly disk: TestDriver<Reading, ObservedResult>['disk'] }): string[] {
  return driver.disk.reader().snapshot((table) => {
    const found: string[] = [];
    for (const name of ['rows', 'timers']) for (const _ of table(`w/${name}`).scan()) found.push(name);
    for (const { key } of table('w/control').scan()) found.push(new ByteReader(key).orderedString());
    return found.sort();
  });
}
