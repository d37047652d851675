import type { Pattern, PatternStage } from './pattern-builder.ts';
import { PatternConditions } from './pattern-conditions.ts';
import { dropOutdone, type Foresight } from './pattern-given-up.ts';
import { compareMatches, type PartialMatch, type Pick } from './pattern-partial.ts';
import { type Skip, Taken } from './pattern-skip.ts';

/** A match that is decided, or one whose time is over. */
export interface Outcome {
  readonly match: PartialMatch;
  /** When it was decided. */
  readonly at_ms: number;
  readonly kind: 'match' | 'timeout';
}

/** A stage that can come after a stage, with the negations on the way. */
interface Target {
  /** The number of stages stands for the end. */
  readonly stage: number;
  readonly notNext: readonly number[];
  readonly notFollowedBy: readonly number[];
}

/** Where a match may go from a stage that has too few events, enough, or as many as it may have. */
interface Ways {
  readonly tooFew: readonly Target[];
  readonly enough: readonly Target[];
  readonly full: readonly Target[];
}

/**
 * A nondeterministic automaton over the events of one key: each partial match is a state, its picks lie in a buffer
 * that all share (after SASE, Wu et al. 2006, its SASE+, Agrawal et al. 2008, and Flink CEP). Each event is offered to
 * every partial match, which may ignore it, be extended by it (the old one stays where another event could extend it
 * too), or die. What an event costs grows with the number of partial matches, not with their length.
 *
 * `partials` lie in the order of `compareUndecided`, and stay so: a longer match goes before the one that it was made of.
 */
export class PatternNfa<E> {
  readonly #stages: readonly PatternStage<E>[];
  readonly #within_ms: number;
  readonly #hasSteps: boolean;
  readonly #skip: Skip;
  readonly #foresight: Foresight<E>;
  readonly #beginnings: readonly Target[];
  readonly #ways: readonly Ways[];
  readonly #conditions: PatternConditions<E>;
  readonly #eventOf: (event: number) => E;
  readonly #timeOf: (event: E) => number;
  /** Of the event that is offered: what was picked of it, by stage. */
  #picked: (Pick | undefined)[] = [];

  constructor(
    pattern: Pattern<E, string>,
    skip: Skip,
    eventOf: (event: number) => E,
    timeOf: (event: E) => number,
  ) {
    const { stages, within_ms = Number.POSITIVE_INFINITY } = pattern;
    this.#stages = stages;
    this.#within_ms = within_ms;
    this.#hasSteps = stages.some(({ withinPrevious_ms }) => withinPrevious_ms !== undefined);
    this.#skip = skip;
    this.#eventOf = eventOf;
    this.#timeOf = timeOf;
    this.#conditions = new PatternConditions(stages, eventOf);
    this.#foresight = {
      skip,
      stages,
      areBlind: this.#conditions.areBlind,
      hasLimit: this.#hasSteps || within_ms < Number.POSITIVE_INFINITY,
      hasSteps: this.#hasSteps,
    };
    this.#beginnings = targetsAfter(stages, -1);
    this.#ways = stages.map((_, stage) => waysFrom(stages, stage));
  }

  /** Offers an event, later than all before it; `partials` becomes what is then undecided. */
  offer(partials: PartialMatch[], event: number, time_ms: number): Outcome[] {
    const outcomes = this.expire(partials, time_ms);
    this.#conditions.about(this.#eventOf(event));
    this.#picked = [];
    const completed: PartialMatch[] = [];
    const next: PartialMatch[] = [];
    for (const partial of partials) {
      const longer = this.#extend(partial, event, time_ms, next, completed);
      if (this.#isAlive(partial)) next.push(partial);
      else if (longer !== undefined) this.#conditions.inherit(partial, longer);
    }
    for (const { stage } of this.#beginnings) {
      if (stage === this.#stages.length || !this.#conditions.takes(stage, undefined)) continue;
      const last = this.#picked[stage] ?? { event, stage, before: undefined };
      this.#begun(undecided(time_ms, event, last, 1, 1), next, completed);
      if (this.#stages[stage]?.isGreedy === true) break;
    }
    replace(partials, next);
    this.#take(completed, time_ms, partials, outcomes);
    dropOutdone(partials, this.#foresight);
    return outcomes;
  }

  /** Decides what no event from `before_ms` on can belong to, or change. */
  expire(partials: PartialMatch[], before_ms: number): Outcome[] {
    const outcomes: Outcome[] = [];
    const over = partials.filter((match) => this.due_ms(match) < before_ms);
    if (over.length === 0) return outcomes;
    const byTime = (a: PartialMatch, b: PartialMatch): number =>
      this.due_ms(a) - this.due_ms(b) || compareMatches(a, b);
    over.sort(byTime);
    for (let match = over.shift(); match !== undefined; match = over.shift()) {
      const at_ms = this.due_ms(match);
      const isThere = this.#passTargets(match, at_ms);
      const isAlive = this.#isAlive(match);
      if (isAlive && this.due_ms(match) < before_ms) insert(over, match, byTime);
      if (isThere) this.#take([match], at_ms, partials, outcomes, over);
      else if (!isAlive && !match.isComplete && !match.isExtended) {
        outcomes.push({ match, at_ms, kind: 'timeout' });
      }
    }
    replace(
      partials,
      partials.filter((match) => this.#isAlive(match)),
    );
    return outcomes;
  }

  /** Closes the ways whose time ends now; true if the end was among them, which makes the match complete. */
  #passTargets(match: PartialMatch, at_ms: number): boolean {
    let isThere = false;
    for (const target of this.#targetsOf(match)) {
      if (isDead(match, target.stage) || this.#end_ms(match, target) > at_ms) continue;
      kill(match, target.stage);
      if (target.stage === this.#stages.length) isThere = true;
    }
    if (isThere) match.isComplete = true;
    return isThere;
  }

  /** The time after which something is decided by time alone; Infinity for never. */
  due_ms(match: PartialMatch): number {
    if (!this.#hasSteps) return match.start_ms + this.#within_ms;
    let due_ms = Number.POSITIVE_INFINITY;
    for (const target of this.#targetsOf(match)) {
      if (!isDead(match, target.stage)) due_ms = Math.min(due_ms, this.#end_ms(match, target));
    }
    return due_ms;
  }

  /** The time after which a match cannot go there; to the end: after which it is there. */
  #end_ms(match: PartialMatch, { stage, notFollowedBy }: Target): number {
    const within_ms = match.start_ms + this.#within_ms;
    if (!this.#hasSteps) return within_ms;
    if (stage < this.#stages.length) return Math.min(within_ms, this.#stepEnd_ms(match, stage));
    const lasts_ms = notFollowedBy.map((negation) => this.#stepEnd_ms(match, negation));
    return lasts_ms.length === 0 ? within_ms : Math.min(within_ms, Math.max(...lasts_ms));
  }

  /** The end of a stage's own limit. */
  #stepEnd_ms({ last }: PartialMatch, stage: number): number {
    const withinPrevious_ms = this.#stages[stage]?.withinPrevious_ms;
    if (withinPrevious_ms === undefined) return Number.POSITIVE_INFINITY;
    return this.#timeOf(this.#eventOf(last.event)) + withinPrevious_ms;
  }

  /** The events of a match by stage; negations have no entry. */
  eventsOf(match: PartialMatch): Readonly<Record<string, readonly E[]>> {
    return this.#conditions.eventsOf(match);
  }

  #isHit(negations: readonly number[], match: PartialMatch, time_ms: number): boolean {
    for (const negation of negations) {
      if (this.#conditions.fits(negation, match) && this.#stepEnd_ms(match, negation) >= time_ms) return true;
    }
    return false;
  }

  /**
   * What an event makes of a partial match: the longer ones, of which it gives the last; those that are complete also go
   * to `completed`.
   */
  #extend(
    match: PartialMatch,
    event: number,
    time_ms: number,
    longer: PartialMatch[],
    completed: PartialMatch[],
  ): PartialMatch | undefined {
    const conditions = this.#conditions;
    let made: PartialMatch | undefined;
    let isTaken = false;
    for (const { stage, notNext, notFollowedBy } of this.#targetsOf(match)) {
      if (isDead(match, stage)) continue;
      const of = this.#stages[stage];
      if (isTaken || (match.isFresh && this.#isHit(notNext, match, time_ms))) kill(match, stage);
      else if (of === undefined) {
        if (this.#isHit(notFollowedBy, match, time_ms)) kill(match, stage);
        else if (notFollowedBy.length === 0) {
          kill(match, stage);
          match.isComplete = true;
          completed.push(match);
        }
      } else {
        const kind = stage === match.last.stage ? of.loop : of.kind;
        const fits = conditions.takes(stage, match);
        if (fits) {
          match.isExtended = true;
          made = this.#longer(match, event, stage);
          this.#begun(made, longer, completed);
          isTaken = of.isGreedy;
        }
        const isOver = kind === 'next' || (kind === 'followedBy' && fits) || conditions.ends(stage, match);
        if (isOver || this.#isHit(notFollowedBy, match, time_ms)) kill(match, stage);
      }
    }
    match.isFresh = false;
    return made;
  }

  #longer(
    { start_ms, first, last: before, length, count }: PartialMatch,
    event: number,
    stage: number,
  ): PartialMatch {
    const known = this.#picked[stage];
    const last = known?.before === before ? known : { event, stage, before };
    // The first of a stage is also what a match that begins with the event has.
    this.#picked[stage] = last;
    const more = stage === before.stage ? count + 1 : 1;
    return undecided(start_ms, first, last, length + 1, more);
  }

  /** A match that an event has begun or made longer: complete, or still to be decided, or both. */
  #begun(match: PartialMatch, undecided: PartialMatch[], completed: PartialMatch[]): void {
    const end = this.#stages.length;
    for (const { stage, notNext, notFollowedBy } of this.#targetsOf(match)) {
      if (stage !== end || notNext.length + notFollowedBy.length > 0) continue;
      kill(match, end);
      match.isComplete = true;
      completed.push(match);
    }
    if (this.#isAlive(match)) undecided.push(match);
  }

  /** Where the match may go, unless that is dead: once more into its stage, or on. */
  #targetsOf({ last, count }: PartialMatch): readonly Target[] {
    const { min, max } = this.#stages[last.stage] as PatternStage<E>;
    const { tooFew, enough, full } = this.#ways[last.stage] as Ways;
    return count < min ? tooFew : count < max ? enough : full;
  }

  #isAlive(match: PartialMatch): boolean {
    for (const { stage } of this.#targetsOf(match)) if (!isDead(match, stage)) return true;
    return false;
  }

  /** Matches decided at the same moment, by their first event, then the next ones; skips as the strategy says. */
  #take(
    completed: PartialMatch[],
    at_ms: number,
    partials: PartialMatch[],
    outcomes: Outcome[],
    waiting: PartialMatch[] = [],
  ) {
    const taken = new Taken(this.#skip, this.#stages);
    for (const match of completed.sort(compareMatches)) {
      if (!taken.leaves(match)) continue;
      outcomes.push({ match, at_ms, kind: 'match' });
      taken.add(match);
    }
    if (this.#skip === 'noSkip' || completed.length === 0) return;
    for (const list of [partials, waiting]) {
      replace(
        list,
        list.filter((match) => taken.leaves(match)),
      );
    }
  }
}

/** Written out, since it is made for each match and event: a spread costs ten times as much. */
function undecided(start_ms: number, first: number, last: Pick, length: number, count: number): PartialMatch {
  return {
    start_ms,
    first,
    last,
    length,
    count,
    dead: 0,
    isFresh: true,
    isComplete: false,
    isExtended: false,
  };
}

function isDead({ dead }: PartialMatch, stage: number): boolean {
  return ((dead >>> stage) & 1) === 1;
}

/** No event can make the match go there any more. */
function kill(match: PartialMatch, stage: number): void {
  match.dead |= 1 << stage;
}

function waysFrom<E>(stages: readonly PatternStage<E>[], stage: number): Ways {
  const again: Target = { stage, notNext: [], notFollowedBy: [] };
  const full = targetsAfter(stages, stage);
  return { tooFew: [again], enough: [again, ...full], full };
}

function targetsAfter<E>(stages: readonly PatternStage<E>[], after: number): Target[] {
  const targets: Target[] = [];
  const notNext: number[] = [];
  const notFollowedBy: number[] = [];
  for (let stage = after + 1; stage <= stages.length; stage++) {
    const at = stages[stage];
    if (at?.kind === 'notNext') notNext.push(stage);
    else if (at?.kind === 'notFollowedBy') notFollowedBy.push(stage);
    else {
      targets.push({ stage, notNext: notNext.slice(), notFollowedBy: notFollowedBy.slice() });
      if (at?.isOptional !== true) break;
    }
  }
  return targets;
}

function insert<T>(list: T[], item: T, compare: (a: T, b: T) => number): void {
  const at = list.findIndex((other) => compare(item, other) < 0);
  list.splice(at < 0 ? list.length : at, 0, item);
}

function replace<T>(list: T[], by: readonly T[]): void {
  list.length = 0;
  for (const item of by) list.push(item);
}
