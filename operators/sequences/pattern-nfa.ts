import { isNegated, type Pattern, type PatternStage } from './pattern-builder.ts';
import { type Skip, staysAfter } from './pattern-skip.ts';

interface Beginning {
  readonly start_ms: number;
  readonly picks: PartialMatch['picks'];
}

/** Picks of a match that is not decided yet. Plain data: it is part of the state. */
export interface PartialMatch {
  readonly start_ms: number;
  /** The events picked, by their number in the key's order, and the stage of each. */
  readonly picks: readonly (readonly [event: number, stage: number])[];
  /** How many picks the last one's stage has. */
  readonly count: number;
  /** Bit t: stage t can no longer be the next one; bit `stages`: the end. */
  dead: number;
  /** No event has come since the last pick. */
  isFresh: boolean;
  isComplete: boolean;
  /** A longer match has been made of it. */
  isExtended: boolean;
}

/** A match that is decided, or one whose time is over. */
export interface Outcome {
  readonly match: PartialMatch;
  /** When it was decided. */
  readonly at_ms: number;
  readonly kind: 'match' | 'timeout';
}

/** The stages that can come after a stage, with the negations on the way. */
interface Target<E> {
  /** The number of stages stands for the end. */
  readonly stage: number;
  readonly notNext: readonly PatternStage<E>[];
  readonly notFollowedBy: readonly PatternStage<E>[];
}

/**
 * A nondeterministic automaton over the events of one key: each partial match is a state with its own picks
 * (after SASE, Wu et al. 2006, and Flink CEP). Each event is offered to every partial match, which may ignore it, be
 * extended by it (the old one stays where another event could extend it too), or die.
 */
export class PatternNfa<E> {
  readonly #stages: readonly PatternStage<E>[];
  readonly #within_ms: number;
  readonly #hasSteps: boolean;
  readonly #skip: Skip;
  /** By stage; the last entry is that of the beginning. */
  readonly #targets: readonly (readonly Target<E>[])[];
  readonly #eventOf: (event: number) => E;
  readonly #timeOf: (event: E) => number;
  /** Derived from the picks; made when a condition first asks. */
  readonly #matched = new WeakMap<PartialMatch, Readonly<Record<string, readonly E[]>>>();
  readonly #nothing: Readonly<Record<string, readonly E[]>>;

  constructor(
    pattern: Pattern<E, string>,
    skip: Skip,
    eventOf: (event: number) => E,
    timeOf: (event: E) => number,
  ) {
    this.#stages = pattern.stages;
    this.#within_ms = pattern.within_ms ?? Number.POSITIVE_INFINITY;
    this.#hasSteps = pattern.stages.some(({ withinPrevious_ms }) => withinPrevious_ms !== undefined);
    this.#skip = skip;
    this.#eventOf = eventOf;
    this.#timeOf = timeOf;
    this.#targets = [...this.#stages.keys(), -1].map((stage) => targetsAfter(this.#stages, stage));
    this.#nothing = this.#byStage([]);
  }

  /** Offers an event, later than all before it; `partials` becomes what is then undecided. */
  offer(partials: PartialMatch[], event: number, time_ms: number): Outcome[] {
    const outcomes = this.expire(partials, time_ms);
    const value = this.#eventOf(event);
    const completed: PartialMatch[] = [];
    const next: PartialMatch[] = [];
    for (const partial of partials) {
      const longer = this.#extend(partial, event, value, time_ms, completed);
      if (this.#isAlive(partial)) next.push(partial);
      next.push(...longer.filter((match) => this.#isAlive(match)));
    }
    for (const { stage } of this.#targetsFrom(-1)) {
      const of = this.#stages[stage];
      if (of === undefined || !takes(of, value, this.#nothing)) continue;
      const match = this.#pick({ start_ms: time_ms, picks: [] }, event, stage, 1, completed);
      if (this.#isAlive(match)) next.push(match);
      if (of.isGreedy) break;
    }
    replace(partials, next);
    this.#take(completed, time_ms, partials, outcomes);
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
    for (const target of this.#openTargets(match)) {
      if (this.#end_ms(match, target) > at_ms) continue;
      kill(match, target.stage);
      if (target.stage === this.#stages.length) isThere = true;
    }
    if (isThere) match.isComplete = true;
    return isThere;
  }

  /** The time after which something is decided by time alone; Infinity for never. */
  due_ms(match: PartialMatch): number {
    if (!this.#hasSteps) return match.start_ms + this.#within_ms;
    const ends_ms = this.#openTargets(match).map((target) => this.#end_ms(match, target));
    return Math.min(...ends_ms);
  }

  /** The time after which a match cannot go there; to the end: after which it is there. */
  #end_ms(match: PartialMatch, { stage, notFollowedBy }: Target<E>): number {
    const within_ms = match.start_ms + this.#within_ms;
    if (!this.#hasSteps) return within_ms;
    const of = this.#stages[stage];
    if (of !== undefined) return Math.min(within_ms, this.#stepEnd_ms(match, of));
    const lasts_ms = notFollowedBy.map((negation) => this.#stepEnd_ms(match, negation));
    return lasts_ms.length === 0 ? within_ms : Math.min(within_ms, Math.max(...lasts_ms));
  }

  /** The end of a stage's own limit. */
  #stepEnd_ms({ picks }: PartialMatch, { withinPrevious_ms }: PatternStage<E>): number {
    if (withinPrevious_ms === undefined) return Number.POSITIVE_INFINITY;
    return this.#timeOf(this.#eventOf(picks.at(-1)?.[0] as number)) + withinPrevious_ms;
  }

  /** The events of a match by stage; negations have no entry. */
  eventsOf(match: PartialMatch): Readonly<Record<string, readonly E[]>> {
    let matched = this.#matched.get(match);
    if (matched === undefined) {
      matched = this.#byStage(match.picks);
      this.#matched.set(match, matched);
    }
    return matched;
  }

  #byStage(picks: PartialMatch['picks']): Readonly<Record<string, readonly E[]>> {
    const byName: Record<string, E[]> = {};
    for (const [index, stage] of this.#stages.entries()) {
      if (isNegated(stage)) continue;
      byName[stage.name] = picks.filter(([, of]) => of === index).map(([event]) => this.#eventOf(event));
    }
    return byName;
  }

  /** What an event makes of a partial match: the longer ones; those that are complete also go to `completed`. */
  #extend(
    match: PartialMatch,
    event: number,
    value: E,
    time_ms: number,
    completed: PartialMatch[],
  ): PartialMatch[] {
    const longer: PartialMatch[] = [];
    const matched = this.eventsOf(match);
    const last = match.picks.at(-1)?.[1];
    const isHit = (negations: readonly PatternStage<E>[]): boolean =>
      negations.some(
        (negation) => negation.where(value, matched) && this.#stepEnd_ms(match, negation) >= time_ms,
      );
    let isTaken = false;
    for (const { stage, notNext, notFollowedBy } of this.#openTargets(match)) {
      const of = this.#stages[stage];
      if (isTaken || (match.isFresh && isHit(notNext))) kill(match, stage);
      else if (of === undefined) {
        if (isHit(notFollowedBy)) kill(match, stage);
        else if (notFollowedBy.length === 0) {
          kill(match, stage);
          match.isComplete = true;
          completed.push(match);
        }
      } else {
        const kind = stage === last ? of.loop : of.kind;
        const fits = takes(of, value, matched);
        if (fits) {
          match.isExtended = true;
          longer.push(this.#pick(match, event, stage, stage === last ? match.count + 1 : 1, completed));
          isTaken = of.isGreedy;
        }
        const isOver =
          kind === 'next' || (kind === 'followedBy' && fits) || of.until?.(value, matched) === true;
        if (isOver || isHit(notFollowedBy)) kill(match, stage);
      }
    }
    match.isFresh = false;
    return longer;
  }

  #pick(
    { start_ms, picks }: Beginning,
    event: number,
    stage: number,
    count: number,
    completed: PartialMatch[],
  ): PartialMatch {
    const match: PartialMatch = {
      start_ms,
      picks: [...picks, [event, stage]],
      count,
      dead: 0,
      isFresh: true,
      isComplete: false,
      isExtended: false,
    };
    const end = this.#openTargets(match).find((target) => target.stage === this.#stages.length);
    if (end !== undefined && end.notNext.length + end.notFollowedBy.length === 0) {
      match.dead |= 1 << end.stage;
      match.isComplete = true;
      completed.push(match);
    }
    return match;
  }

  #targetsFrom(stage: number): readonly Target<E>[] {
    return this.#targets.at(stage) as readonly Target<E>[];
  }

  /** Where the match may go: once more into its stage, or on. */
  #openTargets({ picks, count, dead }: PartialMatch): Target<E>[] {
    const stage = picks.at(-1)?.[1] ?? -1;
    const { min, max } = this.#stages[stage] as PatternStage<E>;
    const targets: Target<E>[] = count < max ? [{ stage, notNext: [], notFollowedBy: [] }] : [];
    if (count >= min) targets.push(...this.#targetsFrom(stage));
    return targets.filter((target) => ((dead >>> target.stage) & 1) === 0);
  }

  #isAlive(match: PartialMatch): boolean {
    return this.#openTargets(match).length > 0;
  }

  /** Matches decided at the same moment, by their first event, then the next ones; skips as the strategy says. */
  #take(
    completed: PartialMatch[],
    at_ms: number,
    partials: PartialMatch[],
    outcomes: Outcome[],
    waiting: PartialMatch[] = [],
  ) {
    completed.sort(compareMatches);
    for (let match = completed.shift(); match !== undefined; match = completed.shift()) {
      outcomes.push({ match, at_ms, kind: 'match' });
      if (this.#skip === 'noSkip') continue;
      const stays = staysAfter(match, this.#skip, this.#stages);
      for (const list of [completed, partials, waiting]) replace(list, list.filter(stays));
    }
  }
}

/** No event can make the match go there any more. */
function kill(match: PartialMatch, stage: number): void {
  match.dead |= 1 << stage;
}

function takes<E>(
  { where, until }: PatternStage<E>,
  value: E,
  matched: Readonly<Record<string, readonly E[]>>,
): boolean {
  return where(value, matched) && until?.(value, matched) !== true;
}

function targetsAfter<E>(stages: readonly PatternStage<E>[], after: number): Target<E>[] {
  const targets: Target<E>[] = [];
  const notNext: PatternStage<E>[] = [];
  const notFollowedBy: PatternStage<E>[] = [];
  for (let stage = after + 1; stage <= stages.length; stage++) {
    const at = stages[stage];
    if (at?.kind === 'notNext') notNext.push(at);
    else if (at?.kind === 'notFollowedBy') notFollowedBy.push(at);
    else {
      targets.push({ stage, notNext: notNext.slice(), notFollowedBy: notFollowedBy.slice() });
      if (at?.isOptional !== true) break;
    }
  }
  return targets;
}

/** By first event, then pick by pick the earlier event and the earlier stage; of two of which one begins the other, that one. */
export function compareMatches(a: PartialMatch, b: PartialMatch): number {
  for (let at = 0; at < Math.min(a.picks.length, b.picks.length); at++) {
    const [eventA, stageA] = a.picks[at] as readonly [number, number];
    const [eventB, stageB] = b.picks[at] as readonly [number, number];
    if (eventA !== eventB) return eventA - eventB;
    if (stageA !== stageB) return stageA - stageB;
  }
  return a.picks.length - b.picks.length;
}

function insert<T>(list: T[], item: T, compare: (a: T, b: T) => number): void {
  const at = list.findIndex((other) => compare(item, other) < 0);
  list.splice(at < 0 ? list.length : at, 0, item);
}

function replace<T>(list: T[], by: readonly T[]): void {
  list.length = 0;
  for (const item of by) list.push(item);
}
