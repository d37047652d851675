import type { FunnelEvent, FunnelRules } from './funnel-definition.ts';
import { Matching } from './funnel-matching.ts';

/**
 * Finds the attempt of an entry: the events that fill the steps, as indexes of the sorted events. From group
 * to group of tied events the earliest choice is the furthest one too (an exchange argument: whatever
 * follows a later choice also follows the earlier one); inside a group it is a matching of steps and events.
 */
export class AttemptFinder {
  readonly #events: readonly FunnelEvent[];
  readonly #rules: FunnelRules;
  /** By held values, by step: the events that fill it, in order. */
  readonly #filling: ReadonlyMap<string, readonly (readonly number[])[]>;
  readonly #stepNumbers: readonly number[];

  constructor(events: readonly FunnelEvent[], rules: FunnelRules) {
    this.#events = events;
    this.#rules = rules;
    const filling = new Map<string, number[][]>();
    for (let index = 0; index < events.length; index++) {
      const { steps, hold } = events[index] as FunnelEvent;
      if (steps === 0) continue;
      let lists = filling.get(hold);
      if (lists === undefined) {
        lists = [];
        for (let step = 0; step < rules.steps; step++) lists.push([]);
        filling.set(hold, lists);
      }
      for (let step = 0; step < rules.steps; step++) {
        if (fills(steps, step)) (lists[step] as number[]).push(index);
      }
    }
    this.#filling = filling;
    const stepNumbers: number[] = [];
    for (let step = 0; step < rules.steps; step++) stepNumbers.push(step);
    this.#stepNumbers = stepNumbers;
  }

  from(entry: number): readonly number[] {
    switch (this.#rules.order) {
      case 'ordered':
        return this.#ordered(entry);
      case 'strict':
        return this.#strict(entry);
      case 'any':
        return this.#any(entry);
    }
  }

  #ordered(entry: number): readonly number[] {
    const { steps, window_ms, ties } = this.#rules;
    const { time_ms: entry_ms, hold } = this.#event(entry);
    const lists = this.#lists(hold);
    const picks = [entry];
    if (ties === 'convert') picks.push(...this.#fill(this.#heldGroup(entry_ms, hold, entry), 1));
    let now_ms = entry_ms;
    while (picks.length < steps) {
      const list = lists[picks.length] as readonly number[];
      const next = list[this.#firstAt(list, now_ms + 1)];
      if (next === undefined) break;
      now_ms = this.#event(next).time_ms;
      if (now_ms > entry_ms + window_ms) break;
      if (ties === 'strict_increase') picks.push(next);
      else picks.push(...this.#fill(this.#heldGroup(now_ms, hold, -1), picks.length));
    }
    return picks;
  }

  #strict(entry: number): readonly number[] {
    const { time_ms, hold } = this.#event(entry);
    const group = this.#group(time_ms).filter((index) => index !== entry);
    const tied = this.#rules.ties === 'convert' ? this.#fill(this.#held(group, hold), 1).length : 0;
    let best: readonly number[] = [];
    // What stands beside the entry may as well have come before it: each number of steps filled there is tried.
    for (let more = 0; more <= tied; more++) {
      const picks = this.#strictOn([entry, ...this.#fill(this.#held(group, hold), 1, more)], hold);
      const isBetter = picks.length - best.length || comparePicks(best, picks, this.#events);
      if (isBetter > 0) best = picks;
    }
    return best;
  }

  /** Goes on after the entry's group, group by group, as long as each is used up. */
  #strictOn(picks: number[], hold: string): readonly number[] {
    const { steps, window_ms, ties } = this.#rules;
    const { time_ms: entry_ms } = this.#event(picks[0] as number);
    const max = ties === 'convert' ? steps : 1;
    let at = this.#firstFrom(entry_ms + 1);
    while (picks.length < steps) {
      const next = this.#events[at];
      if (next === undefined || next.time_ms > entry_ms + window_ms) break;
      const group = this.#group(next.time_ms);
      const filled = this.#fill(this.#held(group, hold), picks.length, max);
      picks.push(...filled);
      if (filled.length < group.length) break;
      at += group.length;
    }
    return picks;
  }

  #any(entry: number): readonly number[] {
    const { steps, window_ms, ties } = this.#rules;
    const { time_ms: entry_ms, hold } = this.#event(entry);
    const isStrict = ties === 'strict_increase';
    // Of each step the first few at different places are enough: there are no more to give than there are steps.
    const candidates = new Set<number>();
    for (const list of this.#lists(hold)) {
      let at = this.#firstAt(list, isStrict ? entry_ms + 1 : entry_ms);
      for (let taken = 0; taken <= steps; taken++) {
        const index = list[at];
        if (index === undefined || this.#event(index).time_ms > entry_ms + window_ms) break;
        if (index !== entry) candidates.add(index);
        at = isStrict ? this.#firstAt(list, this.#event(index).time_ms + 1) : at + 1;
      }
    }
    const sorted = [...candidates].sort((a, b) => a - b);
    const places = [[entry], ...(isStrict ? this.#byTime(sorted) : sorted.map((index) => [index]))];
    const matching = this.#matchingOf(places);
    const used = places.filter((_, place) => matching.add(place));
    return this.#firstOfEach(used);
  }

  /** Of each place (events of equal time) the first event with which all places still fill different steps. */
  #firstOfEach(places: readonly (readonly number[])[]): number[] {
    const chosen = places.slice();
    for (const [at, place] of places.entries()) {
      const pick = place.find((index) => {
        chosen[at] = [index];
        return this.#canAllFill(chosen);
      });
      chosen[at] = [pick as number];
    }
    return chosen.flat();
  }

  #canAllFill(places: readonly (readonly number[])[]): boolean {
    const matching = this.#matchingOf(places);
    return places.every((_, place) => matching.add(place));
  }

  /** Of places and steps. */
  #matchingOf(places: readonly (readonly number[])[]): Matching {
    return new Matching((place) =>
      this.#stepNumbers.filter((step) =>
        places[place]?.some((index) => fills(this.#event(index).steps, step)),
      ),
    );
  }

  #byTime(indexes: readonly number[]): number[][] {
    const groups: number[][] = [];
    for (const index of indexes) {
      const last = groups.at(-1);
      const isTied =
        last !== undefined && this.#event(last[0] as number).time_ms === this.#event(index).time_ms;
      if (isTied) last.push(index);
      else groups.push([index]);
    }
    return groups;
  }

  /**
   * Fills as many of the steps `step`, `step + 1`, … as it can (at most `max`) with different events of a
   * group; of the ways to do it the one with the first events, step by step.
   */
  #fill(group: readonly number[], step: number, max = this.#rules.steps): number[] {
    const end = Math.min(this.#rules.steps, step + max);
    const [only] = group;
    if (only !== undefined && group.length === 1) {
      return step < end && fills(this.#event(only).steps, step) ? [only] : [];
    }
    const reached = step + this.#fillable(group, step, end);
    const picks: number[] = [];
    let left = group;
    for (let at = step; at < reached; at++) {
      const pick = left.find(
        (index) =>
          fills(this.#event(index).steps, at) &&
          this.#fillable(without(left, index), at + 1, reached) === reached - at - 1,
      );
      picks.push(pick as number);
      left = without(left, pick as number);
    }
    return picks;
  }

  #fillable(group: readonly number[], step: number, end: number): number {
    if (step >= end || group.length === 0) return 0;
    const matching = new Matching((at) => group.filter((index) => fills(this.#event(index).steps, at)));
    let at = step;
    while (at < end && matching.add(at)) at++;
    return at - step;
  }

  #event(index: number): FunnelEvent {
    return this.#events[index] as FunnelEvent;
  }

  #lists(hold: string): readonly (readonly number[])[] {
    return this.#filling.get(hold) as readonly (readonly number[])[];
  }

  #held(group: readonly number[], hold: string): number[] {
    return group.filter((index) => this.#event(index).hold === hold);
  }

  /** The tied events that fill a step and have these held values. */
  #heldGroup(time_ms: number, hold: string, without_index: number): number[] {
    return this.#group(time_ms).filter((index) => {
      const event = this.#event(index);
      return event.steps !== 0 && event.hold === hold && index !== without_index;
    });
  }

  #group(time_ms: number): number[] {
    const group: number[] = [];
    for (let index = this.#firstFrom(time_ms); this.#events[index]?.time_ms === time_ms; index++) {
      group.push(index);
    }
    return group;
  }

  /** The first event at or after a time. */
  #firstFrom(time_ms: number): number {
    return lowerBound(this.#events.length, (at) => this.#event(at).time_ms >= time_ms);
  }

  /** The first place of a list of events whose event is at or after a time. */
  #firstAt(list: readonly number[], time_ms: number): number {
    return lowerBound(list.length, (at) => this.#event(list[at] as number).time_ms >= time_ms);
  }
}

/** Of attempts that reach as far: step by step the earlier time, then step by step the smaller id. */
export function comparePicks(
  a: readonly number[],
  b: readonly number[],
  events: readonly FunnelEvent[],
): number {
  const timeOf = (index: number | undefined): number => (events[index as number] as FunnelEvent).time_ms;
  for (let step = 0; step < a.length; step++) {
    const earlier = timeOf(a[step]) - timeOf(b[step]);
    if (earlier !== 0) return earlier;
  }
  for (let step = 0; step < a.length; step++) {
    const smaller = (a[step] as number) - (b[step] as number);
    if (smaller !== 0) return smaller;
  }
  return 0;
}

function fills(steps: number, step: number): boolean {
  return ((steps >>> step) & 1) === 1;
}

function without(indexes: readonly number[], index: number): number[] {
  return indexes.filter((other) => other !== index);
}

/** The first place where `holds`, which stays true once it is; `length` without one. */
function lowerBound(length: number, holds: (at: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
