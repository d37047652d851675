import { MillraceError } from '../engine/index.ts';

/** The events of a match so far by stage name, in order; empty for a stage that has none (yet). */
export type Matched<E, N extends string> = Readonly<Record<N, readonly E[]>>;

/** Whether an event fits a stage, given what the match has so far. Pure: it is asked again after a restart. */
export type Where<E, N extends string = never> = (event: E, matched: Matched<E, N>) => boolean;

export interface PatternStage<E> {
  readonly name: string;
  readonly where: (event: E, matched: Readonly<Record<string, readonly E[]>>) => boolean;
  readonly kind: 'next' | 'followedBy' | 'followedByAny' | 'notNext' | 'notFollowedBy';
  /** How many events, at least and at most. */
  readonly min: number;
  readonly max: number;
  readonly isOptional: boolean;
}

const MAX_STAGES = 30;

/**
 * A sequence of stages that the events of one key are searched for, in order of time: immutable, made with
 * `begin`. A match picks events for the stages from first to last. What may lie between a pick and the pick before it:
 * - `next`: nothing. - `followedBy`: nothing that fits the stage as well (the first that fits is taken).
 * - `followedByAny`: anything, so that each later event that fits gives a match of its own.
 * - `notNext(n)` before a stage: the event right after the pick before it does not fit n, whatever it is picked for.
 * - `notFollowedBy(n)` before a stage: nothing that fits n lies between the two picks.
 * A negation at the end holds until the end of `within`, which it needs.
 *
 * Quantifiers are of the stage just added. `times` and `oneOrMore` pick several events, each the first after the
 * one before that fits (`followedBy`); every count that is allowed gives a match. `optional`: also matches without
 * the stage, whether or not events fit it; negations before and after it then hold together.
 * The semantics follow Flink CEP; the names are its names.
 */
export class Pattern<E, N extends string> {
  readonly stages: readonly PatternStage<E>[];
  /** From the first event to the last, included; undefined: no limit. */
  readonly within_ms: number | undefined;

  private constructor(stages: readonly PatternStage<E>[], within_ms: number | undefined) {
    this.stages = stages;
    this.within_ms = within_ms;
  }

  static begin<E, N extends string>(name: N, where: Where<E>): Pattern<E, N> {
    return new Pattern<E, never>([], undefined).#add('followedBy', name, where);
  }

  next<M extends string>(name: M, where: Where<E, N>): Pattern<E, N | M> {
    return this.#add('next', name, where);
  }

  followedBy<M extends string>(name: M, where: Where<E, N>): Pattern<E, N | M> {
    return this.#add('followedBy', name, where);
  }

  followedByAny<M extends string>(name: M, where: Where<E, N>): Pattern<E, N | M> {
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

  oneOrMore(): Pattern<E, N> {
    return this.#quantify({ min: 1, max: Number.POSITIVE_INFINITY });
  }

  optional(): Pattern<E, N> {
    return this.#quantify({ isOptional: true });
  }

  within(within_ms: number): Pattern<E, N> {
    if (!Number.isSafeInteger(within_ms) || within_ms < 0)
      bad(`within ${within_ms} is no whole number of ms`);
    return new Pattern(this.stages, within_ms);
  }

  #add<M extends string>(kind: PatternStage<E>['kind'], name: string, where: Where<E, N>): Pattern<E, N | M> {
    if (this.stages.some((stage) => stage.name === name)) bad(`two stages are named "${name}"`);
    if (this.stages.length === MAX_STAGES) bad(`more than ${MAX_STAGES} stages`);
    const stage = { kind, name, where, min: 1, max: 1, isOptional: false };
    return new Pattern<E, N | M>([...this.stages, stage], this.within_ms);
  }

  #quantify(quantifier: Partial<PatternStage<E>>): Pattern<E, N> {
    const last = this.stages.at(-1);
    if (last === undefined || isNegated(last)) bad('a negation has no quantifier');
    return new Pattern<E, N>([...this.stages.slice(0, -1), { ...last, ...quantifier }], this.within_ms);
  }
}

/** The first stage of a pattern: `begin('order', (event: Order) => …)`. */
export function begin<E, N extends string>(name: N, where: Where<E>): Pattern<E, N> {
  return Pattern.begin(name, where);
}

export function isNegated<E>({ kind }: PatternStage<E>): boolean {
  return kind === 'notNext' || kind === 'notFollowedBy';
}

/** Throws `bad_pattern` for one that could never be decided. */
export function checkPattern<E, N extends string>({ stages, within_ms }: Pattern<E, N>): void {
  const last = stages.at(-1);
  if (last !== undefined && isNegated(last) && within_ms === undefined) {
    bad(`"${last.name}" at the end needs within(…): without it nobody can say that it did not come`);
  }
}

/** What rows of a pattern's state depend on: `order, followedBy paid 1..3 optional`. Conditions cannot be compared. */
export function patternInWords<E, N extends string>({ stages, within_ms }: Pattern<E, N>): string {
  const words = stages.map(({ kind, name, min, max, isOptional }) => {
    const count = min === 1 && max === 1 ? '' : ` ${min}..${max}`;
    return `${kind} ${name}${count}${isOptional ? ' optional' : ''}`;
  });
  return [...words, within_ms === undefined ? 'without limit' : `within ${within_ms} ms`].join(', ');
}

function bad(what: string): never {
  throw new MillraceError('bad_pattern', `The pattern cannot be run: ${what}.`);
}
