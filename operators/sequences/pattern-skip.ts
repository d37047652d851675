import { MillraceError } from '../../engine/index.ts';
import { isNegated, type PatternStage } from './pattern-builder.ts';
import { type PartialMatch, picksOf } from './pattern-partial.ts';

/**
 * Which matches are left out once one was found: none, those that share an event with it, or those that begin with
 * the same event.
 */
export type SkipStrategy = 'noSkip' | 'skipPastLast' | 'skipToNext';

/** To the first or the last event that a match has of a stage. */
export type SkipTo<N extends string> = { readonly toFirst: N } | { readonly toLast: N };

export type Skip = SkipStrategy | SkipTo<string>;

/** Which other matches may stay after those that were taken. */
export class Taken<E> {
  readonly #skip: Skip;
  readonly #stages: readonly PatternStage<E>[];
  /** The first event that a match may begin with. */
  #from = Number.NEGATIVE_INFINITY;
  readonly #starts = new Set<number>();

  constructor(skip: Skip, stages: readonly PatternStage<E>[]) {
    this.#skip = skip;
    this.#stages = stages;
  }

  add(match: PartialMatch): void {
    if (this.#skip === 'noSkip') return;
    if (this.#skip === 'skipToNext') this.#starts.add(match.first);
    else this.#from = Math.max(this.#from, targetOf(match, this.#skip, this.#stages));
  }

  leaves({ first }: PartialMatch): boolean {
    return first >= this.#from && !this.#starts.has(first);
  }
}

/** The first event that another match may begin with. */
function targetOf<E>(match: PartialMatch, skip: Skip, stages: readonly PatternStage<E>[]): number {
  if (typeof skip === 'string') return match.last.event + 1;
  const ofStage = picksOf(match).filter(({ stage }) => stages[stage]?.name === stageOf(skip));
  const target = 'toFirst' in skip ? ofStage.at(0) : ofStage.at(-1);
  return target?.event ?? Number.NEGATIVE_INFINITY;
}

function stageOf(skip: SkipTo<string>): string {
  return 'toFirst' in skip ? skip.toFirst : skip.toLast;
}

/** Throws `bad_pattern` if it names a stage that has no events. */
export function checkSkip<E>(skip: Skip, stages: readonly PatternStage<E>[]): void {
  if (typeof skip === 'string') return;
  const name = stageOf(skip);
  if (stages.some((stage) => stage.name === name && !isNegated(stage))) return;
  throw new MillraceError(
    'bad_pattern',
    `The pattern cannot be run: skip names "${name}", which is no stage that picks events.`,
  );
}

export function skipInWords(skip: Skip): string {
  if (typeof skip === 'string') return skip;
  return 'toFirst' in skip ? `skip to the first of ${skip.toFirst}` : `skip to the last of ${skip.toLast}`;
}
