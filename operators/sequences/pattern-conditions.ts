import { MillraceError } from '../../engine/index.ts';
import { isNegated, type PatternStage } from './pattern-builder.ts';
import { type PartialMatch, picksOf } from './pattern-partial.ts';

type ByStage<E> = Readonly<Record<string, readonly E[]>>;

const UNKNOWN = -1;

/**
 * Asks the conditions of a pattern. What a match has by stage is put together only when a condition looks at it;
 * one that does not look says the same for every match, so it is asked once for each event.
 */
export class PatternConditions<E> {
  /** No condition takes what was matched: matches in the same state have the same future. */
  readonly areBlind: boolean;
  readonly #stages: readonly PatternStage<E>[];
  readonly #eventOf: (event: number) => E;
  /** Of matches that a condition has looked at. */
  readonly #seen = new WeakMap<PartialMatch, Record<string, E[]>>();
  readonly #nothing: ByStage<E>;
  /** Handed to conditions: what it says is that of the match at hand. */
  readonly #view: ByStage<E>;
  /** By stage: what is known to hold for every match. */
  readonly #fits: Int8Array;
  readonly #ends: Int8Array;
  #match: PartialMatch | undefined;
  #isSeen = false;
  #value: E | undefined;

  constructor(stages: readonly PatternStage<E>[], eventOf: (event: number) => E) {
    this.#stages = stages;
    this.#eventOf = eventOf;
    this.areBlind = stages.every(({ where, until }) => where.length < 2 && (until?.length ?? 0) < 2);
    this.#fits = new Int8Array(stages.length);
    this.#ends = new Int8Array(stages.length);
    this.#nothing = this.#byStage(undefined);
    const view = {};
    for (const name of Object.keys(this.#nothing)) {
      Object.defineProperty(view, name, { enumerable: true, get: () => this.#look()[name] });
    }
    this.#view = view;
  }

  /** The event that the conditions are asked of from here on. */
  about(value: E): void {
    this.#value = value;
    this.#fits.fill(UNKNOWN);
    this.#ends.fill(UNKNOWN);
  }

  /** Whether the event fits a stage of a match, or of none yet. */
  fits(stage: number, match: PartialMatch | undefined): boolean {
    const known = this.#fits[stage];
    if (known !== UNKNOWN) return known === 1;
    const { where } = this.#stages[stage] as PatternStage<E>;
    return this.#ask(this.#fits, stage, where, match);
  }

  /** Whether the stage takes nothing more from the event on. */
  ends(stage: number, match: PartialMatch | undefined): boolean {
    const known = this.#ends[stage];
    if (known !== UNKNOWN) return known === 1;
    const { until } = this.#stages[stage] as PatternStage<E>;
    return until !== undefined && this.#ask(this.#ends, stage, until, match);
  }

  takes(stage: number, match: PartialMatch | undefined): boolean {
    return this.fits(stage, match) && !this.ends(stage, match);
  }

  /** The events of a match by stage; negations have no entry. */
  eventsOf(match: PartialMatch): ByStage<E> {
    return this.#byStage(match);
  }

  /** What a match had goes to the one that was made of it and takes its place: a long one is not put together anew. */
  inherit(match: PartialMatch, longer: PartialMatch): void {
    const events = this.areBlind ? undefined : this.#seen.get(match);
    const stage = this.#stages[longer.last.stage];
    if (events === undefined || stage === undefined) return;
    this.#seen.delete(match);
    events[stage.name]?.push(this.#eventOf(longer.last.event));
    this.#seen.set(longer, events);
  }

  #ask(
    answers: Int8Array,
    stage: number,
    condition: PatternStage<E>['where'],
    match: PartialMatch | undefined,
  ): boolean {
    this.#match = match;
    this.#isSeen = false;
    // What a condition throws is of the event: the next one is asked anew.
    const answer = condition(this.#value as E, this.#view);
    if (!this.#isSeen) answers[stage] = answer ? 1 : 0;
    else if (this.areBlind) throw this.#hidden(stage);
    return answer;
  }

  #look(): ByStage<E> {
    this.#isSeen = true;
    if (this.#match === undefined) return this.#nothing;
    let events = this.#seen.get(this.#match);
    if (events === undefined) {
      events = this.#byStage(this.#match);
      this.#seen.set(this.#match, events);
    }
    return events;
  }

  #byStage(match: PartialMatch | undefined): Record<string, E[]> {
    const byName: Record<string, E[]> = {};
    const events: (E[] | undefined)[] = [];
    for (const [index, stage] of this.#stages.entries()) {
      if (isNegated(stage)) continue;
      const list: E[] = [];
      byName[stage.name] = list;
      events[index] = list;
    }
    if (match === undefined) return byName;
    for (const { event, stage } of picksOf(match)) events[stage]?.push(this.#eventOf(event));
    return byName;
  }

  #hidden(stage: number): MillraceError {
    const { name } = this.#stages[stage] as PatternStage<E>;
    return new MillraceError(
      'bad_pattern',
      `The condition of "${name}" looks at what was matched, and does not say so: give it two parameters, ` +
        'the second without a default.',
    );
  }
}
