import fc from 'fast-check';
import type { PatternMatch } from './pattern.ts';
import { begin, type Pattern, type PatternStage } from './pattern-builder.ts';
import type { SkipStrategy } from './pattern-nfa.ts';

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

const KINDS = ['next', 'followedBy', 'followedByAny', 'notNext', 'notFollowedBy'] as const;
const QUANTIFIERS = ['one', 'one', 'one', 'oneOrMore', 'twice', '1to2', 'optional', 'optionalMore'] as const;

const anyStage = fc.record({
  kind: fc.constantFrom(...KINDS),
  types: fc.constantFrom(['a'], ['b'], ['c'], ['a', 'b']),
  /** The condition also looks at what was matched: the event's id is larger than that of the first pick. */
  looksBack: fc.boolean(),
  quantifier: fc.constantFrom(...QUANTIFIERS),
});

export const anyPattern: fc.Arbitrary<Pattern<Tick, string>> = fc
  .record({
    stages: fc.array(anyStage, { minLength: 1, maxLength: 4 }),
    within_ms: fc.integer({ min: 0, max: 6 }),
    isLimited: fc.boolean(),
  })
  .map(({ stages, within_ms, isLimited }) => {
    let built: Pattern<Tick, string> | undefined;
    for (const [index, { kind, types, looksBack, quantifier }] of stages.entries()) {
      const name = `s${index}`;
      const where = (event: Tick, matched: Readonly<Record<string, readonly Tick[]>>): boolean =>
        is(...types)(event) && (!looksBack || event.id >= (matched.s0?.[0]?.id ?? ''));
      const isNegation = kind === 'notNext' || kind === 'notFollowedBy';
      if (built === undefined) built = begin<Tick, string>(name, where);
      else if (isNegation) {
        built = built[kind](name, where);
        continue;
      } else built = built[kind](name, where);
      built = quantified(built, quantifier);
    }
    if (built === undefined) throw new Error('a pattern has a stage');
    const last = built.stages.at(-1)?.kind;
    return isLimited || last === 'notNext' || last === 'notFollowedBy' ? built.within(within_ms) : built;
  });

function quantified(
  built: Pattern<Tick, string>,
  quantifier: (typeof QUANTIFIERS)[number],
): Pattern<Tick, string> {
  switch (quantifier) {
    case 'one':
      return built;
    case 'oneOrMore':
      return built.oneOrMore();
    case 'twice':
      return built.times(2);
    case '1to2':
      return built.times(1, 2);
    case 'optional':
      return built.optional();
    case 'optionalMore':
      return built.oneOrMore().optional();
  }
}

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
  skip: SkipStrategy,
  watermark_ms: number,
): { readonly matches: Expected[]; readonly timeouts: Expected[] } {
  const sorted = events
    .filter(({ time_ms }) => time_ms < watermark_ms)
    .toSorted((a, b) => a.time_ms - b.time_ms || (a.id < b.id ? -1 : 1));
  const search = new Search(sorted, pattern, watermark_ms);
  const valid = search.all([]);
  const decided = valid.flatMap((picks) => search.decidedAt(picks) ?? []).sort(byDecision);
  const isSkipped = (match: Decided, by: Decided): boolean =>
    skip === 'skipPastLast'
      ? startOf(match.picks) <= (by.picks.at(-1)?.[0] ?? 0)
      : skip === 'skipToNext' && startOf(match.picks) === startOf(by.picks);
  const accepted: Decided[] = [];
  for (const match of decided) {
    if (!accepted.some((other) => isSkipped(match, other))) accepted.push(match);
  }
  const timeouts = valid
    .filter((picks) => search.isTimedOut(picks, valid))
    .map((picks) => ({ picks, at_ms: search.end_ms(picks), at: sorted.length }))
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

  end_ms(picks: Picks): number {
    return (this.#events[startOf(picks)]?.time_ms ?? 0) + this.#within_ms;
  }

  /** When the picks are known to be a match, with nothing more. */
  decidedAt(picks: Picks): Decided | undefined {
    const end = this.#stages.length;
    const [last = 0] = picks.at(-1) ?? [];
    if (!this.#mayFollow(picks, end)) return undefined;
    const negations = this.#negations(picks, end);
    if (negations.length === 0) return { picks, at_ms: this.#events[last]?.time_ms ?? 0, at: last };
    const rest = this.#events.slice(last + 1).filter(({ time_ms }) => time_ms <= this.end_ms(picks));
    const isHit = negations.some(({ kind, where }) =>
      (kind === 'notNext' ? rest.slice(0, 1) : rest).some((event) => where(event, this.matched(picks))),
    );
    if (isHit) return undefined;
    const [next] = rest;
    if (next !== undefined && negations.every(({ kind }) => kind === 'notNext')) {
      return { picks, at_ms: next.time_ms, at: last + 1 };
    }
    const isOver = this.end_ms(picks) < this.#watermark_ms;
    return isOver ? { picks, at_ms: this.end_ms(picks), at: this.#events.length } : undefined;
  }

  /** Over, complete in no way, part of nothing longer, and something could still have followed. */
  isTimedOut(picks: Picks, valid: readonly Picks[]): boolean {
    if (this.end_ms(picks) >= this.#watermark_ms || this.decidedAt(picks) !== undefined) return false;
    const isExtended = valid.some(
      (other) =>
        other.length === picks.length + 1 && JSON.stringify(other.slice(0, -1)) === JSON.stringify(picks),
    );
    if (isExtended) return false;
    const [last = 0] = picks.at(-1) ?? [];
    const rest = this.#events.slice(last + 1).filter(({ time_ms }) => time_ms <= this.end_ms(picks));
    return this.#stages.some(({ kind }, stage) => {
      if (kind.startsWith('not') || !this.#mayFollow(picks, stage)) return false;
      return this.#isOpen(picks, stage, rest, rest[0]);
    });
  }

  #isPick(picks: Picks, at: number, stage: number): boolean {
    const event = this.#events[at] as Tick;
    if (this.#stages[stage]?.where(event, this.matched(picks)) !== true) return false;
    if (picks.length === 0) return true;
    const [last = 0] = picks.at(-1) ?? [];
    const between = this.#events.slice(last + 1, at);
    return event.time_ms <= this.end_ms(picks) && this.#isOpen(picks, stage, between, this.#events[last + 1]);
  }

  /** Whether events since the last pick leave it possible that `stage` is picked next. */
  #isOpen(picks: Picks, stage: number, since: readonly Tick[], next: Tick | undefined): boolean {
    const { kind, where } = this.#stages[stage] as PatternStage<Tick>;
    const isLoop = picks.at(-1)?.[1] === stage;
    const matched = this.matched(picks);
    if (!isLoop && kind === 'next' && since.length > 0) return false;
    if ((isLoop || kind === 'followedBy') && since.some((event) => where(event, matched))) return false;
    return this.#negations(picks, stage).every((negation) =>
      negation.kind === 'notNext'
        ? next === undefined || !negation.where(next, matched)
        : !since.some((event) => negation.where(event, matched)),
    );
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
