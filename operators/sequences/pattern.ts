import {
  type Codec,
  type Counter,
  defineOperator,
  MillraceError,
  mapTable,
  type OperatorContext,
  type OperatorDoc,
  refuseAsync,
  stringKey,
  trustedJsonCodec,
} from '../../engine/index.ts';
import { checkedKey } from '../core/index.ts';
import { checkPattern, type Matched, type Pattern, patternInWords } from './pattern-builder.ts';
import { giveUp } from './pattern-given-up.ts';
import { type Outcome, PatternNfa } from './pattern-nfa.ts';
import {
  bufferEvent,
  dropUnpicked,
  logicalPatternRow,
  newPatternRow,
  type PatternRow,
  patternRowCodec,
  readFormerPatternRow,
} from './pattern-row.ts';
import { checkSkip, type Skip, type SkipStrategy, type SkipTo, skipInWords } from './pattern-skip.ts';
import { Sequences } from './sequence.ts';

/**
 * A match: whose, from the time of its first event to that of its last (both included, ms), and its events by the
 * names of the pattern.
 */
export interface PatternMatch<E, N extends string> {
  readonly key: string;
  /** Of the first and of the last event picked. */
  readonly start_ms: number;
  readonly end_ms: number;
  /** By stage, in order; empty for an optional stage without events. */
  readonly events: Matched<E, N>;
}

/** Configuration of `pattern`. */
export interface PatternConfig<E, N extends string> {
  readonly pattern: Pattern<E, N>;
  /** Patterns are searched for among the events of one key; '' for an event that belongs to none. */
  readonly keyOf: (event: E) => string;
  /** Event time, whole ms since the epoch. */
  readonly timeOf: (event: E) => number;
  /** Orders tied events; by default their JSON. */
  readonly idOf?: (event: E) => string;
  /**
   * What becomes of other matches after one. Matches are taken as they are decided, those of one moment by their first event.
   * `noSkip` (default): nothing. `skipToNext`: no other match begins with the same event. `skipPastLast`: none begins
   * at or before the last event of this one, so no two matches overlap. `{ toFirst: stage }`, `{ toLast: stage }`: none
   * begins before the first or the last event that this one has of the stage; of one without such an event: nothing.
   * (Flink holds a match back while one that began earlier is undecided; here none waits.)
   */
  readonly skip?: SkipStrategy | SkipTo<N>;
  /**
   * Undecided matches of one key, at most; by default 1,000. What goes beyond it is given up: the oldest without `skip`,
   * which wants all; with it those that the skip would take last. So `skipPastLast` keeps those that began first.
   */
  readonly max_partial_matches?: number;
  /** Events of one key that wait for the watermark, at most; by default 10,000. */
  readonly max_buffered_events?: number;
  readonly codec?: Codec<E>;
  /** Keys kept in memory, in rows. */
  readonly cacheRows?: number;
}

type PatternSides<E, N extends string> = {
  /** Partial matches whose time ran out and that were neither complete nor part of a longer one. */
  readonly timeout: PatternMatch<E, N>;
  /** Events that came after the watermark had passed them. */
  readonly late: E;
  /** Events beyond `max_buffered_events`. */
  readonly overflow: E;
};

const DEFAULT_MAX_PARTIAL_MATCHES = 1_000;
const DEFAULT_MAX_BUFFERED_EVENTS = 10_000;
/** Of a key, in a notice. */
const MAX_TOLD_CHARS = 200;
/** A table has one scope: the keys are the rows'. */
const SCOPE = '';

/**
 * Finds sequences of events (complex event processing): see `Pattern` for what a pattern says. Events wait, by key,
 * until the watermark has passed them and are then evaluated in order of time, ties by id, so the matches and
 * their order (by the time they were decided, then key) do not depend on the order of arrival.
 *
 * State: a row and a timer for each key that has waiting events or undecided matches; with `within` (or `withinPrevious`
 * of each stage) it goes when their time is over. A pattern without keeps partial matches until `max_partial_matches`.
 */
export function pattern<E, N extends string>(name: string, config: PatternConfig<E, N>) {
  // Of its stages, which are the values of a class.
  refuseAsync([...config.pattern.stages], `pattern "${name}"`);
  return make<E, N>()(name, config);
}

export const patternDoc: OperatorDoc = {
  kind: 'pattern',
  summary: 'Sequences of events by key: strict and relaxed contiguity, negations, quantifiers, a time limit',
};

function tablesOf<E, N extends string>({ codec, cacheRows }: PatternConfig<E, N>) {
  const events = codec ?? trustedJsonCodec<E>();
  return {
    keys: mapTable<string, PatternRow<E>>({
      changesInPlace: true,
      key: stringKey,
      value: patternRowCodec(events),
      version: 2,
      migrate: (bytes) => readFormerPatternRow(bytes, events),
      logical: logicalPatternRow,
      ...(cacheRows === undefined ? {} : { cacheRows }),
    }),
  };
}

type Tables<E, N extends string> = ReturnType<typeof tablesOf<E, N>>;
type Context<E, N extends string> = OperatorContext<
  PatternConfig<E, N>,
  Tables<E, N>,
  PatternMatch<E, N>,
  PatternSides<E, N>
>;

const make = <E, N extends string>() =>
  defineOperator<E, PatternMatch<E, N>, PatternConfig<E, N>, Tables<E, N>, PatternSides<E, N>>({
    kind: patternDoc.kind,
    summary: patternDoc.summary,
    needsWatermark: () => true,
    state: tablesOf,
    sides: ['timeout', 'late', 'overflow'],
    namesResults: true,
    definition: ({ pattern: sought, skip = 'noSkip' }) => ({
      pattern: patternInWords(sought),
      skip: skipInWords(skip),
    }),
    retractions: () => 'refuses',
    start: (context) => new Matcher(context),
  });

interface Found<E, N extends string> {
  readonly match: PatternMatch<E, N>;
  readonly at_ms: number;
  readonly kind: Outcome['kind'];
}

/** All that a key finds at one moment comes out in one push. */
const nameOf = ({ match: { key, start_ms, end_ms }, at_ms }: Found<unknown, string>): string =>
  `${start_ms} ${end_ms} ${at_ms} ${key}`;

/** An event that waits for the watermark. */
interface Waiting {
  readonly time_ms: number;
}

class Matcher<E, N extends string> extends Sequences<E, Waiting, PatternRow<E>> {
  readonly #context: Context<E, N>;
  readonly #nfa: PatternNfa<E>;
  readonly #skip: Skip;
  readonly #maxPartials: number;
  readonly #maxBuffered: number;
  readonly #overflowed: Counter;
  readonly #givenUp: Counter;
  #overflow: E[] = [];
  /** Events by number of the key at work. */
  #picked: ReadonlyMap<number, E> = new Map();

  constructor(context: Context<E, N>) {
    const { name, config, state, timers, metrics, initialWatermark_ms } = context;
    const { pattern: sought, skip = 'noSkip', timeOf } = config;
    checkPattern(sought);
    checkSkip(skip, sought.stages);
    super({
      name,
      kind: patternDoc.kind,
      keyOf: config.keyOf,
      lateness_ms: 0,
      rows: state.keys.scope(SCOPE),
      timers,
      metrics,
      initialWatermark_ms,
      late: (events) => context.emitTo('late', events),
    });
    this.#context = context;
    this.#skip = skip;
    this.#nfa = new PatternNfa<E>(sought, skip, (event) => this.#picked.get(event) as E, timeOf);
    this.#maxPartials = limit('max_partial_matches', config.max_partial_matches, DEFAULT_MAX_PARTIAL_MATCHES);
    this.#maxBuffered = limit('max_buffered_events', config.max_buffered_events, DEFAULT_MAX_BUFFERED_EVENTS);
    const labels = { operator: name };
    this.#overflowed = metrics.counter(
      'millrace.pattern.overflowed',
      'Events beyond what a key may have waiting',
      labels,
    );
    this.#givenUp = metrics.counter(
      'millrace.pattern.given_up',
      'Partial matches given up because their key had too many',
      labels,
    );
    metrics.gauge('millrace.pattern.cached', 'Keys in memory', () => state.keys.cachedRows, labels);
  }

  protected override read(event: E): Waiting {
    return { time_ms: this.#context.config.timeOf(event) };
  }

  protected override offer(key: string, { time_ms }: Waiting, event: E): void {
    const { idOf = JSON.stringify } = this.#context.config;
    const row = this.rows.get(key) ?? newPatternRow<E>();
    if (row.buffer.length === this.#maxBuffered) {
      this.#overflow.push(event);
      return;
    }
    bufferEvent(row, { time_ms, id: checkedKey(idOf(event)), event });
    this.#wakeAfter(key, row, time_ms);
    this.rows.set(key, row);
  }

  protected override offered(): void {
    const overflow = this.#overflow;
    this.#overflow = [];
    this.#overflowed.add(overflow.length);
    this.#context.emitTo('overflow', overflow);
  }

  /** Evaluates the keys that have something earlier than the watermark: events, or the end of a window. */
  protected override look(woken: readonly (readonly [string, PatternRow<E>])[]): void {
    const found: Found<E, N>[] = [];
    for (const [key, row] of woken) {
      this.#evaluate(key, row, found);
      this.#keep(key, row);
    }
    // Stable: what one key found at one moment stays in its order, keys stay in theirs.
    found.sort((a, b) => a.at_ms - b.at_ms);
    const matches = found.filter(({ kind }) => kind === 'match');
    this.#context.emit(
      matches.map(({ match }) => match),
      (_, at) => nameOf(matches[at] as Found<E, N>),
    );
    const timeouts = found.filter(({ kind }) => kind === 'timeout');
    this.#context.emitTo(
      'timeout',
      timeouts.map(({ match }) => match),
      (_, at) => nameOf(timeouts[at] as Found<E, N>),
    );
  }

  #evaluate(key: string, row: PatternRow<E>, found: Found<E, N>[]): void {
    const { buffer, partials, picked } = row;
    this.#picked = picked;
    const report = (outcomes: readonly Outcome[]): void => {
      for (const { match, at_ms, kind } of outcomes) {
        const events = this.#nfa.eventsOf(match) as Matched<E, N>;
        const end_ms = this.#context.config.timeOf(picked.get(match.last.event) as E);
        found.push({ match: { key, start_ms: match.start_ms, end_ms, events }, at_ms, kind });
      }
    };
    let done = 0;
    let givenUp = 0;
    for (const { time_ms, event } of buffer) {
      if (time_ms >= this.watermark_ms) break;
      done++;
      const number = row.next++;
      picked.set(number, event);
      report(this.#nfa.offer(partials, number, time_ms));
      givenUp += giveUp(partials, this.#maxPartials, this.#skip);
    }
    if (givenUp > 0) this.#sayGivenUp(key, givenUp);
    buffer.splice(0, done);
    report(this.#nfa.expire(partials, this.watermark_ms));
    dropUnpicked(row);
  }

  #sayGivenUp(key: string, matches: number): void {
    this.#givenUp.add(matches);
    const { name } = this.#context;
    const of = { operator: name, key: key.slice(0, MAX_TOLD_CHARS) };
    const detail = { ...of, matches, max_partial_matches: this.#maxPartials };
    // Counts are kept by scope: keys would be too many of them.
    this.#context.notice({ kind: 'pattern_given_up', scope: 'default', sequence: 0, detail });
  }

  /** Writes the row and sees to it that it is looked at in time; or lets it go. */
  #keep(key: string, row: PatternRow<E>): void {
    const [first] = row.buffer;
    if (first === undefined && row.partials.length === 0) {
      this.letGo(key, row);
      return;
    }
    let time_ms = first?.time_ms ?? Number.POSITIVE_INFINITY;
    for (const match of row.partials) time_ms = Math.min(time_ms, this.#nfa.due_ms(match));
    if (time_ms < Number.POSITIVE_INFINITY) this.#wakeAfter(key, row, time_ms);
    this.rows.set(key, row);
  }

  /** When the watermark is after the time: while it is equal, an event of that time may come. */
  #wakeAfter(key: string, row: PatternRow<E>, time_ms: number): void {
    this.wakeAt(time_ms + 1, key, row);
  }
}

function limit(name: string, given: number | undefined, standard: number): number {
  const value = given ?? standard;
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new MillraceError(
    'bad_pattern',
    `The pattern cannot be run: ${name} is ${value}, not a number above 0.`,
  );
}
