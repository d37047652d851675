import { MillraceError } from '../../engine/index.ts';
import { isNegated, type PatternStage } from './pattern-builder.ts';
import type { PartialMatch } from './pattern-nfa.ts';

export type SkipStrategy = 'noSkip' | 'skipPastLast' | 'skipToNext';

/** To the first or the last event that a match has of a stage. */
export type SkipTo<N extends string> = { readonly toFirst: N } | { readonly toLast: N };

export type Skip = SkipStrategy | SkipTo<string>;

/** Whether another match may stay after one that was taken. */
export function staysAfter<E>(
  match: PartialMatch,
  skip: Skip,
  stages: readonly PatternStage<E>[],
): (other: PartialMatch) => boolean {
  if (skip === 'noSkip') return () => true;
  const start = startOf(match);
  if (skip === 'skipToNext') return (other) => startOf(other) !== start;
  const from = targetOf(match, skip, stages);
  return (other) => startOf(other) >= from;
}

/** The first event that another match may begin with. */
function targetOf<E>({ picks }: PartialMatch, skip: Skip, stages: readonly PatternStage<E>[]): number {
  if (typeof skip === 'string') return (picks.at(-1)?.[0] as number) + 1;
  const ofStage = picks.filter(([, stage]) => stages[stage]?.name === stageOf(skip));
  const target = 'toFirst' in skip ? ofStage.at(0) : ofStage.at(-1);
  return target?.[0] ?? Number.NEGATIVE_INFINITY;
}

function startOf({ picks }: PartialMatch): number {
  return picks[0]?.[0] as number;
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
