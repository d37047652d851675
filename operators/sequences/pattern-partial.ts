/** An event picked for a stage, and what was picked before it. Partial matches share their beginnings. */
export interface Pick {
  /** By its number in the key's order. */
  readonly event: number;
  readonly stage: number;
  before: Pick | undefined;
}

/** A match that is not decided yet. Plain data: it is part of the state. */
export interface PartialMatch {
  readonly start_ms: number;
  /** The first event picked. */
  readonly first: number;
  readonly last: Pick;
  /** How many picks it has: of those before `last`, what is beyond belongs to matches that began earlier. */
  readonly length: number;
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

/** From the first to the last. */
export function picksOf({ last, length }: PartialMatch): Pick[] {
  const picks = new Array<Pick>(length);
  let pick: Pick | undefined = last;
  for (let at = length - 1; at >= 0 && pick !== undefined; at--) {
    picks[at] = pick;
    pick = pick.before;
  }
  return picks;
}

/**
 * By first event, then pick by pick the earlier event and the earlier stage; of two of which one begins the other,
 * that one. They are followed backwards, up to where they are the same.
 */
export function compareMatches(a: PartialMatch, b: PartialMatch): number {
  return comparePicks(a, b) || a.length - b.length;
}

/**
 * As they will be once they are complete: of two of which one begins the other the longer one, since what the other
 * will pick next is later.
 */
export function compareUndecided(a: PartialMatch, b: PartialMatch): number {
  return comparePicks(a, b) || b.length - a.length;
}

/** 0 where one begins the other. */
function comparePicks(a: PartialMatch, b: PartialMatch): number {
  if (a.first !== b.first) return a.first - b.first;
  let left: Pick | undefined = a.last;
  let right: Pick | undefined = b.last;
  let at = Math.min(a.length, b.length);
  for (let more = a.length - at; more > 0; more--) left = left?.before;
  for (let more = b.length - at; more > 0; more--) right = right?.before;
  let order = 0;
  for (; at > 0 && left !== undefined && right !== undefined && left !== right; at--) {
    order = left.event - right.event || left.stage - right.stage || order;
    left = left.before;
    right = right.before;
  }
  return order;
}

/** The picks that partial matches have, each with how many of those up to it are needed at most. */
export function neededPicks(partials: readonly PartialMatch[]): ReadonlyMap<Pick, number> {
  const needed = new Map<Pick, number>();
  // The longest first: the others mostly end where they meet it.
  for (const { last, length } of partials.toSorted((a, b) => b.length - a.length)) {
    let need = length;
    for (let pick: Pick | undefined = last; pick !== undefined && need > 0; pick = pick.before) {
      if ((needed.get(pick) ?? 0) >= need) break;
      needed.set(pick, need--);
    }
  }
  return needed;
}
