import type { Stream } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { type FunnelChange, type FunnelConfig, funnel } from './funnel.ts';
import type { FunnelDefinition, FunnelExclusion } from './funnel-definition.ts';
import type { FunnelResult } from './funnel-evaluate.ts';

export interface Click {
  readonly key: string;
  readonly type: string;
  readonly time_ms: number;
  readonly id: string;
  readonly item: string;
}

const typed =
  (types: readonly string[]) =>
  ({ type }: Click): boolean =>
    types.includes(type);

/** Steps are given as the types that fill them, e.g. `['a', 'bc']`. */
export function definitionOf(
  steps: readonly string[],
  window_ms: number,
  rest: Partial<FunnelDefinition<Click>> = {},
): FunnelConfig<Click> {
  return {
    keyOf: ({ key }) => key,
    timeOf: ({ time_ms }) => time_ms,
    idOf: ({ id }) => id,
    steps: steps.map((types) => ({ name: types, matches: typed([...types]) })),
    window_ms,
    ...rest,
  };
}

export const build =
  (config: FunnelConfig<Click>) =>
  (input: Stream<Click>): Stream<FunnelChange> =>
    input.pipe(funnel('funnel', config));

export const abc = (rest: Partial<FunnelConfig<Click>> = {}): FunnelConfig<Click> => ({
  ...definitionOf(['a', 'b', 'c'], 10),
  ...rest,
});

/** `a@0 b@3`: types and times; ids count up. `a@0:p` has the item p. */
export function clicks(text: string, key = 'k'): Click[] {
  return text
    .split(' ')
    .filter((word) => word !== '')
    .map((word, index) => {
      const [type = '', rest = ''] = word.split('@');
      const [time = '', item = ''] = rest.split(':');
      return { key, type, time_ms: Number(time), id: String(index).padStart(4, '0'), item };
    });
}

export const excluding = (
  types: string,
  from: number,
  to: number,
  effect: 'drop_attempt' | 'drop_user',
): FunnelExclusion<Click> => ({ matches: typed([...types]), from, to, effect });

const anyStep = fc.constantFrom('a', 'b', 'c', 'ab', 'bc', 'abc');

export const anyDefinition: fc.Arbitrary<FunnelConfig<Click>> = fc
  .record({
    steps: fc.array(anyStep, { minLength: 2, maxLength: 4 }),
    window_ms: fc.integer({ min: 0, max: 7 }),
    order: fc.constantFrom('ordered' as const, 'strict' as const, 'any' as const),
    entry: fc.constantFrom('latest' as const, 'first' as const),
    ties: fc.constantFrom('convert' as const, 'strict_increase' as const),
    holds: fc.boolean(),
    start_ms: fc.option(fc.integer({ min: 0, max: 3 })),
    attribution: fc.constantFrom('first_step' as const, 'last_step' as const, 1, 2),
    exclusions: fc.array(
      fc.tuple(
        fc.constantFrom('x', 'x', 'c'),
        fc.constantFrom([1, 2], [1, 2], [1, 3], [2, 3]),
        fc.constantFrom('drop_attempt' as const, 'drop_user' as const),
      ),
      { maxLength: 2 },
    ),
  })
  .map(({ steps, window_ms, holds, start_ms, exclusions, attribution, ...rest }) =>
    definitionOf(steps, window_ms, {
      ...rest,
      exclusions: exclusions
        .filter(([, [, to = 0]]) => to <= steps.length)
        .map(([types, [from = 0, to = 0], effect]) => excluding(types, from, to, effect)),
      holdConstant: holds ? [({ item }) => item] : [],
      groupBy: { value: ({ id }) => id, attribution },
      ...(start_ms === null ? {} : { range: { start_ms, end_ms: start_ms + 4 } }),
    }),
  );

export const anyClicks = (max: number, keys = ['k']): fc.Arbitrary<Click[]> =>
  fc
    .array(
      fc.record({
        key: fc.constantFrom(...keys),
        type: fc.constantFrom('a', 'a', 'b', 'b', 'c', 'x'),
        time_ms: fc.integer({ min: 0, max: 8 }),
        item: fc.constantFrom('p', 'q'),
      }),
      { maxLength: max },
    )
    .chain((events) =>
      fc
        .shuffledSubarray(
          events.map((_, index) => String(index).padStart(4, '0')),
          {
            minLength: events.length,
          },
        )
        .map((ids) => events.map((event, index) => ({ ...event, id: ids[index] as string }))),
    );

type Attempt = readonly Click[];

/** The definition read literally: every way to fill steps is tried, and the best kept by sorting. */
export function bruteForce(
  events: readonly Click[],
  definition: FunnelDefinition<Click>,
  watermark_ms: number,
): FunnelResult | undefined {
  const { steps, window_ms, range, entry, exclusions = [], groupBy } = definition;
  const sorted = events.toSorted(byTimeAndId);
  let entries = sorted.filter(
    (event) =>
      (definition.order === 'any' ? steps : steps.slice(0, 1)).some(({ matches }) => matches(event)) &&
      (range === undefined || (event.time_ms >= range.start_ms && event.time_ms < range.end_ms)),
  );
  if (entry === 'first') entries = entries.filter(({ time_ms }) => time_ms === entries[0]?.time_ms);
  const attempts: Attempt[] = [];
  let isUserDropped = false;
  for (const first of entries) {
    const [attempt = []] = attemptsFrom(first, sorted, definition).sort(furthestThenEarliest);
    const hit = exclusions.filter(({ matches, from, to }) => {
      const after = attempt[from - 1];
      const before = attempt[to - 1];
      return sorted.some(
        (event) =>
          matches(event) &&
          after !== undefined &&
          event.time_ms > after.time_ms &&
          (before === undefined
            ? event.time_ms <= first.time_ms + window_ms
            : event.time_ms < before.time_ms),
      );
    });
    if (hit.some(({ effect }) => effect === 'drop_user')) isUserDropped = true;
    if (hit.length === 0) attempts.push(attempt);
  }
  const [best] = attempts.sort(
    (a, b) =>
      b.length - a.length || (b[0]?.time_ms ?? 0) - (a[0]?.time_ms ?? 0) || furthestThenEarliest(a, b),
  );
  if (best === undefined || isUserDropped) return undefined;
  const isOpen = (best[0]?.time_ms ?? 0) + window_ms > watermark_ms;
  const result = {
    status: best.length === steps.length ? 'converted' : isOpen ? 'in_progress' : 'dropped',
    furthest: best.length,
    times_ms: best.map(({ time_ms }) => time_ms),
  } as const;
  const step =
    groupBy?.attribution === 'first_step'
      ? 1
      : groupBy?.attribution === 'last_step'
        ? best.length
        : (groupBy?.attribution ?? 0);
  const at = best[step - 1];
  return at === undefined || groupBy === undefined ? result : { ...result, group: groupBy.value(at) };
}

function byTimeAndId(a: Click, b: Click): number {
  return a.time_ms - b.time_ms || (a.id < b.id ? -1 : 1);
}

function furthestThenEarliest(a: Attempt, b: Attempt): number {
  if (a.length !== b.length) return b.length - a.length;
  for (const [step, event] of a.entries()) {
    if (event.time_ms !== b[step]?.time_ms) return event.time_ms - (b[step]?.time_ms ?? 0);
  }
  for (const [step, event] of a.entries()) {
    if (event.id !== b[step]?.id) return byTimeAndId(event, b[step] as Click);
  }
  return 0;
}

function attemptsFrom(
  first: Click,
  sorted: readonly Click[],
  definition: FunnelDefinition<Click>,
): Attempt[] {
  const { window_ms, ties, holdConstant = [], order = 'ordered' } = definition;
  const fits = (event: Click): boolean =>
    event.time_ms >= first.time_ms &&
    event.time_ms <= first.time_ms + window_ms &&
    holdConstant.every((value) => value(event) === value(first));
  const isStrict = ties === 'strict_increase';
  if (order === 'strict') {
    return linearisations(sorted).flatMap((line) =>
      blocks(line, first, definition).filter((block) => block.every(fits)),
    );
  }
  if (order === 'ordered') return chains([first], sorted.filter(fits), definition);
  return assignments(first, sorted.filter(fits), definition).filter(
    (attempt) => !isStrict || new Set(attempt.map(({ time_ms }) => time_ms)).size === attempt.length,
  );
}

function chains(chain: Attempt, from: readonly Click[], definition: FunnelDefinition<Click>): Attempt[] {
  const last_ms = chain.at(-1)?.time_ms ?? 0;
  const longer = from.filter(
    (event) =>
      definition.steps[chain.length]?.matches(event) === true &&
      !chain.includes(event) &&
      (definition.ties === 'strict_increase' ? event.time_ms > last_ms : event.time_ms >= last_ms),
  );
  return [chain, ...longer.flatMap((event) => chains([...chain, event], from, definition))];
}

/** Every order of the events that their times allow. */
function linearisations(sorted: readonly Click[]): Click[][] {
  const [first] = sorted;
  if (first === undefined) return [[]];
  return sorted
    .filter(({ time_ms }) => time_ms === first.time_ms)
    .flatMap((event) =>
      linearisations(sorted.filter((other) => other !== event)).map((rest) => [event, ...rest]),
    );
}

/** What stands side by side from `first` on and fills the steps one by one. */
function blocks(line: readonly Click[], first: Click, { steps, ties }: FunnelDefinition<Click>): Attempt[] {
  const start = line.indexOf(first);
  const found: Attempt[] = [];
  for (let length = 1; length <= steps.length && start + length <= line.length; length++) {
    const block = line.slice(start, start + length);
    const fillsAll = block.every((event, step) => steps[step]?.matches(event));
    const increases = block.every(
      (event, step) => step === 0 || event.time_ms > (block[step - 1]?.time_ms ?? 0),
    );
    if (fillsAll && (ties !== 'strict_increase' || increases)) found.push(block);
  }
  return found;
}

/** Every way to give different events to some of the steps, `first` to one of them. */
function assignments(first: Click, from: readonly Click[], { steps }: FunnelDefinition<Click>): Attempt[] {
  let partial: Attempt[] = [[]];
  for (const { matches } of steps) {
    partial = partial.flatMap((events) => [
      events,
      ...from.filter((event) => matches(event) && !events.includes(event)).map((event) => [...events, event]),
    ]);
  }
  return partial
    .filter((events) => events.includes(first))
    .map((events) => [first, ...events.filter((event) => event !== first).sort(byTimeAndId)]);
}
