import { type Stream, TestDriver } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { type PatternConfig, type PatternMatch, pattern } from './pattern.ts';
import { begin, type Pattern, type PatternStage } from './pattern-builder.ts';
import type { Skip } from './pattern-skip.ts';

export interface Tick {
  readonly key: string;
  readonly type: string;
  readonly time_ms: number;
  readonly id: string;
}

export const is =
  (...types: string[]) =>
  ({ type }: Tick): boolean =>
    types.includes(type);

/** `a@0 b@3`: types and times; ids count up. */
export function ticks(text: string, key = 'k'): Tick[] {
  return text.split(' ').map((word, index) => {
    const [type = '', time = ''] = word.split('@');
    return { key, type, time_ms: Number(time), id: String(index).padStart(4, '0') };
  });
}

type Rest = Partial<PatternConfig<Tick, string>>;

export const configOf = (searched: Pattern<Tick, string>, rest: Rest = {}): PatternConfig<Tick, string> => ({
  pattern: searched,
  keyOf: ({ key }) => key,
  timeOf: ({ time_ms }) => time_ms,
  idOf: ({ id }) => id,
  ...rest,
});

export const build =
  (config: PatternConfig<Tick, string>, side?: 'timeout' | 'late' | 'overflow') =>
  (input: Stream<Tick>): Stream<PatternMatch<Tick, string> | Tick> => {
    const stream = input.pipe(pattern('pattern', config));
    return side === undefined ? stream : stream.side(side);
  };

/** Matches as `a@0 b@1`, in the order of picks. */
export async function matches(
  text: string,
  searched: Pattern<Tick, string>,
  rest: Rest = {},
  side?: 'timeout',
): Promise<string[]> {
  const driver = await TestDriver.start(build(configOf(searched, rest), side));
  await driver.push(...ticks(text));
  await driver.advanceTo(1_000);
  return (driver.out as PatternMatch<Tick, string>[]).map(({ events }) =>
    Object.values(events)
      .flat()
      .map(({ type, time_ms }) => `${type}@${time_ms}`)
      .join(' '),
  );
}

export const rowsOf = (driver: TestDriver<Tick, unknown>): number =>
  driver.disk.reader().snapshot((table) => {
    const tables = ['pattern/keys', 'pattern/timers'];
    return tables.reduce((sum, name) => sum + [...table(name).scan()].length, 0);
  });

const KINDS = ['next', 'followedBy', 'followedByAny', 'notNext', 'notFollowedBy'] as const;
const QUANTIFIERS: Readonly<Record<string, (of: Pattern<Tick, string>) => Pattern<Tick, string>>> = {
  one: (of) => of,
  optional: (of) => of.optional(),
  twice: (of) => of.times(2),
  '1 to 2': (of) => of.times(1, 2),
  'one or more': (of) => of.oneOrMore(),
  'optional, more': (of) => of.oneOrMore().optional(),
  'two or more, consecutive': (of) => of.timesOrMore(2).consecutive(),
  combinations: (of) => of.times(1, 3).allowCombinations(),
  greedy: (of) => of.oneOrMore().greedy(),
  'greedy, optional': (of) => of.times(1, 2).greedy().optional(),
  'greedy, consecutive': (of) => of.oneOrMore().consecutive().greedy(),
  until: (of) => of.oneOrMore().until(is('c')),
  'until, looking back': (of) =>
    of
      .timesOrMore(1)
      .allowCombinations()
      .optional()
      .until(({ id }, { s0 }) => id === s0?.[0]?.id || s0?.length === 2),
};

const anyStage = fc.record({
  kind: fc.constantFrom(...KINDS),
  types: fc.constantFrom(['a'], ['b'], ['c'], ['a', 'b']),
  /** The condition also looks at the first pick (the event's id is larger), or at what the stage has (less than two). */
  looksAt: fc.constantFrom('nothing', 'the first', 'itself'),
  quantifier: fc.oneof(fc.constant('one'), fc.constantFrom(...Object.keys(QUANTIFIERS))),
  withinPrevious_ms: fc.option(fc.integer({ min: 0, max: 4 }), { freq: 3 }),
});

export const anyPattern: fc.Arbitrary<Pattern<Tick, string>> = fc
  .record({
    stages: fc.array(anyStage, { minLength: 1, maxLength: 4 }),
    within_ms: fc.integer({ min: 0, max: 6 }),
    isLimited: fc.boolean(),
  })
  .map(({ stages, within_ms, isLimited }) => {
    let built: Pattern<Tick, string> | undefined;
    for (const [index, { kind, types, looksAt, quantifier, withinPrevious_ms }] of stages.entries()) {
      const name = `s${index}`;
      const where = (event: Tick, matched: Readonly<Record<string, readonly Tick[]>>): boolean =>
        is(...types)(event) &&
        (looksAt !== 'the first' || event.id >= (matched.s0?.[0]?.id ?? '')) &&
        (looksAt !== 'itself' || (matched[name] ?? []).length < 2);
      const isNegation = kind.startsWith('not');
      const isAtEnd = stages.slice(index).every((stage) => stage.kind.startsWith('not'));
      if (built === undefined) built = begin<Tick, string>(name, where);
      else built = built[kind](name, where);
      if (index === 0 || !isNegation) built = QUANTIFIERS[quantifier]?.(built) ?? built;
      const isLoop = (built.stages.at(-1)?.max ?? 1) > 1;
      const hasPrevious = index === 0 ? isLoop : !isNegation || (kind === 'notFollowedBy' && isAtEnd);
      if (withinPrevious_ms !== null && hasPrevious) built = built.withinPrevious(withinPrevious_ms);
    }
    if (built === undefined) throw new Error('a pattern has a stage');
    return isLimited || !isDecided(built) ? built.within(within_ms) : built;
  });

/** Whether it needs no limit. */
function isDecided({ stages }: Pattern<Tick, string>): boolean {
  const last = stages.at(-1);
  return last?.kind.startsWith('not') !== true;
}

/** A pattern like it, of conditions that take nothing but the event. */
export function blind(of: Pattern<Tick, string>): Pattern<Tick, string> {
  const nothing = { s0: [], s1: [], s2: [], s3: [] };
  const stages = of.stages.map(({ where, until, ...stage }) => ({
    ...stage,
    where: (event: Tick) => where(event, nothing),
    ...(until === undefined ? {} : { until: (event: Tick) => until(event, nothing) }),
  }));
  return Object.assign(Object.create(Object.getPrototypeOf(of)), of, { stages });
}

export const anySkip = fc.constantFrom<Skip>(
  'noSkip',
  'noSkip',
  'skipPastLast',
  'skipToNext',
  { toFirst: 's0' },
  { toFirst: 's1' },
  { toLast: 's0' },
  { toLast: 's1' },
);

export const anyTicks = (max: number, keys = ['k']): fc.Arbitrary<Tick[]> =>
  fc
    .array(
      fc.record({
        key: fc.constantFrom(...keys),
        type: fc.constantFrom('a', 'a', 'b', 'b', 'c', 'x'),
        time_ms: fc.integer({ min: 0, max: 8 }),
      }),
      { maxLength: max },
    )
    .map((events) => events.map((event, index) => ({ ...event, id: String(index).padStart(4, '0') })));

/** Picks of a match: places in the sorted events, and stages. */
type Picks = readonly (readonly [at: number, stage: number])[];

interface Decided {
  readonly picks: Picks;
  readonly at_ms: number;
  /** The place of the event that decided it; after all events where time did. */
  readonly at: number;
}

export interface Expected {
  readonly match: PatternMatch<Tick, string>;
  readonly at_ms: number;
}

/** The definition of a match read literally: every way to pick events for the stages is tried. One key's events. */
export function bruteForce(
  events: readonly Tick[],
  pattern: Pattern<Tick, string>,
  skip: Skip,
  watermark_ms: number,
): { readonly matches: Expected[]; readonly timeouts: Expected[] } {
  const sorted = events
    .filter(({ time_ms }) => time_ms < watermark_ms)
    .toSorted((a, b) => a.time_ms - b.time_ms || (a.id < b.id ? -1 : 1));
  const search = new Search(sorted, pattern, watermark_ms);
  const valid = search.all([]);
  const decided = valid.flatMap((picks) => search.decidedAt(picks) ?? []).sort(byDecision);
  const isSkipped = (match: Decided, by: Decided): boolean => {
    if (skip === 'noSkip') return false;
    if (skip === 'skipToNext') return startOf(match.picks) === startOf(by.picks);
    if (skip === 'skipPastLast') return startOf(match.picks) <= (by.picks.at(-1)?.[0] ?? 0);
    const [of, isFirst] = 'toFirst' in skip ? [skip.toFirst, true] : [skip.toLast, false];
    const ofStage = by.picks.filter(([, stage]) => pattern.stages[stage]?.name === of);
    return startOf(match.picks) < (ofStage.at(isFirst ? 0 : -1)?.[0] ?? 0);
  };
  const accepted: Decided[] = [];
  for (const match of decided) {
    if (!accepted.some((other) => isSkipped(match, other))) accepted.push(match);
  }
  const timeouts = valid
    .flatMap((picks) => search.timedOutAt(picks, valid) ?? [])
    .filter((over) => !accepted.some((other) => byDecision(other, over) < 0 && isSkipped(over, other)))
    .sort(byDecision);
  const asExpected = ({ picks, at_ms }: Decided): Expected => ({
    at_ms,
    match: {
      key: sorted[0]?.key ?? '',
      start_ms: sorted[startOf(picks)]?.time_ms ?? 0,
      end_ms: sorted[picks.at(-1)?.[0] ?? 0]?.time_ms ?? 0,
      events: search.matched(picks),
    },
  });
  return { matches: accepted.map(asExpected), timeouts: timeouts.map(asExpected) };
}

function startOf(picks: Picks): number {
  return picks[0]?.[0] ?? 0;
}

function lastOf(picks: Picks): number {
  return picks.at(-1)?.[0] ?? -1;
}

function byDecision(a: Decided, b: Decided): number {
  const textOf = (picks: Picks): string => picks.map(([at, stage]) => `${at + 100}.${stage + 100}`).join();
  return a.at_ms - b.at_ms || a.at - b.at || (textOf(a.picks) < textOf(b.picks) ? -1 : 1);
}

class Search {
  readonly #events: readonly Tick[];
  readonly #stages: readonly PatternStage<Tick>[];
  readonly #within_ms: number;
  readonly #watermark_ms: number;

  constructor(events: readonly Tick[], { stages, within_ms }: Pattern<Tick, string>, watermark_ms: number) {
    this.#events = events;
    this.#stages = stages;
    this.#within_ms = within_ms ?? Number.POSITIVE_INFINITY;
    this.#watermark_ms = watermark_ms;
  }

  /** Every beginning of a match, `picks` themselves first. */
  all(picks: Picks): Picks[] {
    const longer: Picks[] = [];
    for (let at = (picks.at(-1)?.[0] ?? -1) + 1; at < this.#events.length; at++) {
      for (const [stage, { kind }] of this.#stages.entries()) {
        if (kind.startsWith('not') || !this.#mayFollow(picks, stage)) continue;
        if (this.#isPick(picks, at, stage)) longer.push([...picks, [at, stage]]);
      }
    }
    return [...(picks.length > 0 ? [picks] : []), ...longer.flatMap((more) => this.all(more))];
  }

  matched(picks: Picks): Record<string, Tick[]> {
    return Object.fromEntries(
      this.#stages.flatMap(({ name, kind }, stage) =>
        kind.startsWith('not')
          ? []
          : [[name, picks.filter(([, of]) => of === stage).map(([at]) => this.#events[at] as Tick)]],
      ),
    );
  }

  /** When the picks are known to be a match, with nothing more. */
  decidedAt(picks: Picks): Decided | undefined {
    const end = this.#stages.length;
    const last = lastOf(picks);
    if (!this.#mayFollow(picks, end)) return undefined;
    const negations = this.#negations(picks, end);
    if (negations.length === 0) return { picks, at_ms: this.#timeAt(last), at: last };
    const end_ms = this.#end_ms(picks, end);
    const closed = this.#closedAt(picks, end);
    const isOfNext = negations.every(({ kind }) => kind === 'notNext') && this.#timeAt(last + 1) <= end_ms;
    if (isOfNext)
      return closed === last + 1 ? undefined : { picks, at_ms: this.#timeAt(last + 1), at: last + 1 };
    if (closed !== undefined || end_ms >= this.#watermark_ms) return undefined;
    return { picks, at_ms: end_ms, at: this.#events.length };
  }

  /** Complete in no way, part of nothing longer, and the last way to go on was ended by time. */
  timedOutAt(picks: Picks, valid: readonly Picks[]): Decided | undefined {
    if (this.decidedAt(picks) !== undefined) return undefined;
    const isExtended = valid.some(
      (other) =>
        other.length === picks.length + 1 && JSON.stringify(other.slice(0, -1)) === JSON.stringify(picks),
    );
    if (isExtended) return undefined;
    const ways = [...this.#stages.keys(), this.#stages.length].filter(
      (stage) => this.#stages[stage]?.kind.startsWith('not') !== true && this.#mayFollow(picks, stage),
    );
    let at_ms = Number.NEGATIVE_INFINITY;
    for (const stage of ways) {
      if (this.#closedAt(picks, stage) === undefined) at_ms = Math.max(at_ms, this.#end_ms(picks, stage));
    }
    const isLast = ways.every((stage) => {
      const closed = this.#closedAt(picks, stage);
      return closed === undefined || this.#timeAt(closed) <= at_ms;
    });
    return isLast && at_ms < this.#watermark_ms ? { picks, at_ms, at: this.#events.length } : undefined;
  }

  /** The time until which an event may be picked for the stage, or the end be spoilt. */
  #end_ms(picks: Picks, stage: number): number {
    const within_ms = this.#timeAt(startOf(picks)) + this.#within_ms;
    const step_ms = (of: PatternStage<Tick> | undefined): number =>
      this.#timeAt(lastOf(picks)) + (of?.withinPrevious_ms ?? Number.POSITIVE_INFINITY);
    if (stage < this.#stages.length) return Math.min(within_ms, step_ms(this.#stages[stage]));
    const lasting = this.#negations(picks, stage).filter(({ kind }) => kind === 'notFollowedBy');
    return lasting.length === 0 ? within_ms : Math.min(within_ms, Math.max(...lasting.map(step_ms)));
  }

  #isPick(picks: Picks, at: number, stage: number): boolean {
    if (!this.#isTaken(picks, at, stage) || this.#isTakenBefore(picks, at, stage)) return false;
    if (picks.length === 0) return true;
    if (this.#timeAt(at) > this.#end_ms(picks, stage) || this.#isHitByNext(picks, at, stage)) return false;
    return (this.#closedAt(picks, stage) ?? at) >= at;
  }

  #isTaken(picks: Picks, at: number, stage: number): boolean {
    const { where, until } = this.#stages[stage] as PatternStage<Tick>;
    const event = this.#events[at] as Tick;
    return where(event, this.matched(picks)) && until?.(event, this.matched(picks)) !== true;
  }

  /** Whether a greedy stage takes the event before the stage can. */
  #isTakenBefore(picks: Picks, at: number, stage: number): boolean {
    return this.#stages
      .slice(0, stage)
      .some(
        ({ kind, isGreedy }, greedy) =>
          isGreedy &&
          !kind.startsWith('not') &&
          this.#mayFollow(picks, greedy) &&
          this.#isPick(picks, at, greedy),
      );
  }

  #isHitByNext(picks: Picks, at: number, stage: number): boolean {
    return (
      at === lastOf(picks) + 1 &&
      this.#negations(picks, stage).some(
        ({ kind, where }) => kind === 'notNext' && where(this.#events[at] as Tick, this.matched(picks)),
      )
    );
  }

  /** The first event since the last pick after which `stage` (or the end) cannot come next. */
  #closedAt(picks: Picks, stage: number): number | undefined {
    const of = this.#stages[stage];
    const isLoop = picks.at(-1)?.[1] === stage;
    const contiguity = isLoop ? of?.loop : of?.kind;
    const matched = this.matched(picks);
    const last_ms = this.#timeAt(lastOf(picks));
    for (let at = lastOf(picks) + 1; this.#timeAt(at) <= this.#end_ms(picks, stage); at++) {
      const event = this.#events[at] as Tick;
      const isSpoilt = this.#negations(picks, stage).some(
        ({ kind, where, withinPrevious_ms = Number.POSITIVE_INFINITY }) =>
          kind === 'notFollowedBy' && where(event, matched) && event.time_ms <= last_ms + withinPrevious_ms,
      );
      const isTaken = of !== undefined && this.#isTaken(picks, at, stage);
      const isOver = contiguity === 'next' || (contiguity === 'followedBy' && isTaken);
      if (isSpoilt || isOver || of?.until?.(event, matched) === true) return at;
      if (this.#isHitByNext(picks, at, stage) || this.#isTakenBefore(picks, at, stage)) return at;
    }
    return undefined;
  }

  /** NaN after the last event. */
  #timeAt(at: number): number {
    return this.#events[at]?.time_ms ?? Number.NaN;
  }

  #negations(picks: Picks, stage: number): PatternStage<Tick>[] {
    const [, last = 0] = picks.at(-1) ?? [];
    return this.#stages.slice(last + 1, stage).filter(({ kind }) => kind.startsWith('not'));
  }

  /** Whether the counts allow `stage` (or the end) after the picks. */
  #mayFollow(picks: Picks, stage: number): boolean {
    const last = picks.at(-1)?.[1] ?? -1;
    const count = picks.filter(([, of]) => of === last).length;
    if (stage === last) return count < (this.#stages[last]?.max ?? 0);
    if (stage < last || count < (this.#stages[last]?.min ?? 0)) return false;
    return this.#stages
      .slice(last + 1, stage)
      .every(({ kind, isOptional }) => kind.startsWith('not') || isOptional);
  }
}
