import type { PatternStage } from './pattern-builder.ts';
import type { PartialMatch } from './pattern-partial.ts';
import type { Skip } from './pattern-skip.ts';

/**
 * Drops what goes beyond the limit, and says how many that were. `partials` lie in the order of `compareUndecided`.
 * What the skip strategy would take stays: with `skipToNext` the first of each beginning; where a match keeps others
 * from beginning before something, those that began first; without a strategy all are wanted, and the oldest go.
 */
export function giveUp(partials: PartialMatch[], max: number, skip: Skip): number {
  const excess = partials.length - max;
  if (excess <= 0) return 0;
  if (skip === 'noSkip') partials.splice(0, excess);
  else if (skip === 'skipToNext') keepOfEachStart(partials, max);
  else partials.length = max;
  return excess;
}

/** So many of each beginning that the limit holds; where one is too many, those that began last. */
function keepOfEachStart(partials: PartialMatch[], max: number): void {
  const starts: number[] = [];
  let start: number | undefined;
  for (const { first } of partials) {
    if (first !== start) starts.push(0);
    start = first;
    starts[starts.length - 1] = (starts.at(-1) as number) + 1;
  }
  const keptBy = (most: number): number => starts.reduce((sum, size) => sum + Math.min(size, most), 0);
  let most = 1;
  while (keptBy(most + 1) <= max) most++;
  /** What is left over goes to those that began first. */
  let spare = max - keptBy(most);
  let kept = 0;
  let at = 0;
  for (const size of starts) {
    const mayHaveOneMore = spare > 0 && size > most;
    const take = Math.min(size, most + (mayHaveOneMore ? 1 : 0));
    if (mayHaveOneMore) spare--;
    for (let of = 0; of < take; of++) partials[kept++] = partials[at + of] as PartialMatch;
    at += size;
  }
  // More beginnings than the limit: the oldest go, as without a strategy.
  partials.length = kept;
  if (kept > max) partials.splice(0, kept - max);
}

/** What a pattern lets be known of matches without their events. */
export interface Foresight<E> {
  readonly skip: Skip;
  readonly stages: readonly PatternStage<E>[];
  /** No condition looks at what was matched. */
  readonly areBlind: boolean;
  /** `within`, or `withinPrevious` of a stage. */
  readonly hasLimit: boolean;
  readonly hasSteps: boolean;
}

/**
 * Drops matches that can never be taken: one that lies before them in `partials` is in the same state, so both would be
 * complete at the same moment, and the skip strategy would take that one and leave these. Nothing is lost by it.
 */
export function dropOutdone<E>(partials: PartialMatch[], foresight: Foresight<E>): void {
  const { skip, areBlind, hasLimit } = foresight;
  if (!areBlind || !(skip === 'skipPastLast' || skip === 'skipToNext')) return;
  // A match at its last event ends all that began before; where time or the next event decides, only those of its start.
  const isOfOneStart = skip === 'skipToNext' || hasLimit;
  let ahead: PartialMatch[] = [];
  let kept = 0;
  for (const match of partials) {
    if (isOfOneStart && ahead[0]?.first !== match.first) ahead = [];
    // What is neither complete nor part of a longer one is told when its time is over.
    const isSilent = !hasLimit || match.isExtended || match.isComplete;
    if (isSilent && ahead.some((other) => isSameState(other, match, foresight))) continue;
    ahead.push(match);
    partials[kept++] = match;
  }
  partials.length = kept;
}

function isSameState<E>(a: PartialMatch, b: PartialMatch, { stages, hasSteps }: Foresight<E>): boolean {
  if (a.last.stage !== b.last.stage || a.dead !== b.dead || a.isFresh !== b.isFresh) return false;
  if (hasSteps && a.last.event !== b.last.event) return false;
  const { min, max } = stages[a.last.stage] as PatternStage<E>;
  if (a.count === b.count) return true;
  return max === Number.POSITIVE_INFINITY && a.count >= min && b.count >= min;
}
