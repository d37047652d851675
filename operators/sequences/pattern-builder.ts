import { MillraceError } from '../../engine/index.ts';

/** The events of a match so far by stage name, in order; empty for a stage that has none (yet). */
export type Matched<E, N extends string> = Readonly<Record<N, readonly E[]>>;

/** Whether an event fits a stage, given what the match has so far. Pure: it is asked again after a restart. */
export type Where<E, N extends string = never> = (event: E, matched: Matched<E, N>) => boolean;

/** What may lie between two picks: nothing, what does not fit, or anything. */
export type Contiguity = 'next' | 'followedBy' | 'followedByAny';

type Condition<E> = (event: E, matched: Readonly<Record<string, readonly E[]>>) => boolean;

export interface PatternStage<E> {
  readonly name: string;
  readonly where: Condition<E>;
  readonly kind: Contiguity | 'notNext' | 'notFollowedBy';
  /** How many events, at least and at most. */
  readonly min: number;
  readonly max: number;
  readonly isOptional: boolean;
  /** Between the events of the stage. */
  readonly loop: Contiguity;
  readonly isGreedy: boolean;
  /** The stage takes nothing from the first event on that fits this. */
  readonly until?: Condition<E>;
  /** After the pick before, included. */
  readonly withinPrevious_ms?: number;
}

const MAX_STAGES = 30;

/**
 * A sequence of stages that the events of one key are searched for, in order of time: immutable, made with
 * `begin`. A match picks events for the stages from first to last. What may lie between a pick and the pick before it:
 * - `next`: nothing. - `followedBy`: nothing that fits the stage as well (the first that fits is taken).
 * - `followedByAny`: anything, so that each later event that fits gives a match of its own.
 * - `notNext(n)` before a stage: the event right after the pick before it does not fit n, whatever it is picked for.
 * - `notFollowedBy(n)` before a stage: nothing that fits n lies between the two picks.
 * A negation at the end holds until the end of `within`, which it needs; `notFollowedBy` may have `withinPrevious` instead.
 *
 * Quantifiers are of the stage just added. `times`, `timesOrMore` and `oneOrMore` pick several events, each the first
 * after the one before that fits (`followedBy`); `consecutive`: the event right after it (`next`);
 * `allowCombinations`: any that fits (`followedByAny`). Every count that is allowed gives a match. `greedy`: an event that
 * the stage can take is taken by it, never left to a later stage nor passed over, so only the largest count goes
 * on to the next stage. (At the end of a pattern it changes nothing: a match is given as soon as it is one.) `until`: from
 * an event on that fits it, the stage takes no more, that event included. `optional`: also matches without
 * the stage, whether or not events fit it (with `greedy`: only where none does); negations before and after it
 * then hold together.
 *
 * The semantics follow Flink CEP; the names are its names. Different: bounds of time are included, and there are no
 * groups of stages.
 */
export class Pattern<E, N extends string> {
  readonly stages: readonly PatternStage<E>[];
  /** From the first event to the last, included; undefined: no limit. */
  readonly within_ms: number | undefined;

  private constructor(stages: readonly PatternStage<E>[], within_ms: number | undefined) {
    this.stages = stages;
    this.within_ms = within_ms;
  }

  static begin<E, N extends string>(name: N, where: Where<E, NoInfer<N>>): Pattern<E, N> {
    return new Pattern<E, never>([], undefined).#add('followedBy', name, where);
  }

  next<M extends string>(name: M, where: Where<E, N | NoInfer<M>>): Pattern<E, N | M> {
    return this.#add('next', name, where);
  }

  followedBy<M extends string>(name: M, where: Where<E, N | NoInfer<M>>): Pattern<E, N | M> {
    return this.#add('followedBy', name, where);
  }

  followedByAny<M extends string>(name: M, where: Where<E, N | NoInfer<M>>): Pattern<E, N | M> {
    return this.#add('followedByAny', name, where);
  }

  notNext(name: string, where: Where<E, N>): Pattern<E, N> {
    return this.#add('notNext', name, where);
  }

  notFollowedBy(name: string, where: Where<E, N>): Pattern<E, N> {
    return this.#add('notFollowedBy', name, where);
  }

  /** Exactly `min` events, or from `min` to `max`. */
  times(min: number, max = min): Pattern<E, N> {
    if (!Number.isInteger(min) || min < 1 || max < min || !(Number.isInteger(max) || max === Infinity)) {
      bad(`${min} to ${max} times`);
    }
    return this.#quantify({ min, max });
  }

  timesOrMore(min: number): Pattern<E, N> {
    return this.times(min, Number.POSITIVE_INFINITY);
  }

  oneOrMore(): Pattern<E, N> {
    return this.times(1, Number.POSITIVE_INFINITY);
  }

  consecutive(): Pattern<E, N> {
    return this.#quantify({ loop: 'next' }, 'consecutive');
  }

  allowCombinations(): Pattern<E, N> {
    return this.#quantify({ loop: 'followedByAny' }, 'allowCombinations');
  }

  greedy(): Pattern<E, N> {
    return this.#quantify({ isGreedy: true }, 'greedy');
  }

  until(where: Where<E, N>): Pattern<E, N> {
    if (this.stages.at(-1)?.max !== Number.POSITIVE_INFINITY) bad('until is of oneOrMore or timesOrMore');
    return this.#quantify({ until: where }, 'until');
  }

  optional(): Pattern<E, N> {
    return this.#quantify({ isOptional: true });
  }

  /** From the first event to the last. */
  within(within_ms: number): Pattern<E, N> {
    checkLimit('within', within_ms);
    return new Pattern(this.stages, within_ms);
  }

  /**
   * Of the stage just added: from the event picked before to each of its events. Of a `notFollowedBy` at the end: how long
   * after the last event nothing that fits it may come.
   */
  withinPrevious(within_ms: number): Pattern<E, N> {
    checkLimit('withinPrevious', within_ms);
    return this.#change({ withinPrevious_ms: within_ms });
  }

  #add<M extends string>(
    kind: PatternStage<E>['kind'],
    name: string,
    where: Where<E, N | NoInfer<M>>,
  ): Pattern<E, N | M> {
    if (this.stages.some((stage) => stage.name === name)) bad(`two stages are named "${name}"`);
    if (this.stages.length === MAX_STAGES) bad(`more than ${MAX_STAGES} stages`);
    const stage: PatternStage<E> = {
      kind,
      name,
      where,
      min: 1,
      max: 1,
      isOptional: false,
      loop: 'followedBy',
      isGreedy: false,
    };
    return new Pattern<E, N | M>([...this.stages, stage], this.within_ms);
  }

  /** `ofSeveral`: the name of a quantifier for stages that take several events. */
  #quantify(quantifier: Partial<PatternStage<E>>, ofSeveral?: string): Pattern<E, N> {
    const last = this.stages.at(-1);
    if (last === undefined || isNegated(last)) bad('a negation has no quantifier');
    if (ofSeveral !== undefined && last.max === 1) bad(`${ofSeveral} is of times, timesOrMore or oneOrMore`);
    const { isGreedy, loop } = { ...last, ...quantifier };
    if (isGreedy && loop === 'followedByAny') bad('greedy and allowCombinations contradict each other');
    return this.#change(quantifier);
  }

  #change(change: Partial<PatternStage<E>>): Pattern<E, N> {
    const last = this.stages.at(-1) as PatternStage<E>;
    return new Pattern<E, N>([...this.stages.slice(0, -1), { ...last, ...change }], this.within_ms);
  }
}

function checkLimit(name: string, within_ms: number): void {
  if (!Number.isSafeInteger(within_ms) || within_ms < 0) bad(`${name} ${within_ms} is no whole number of ms`);
}

/** The first stage of a pattern: `begin('order', (event: Order) => …)`. */
export function begin<E, N extends string>(name: N, where: Where<E, NoInfer<N>>): Pattern<E, N> {
  return Pattern.begin(name, where);
}

export function isNegated<E>({ kind }: PatternStage<E>): boolean {
  return kind === 'notNext' || kind === 'notFollowedBy';
}

/** Throws `bad_pattern` for one that could never be decided. */
export function checkPattern<E, N extends string>({ stages, within_ms }: Pattern<E, N>): void {
  const afterLast = stages.findLastIndex((stage) => !isNegated(stage)) + 1;
  for (const [index, { name, kind, max, withinPrevious_ms }] of stages.entries()) {
    if (withinPrevious_ms === undefined) continue;
    const isLate = kind === 'notFollowedBy' && index >= afterLast;
    if (kind === 'notNext' || (kind === 'notFollowedBy' && !isLate)) {
      bad(`"${name}" has withinPrevious, which of negations only a notFollowedBy at the end can have`);
    }
    if (index === 0 && max === 1) bad(`"${name}" has withinPrevious, and nothing comes before it`);
  }
  const atEnd = stages.slice(afterLast);
  const lasting = atEnd.filter(({ kind }) => kind === 'notFollowedBy');
  const open =
    lasting.length === 0
      ? atEnd[0]
      : lasting.find(({ withinPrevious_ms }) => withinPrevious_ms === undefined);
  if (open !== undefined && within_ms === undefined) {
    bad(`"${open.name}" at the end needs within(…): without it nobody can say that it did not come`);
  }
}

/** What rows of a pattern's state depend on: `order, followedBy paid 1..3 optional`. Conditions cannot be compared. */
export function patternInWords<E, N extends string>({ stages, within_ms }: Pattern<E, N>): string {
  const words = stages.map(stageInWords);
  return [...words, within_ms === undefined ? 'without limit' : `within ${within_ms} ms`].join(', ');
}

function stageInWords<E>(stage: PatternStage<E>): string {
  const { kind, name, min, max, loop, isGreedy, isOptional, until, withinPrevious_ms } = stage;
  return [
    `${kind} ${name}`,
    ...(min === 1 && max === 1 ? [] : [`${min}..${max}`]),
    ...(loop === 'followedBy' ? [] : [loop === 'next' ? 'consecutive' : 'allowCombinations']),
    ...(isGreedy ? ['greedy'] : []),
    ...(until === undefined ? [] : ['until']),
    ...(isOptional ? ['optional'] : []),
    ...(withinPrevious_ms === undefined ? [] : [`within ${withinPrevious_ms} ms of the one before`]),
  ].join(' ');
}

function bad(what: string): never {
  throw new MillraceError('bad_pattern', `The pattern cannot be run: ${what}.`);
}
