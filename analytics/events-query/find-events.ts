import type { PlanHead } from '../../engine/index.ts';
import { isOwnTest, prefilterOf } from './column-tests.ts';
import type { Condition } from './condition.ts';
import { describeEvents } from './describe-events.ts';
import type { DisplacedEvent, DisplacedRequest } from './displaced-kind.ts';
import type { FoundEvent } from './found-event.ts';
import { type JudgeParts, judge, VERDICT } from './judge.ts';
import { matcherOf } from './matcher.ts';
import type { PartReader, PayloadSource } from './payloads.ts';
import type { Order, Position } from './position.ts';
import type { Selection, SelectRequest } from './select-request.ts';
import type { EventTerms } from './terms.ts';

/** Selections of the log, wherever they run. */
export interface EventSelector {
  select(tenant: string, request: SelectRequest, signal: AbortSignal): Promise<Selection>;
  plan(tenant: string, request: SelectRequest): Promise<PlanHead>;
  displaced(
    tenant: string,
    request: DisplacedRequest,
    signal: AbortSignal,
  ): Promise<readonly DisplacedEvent[]>;
}

export interface FinderParts {
  readonly selector: EventSelector;
  readonly payloads: PayloadSource;
  readonly reader: PartReader;
  readonly terms: EventTerms;
}

/** What is asked of the events of a tenant. */
export interface FindRequest {
  readonly tenant: string;
  /** Half-open range of event time, ms. */
  readonly start_ms: number;
  readonly end_ms: number;
  /** Only events up to this sequence of the stream. */
  readonly upTo: number;
  readonly order: Order;
  /** Only events behind it. */
  readonly after?: Position | undefined;
  /** Events wanted. */
  readonly limit: number;
  readonly condition: Condition;
  /** Folded; an event has all of them. */
  readonly words: readonly string[];
  /** Messages of the stream to read, about. */
  readonly payloads_max: number;
  readonly isOver: () => boolean;
  /** Also events that a correction took back. */
  readonly withDisplaced?: boolean;
}

export interface Scanned {
  /** Rows of the log that were looked at. */
  readonly rows: number;
  readonly payloads_read: number;
  /** Candidates whose payloads are gone, so that nothing can be said of them; they are not in the answer. */
  readonly payloads_missing: number;
}

export interface FoundPage {
  readonly events: readonly FoundEvent[];
  /** Where the next page begins; undefined when there is none. */
  readonly next: Position | undefined;
  /** False: a limit ended the search before the page was full. */
  readonly complete: boolean;
  readonly scanned: Scanned;
  /** Events before this time are no longer kept, RFC 3339; undefined: nothing was forgotten. */
  readonly kept_from: string | undefined;
}

/**
 * Rows of the first look at the log, and how much more the next one may take. The newest page of all events is in its
 * first chunk, which is read in the API's thread: in a scan thread it would wait for the scans that run there.
 */
const FIRST_ROWS = 1 << 12;
const ROWS_GROWTH = 8;
/** Candidates of the first batch whose payloads are read, and of later ones. */
const FIRST_CANDIDATES = 512;
const CANDIDATES_GROWTH = 8;
const CANDIDATES_MAX = 32_768;
/** Where candidates are strewn over the stream: so many are looked for in one passage of it. */
const STREWN_CANDIDATES_MAX = 1 << 20;
/** Cost of a candidate above which they are strewn, in messages. */
const STREWN_COST = 4;
/** Batches of up to so many candidates carry their columns. */
const COLUMNS_MAX = 8_192;
/** Payloads of a page, bytes in memory: where they are larger, the page has fewer events than were wanted. */
const PAGE_MAX_BYTES = 32 * 1_048_576;

/**
 * The next page of events: candidates by their columns in the order asked for, a batch at a time, each confirmed on
 * its payload. Stops when the page is full, when a limit is reached, and by the signal, whose reason it throws.
 */
export async function findEvents(
  parts: FinderParts,
  request: FindRequest,
  signal: AbortSignal,
): Promise<FoundPage> {
  return new Search(parts, request, signal).run();
}

/** What a search asks of the log first. */
export function firstSelection(terms: EventTerms, request: FindRequest): SelectRequest {
  const { tenant, condition, upTo, order, after, limit, words } = request;
  const { tests, start_ms, end_ms, isExact } = prefilterOf(condition, tenant, terms);
  const isSure = isExact && words.length === 0;
  return {
    start_ms: Math.max(start_ms, request.start_ms),
    end_ms: Math.min(end_ms, request.end_ms),
    upTo,
    order,
    ...(after === undefined ? {} : { after }),
    tests,
    limit: isSure ? limit + 1 : Math.max(limit + 1, FIRST_CANDIDATES),
    withColumns: true,
    rows_max: FIRST_ROWS,
  };
}

class Search {
  readonly #parts: FinderParts;
  readonly #request: FindRequest;
  readonly #signal: AbortSignal;
  readonly #events: FoundEvent[] = [];
  /** Columns and times say all that is asked. */
  #isSure = false;
  /** Of rows too that may say what their order says: only columns that are the event's own are asked for. */
  #isOwn = false;
  #after: Position | undefined;
  #rows = 0;
  #read = 0;
  #missing = 0;
  #page_bytes = 0;
  #kept_from: string | undefined;

  constructor(parts: FinderParts, request: FindRequest, signal: AbortSignal) {
    this.#parts = parts;
    this.#request = request;
    this.#signal = signal;
  }

  async run(): Promise<FoundPage> {
    const { terms, selector } = this.#parts;
    const { condition, tenant, words, payloads_max, isOver } = this.#request;
    this.#isSure = prefilterOf(condition, tenant, terms).isExact && words.length === 0;
    const first = firstSelection(terms, this.#request);
    this.#isOwn = first.tests.every(isOwnTest);
    // It is not needed before the first events are there.
    const judging = this.#judging(first);
    judging.catch(() => undefined);
    this.#after = first.after;
    let { limit, rows_max } = first;
    for (;;) {
      this.#signal.throwIfAborted();
      const asked: SelectRequest = {
        ...first,
        ...(this.#after === undefined ? {} : { after: this.#after }),
        limit: Math.max(1, Math.min(limit, payloads_max - this.#read)),
        withColumns: limit <= COLUMNS_MAX,
        rows_max,
      };
      const selection = await selector.select(tenant, asked, this.#signal);
      this.#rows += selection.scanned_rows;
      const { more } = selection;
      const judged = await this.#take(selection, await judging);
      if (judged.end !== undefined) return this.#page(judged.end, this.#after);
      if (more === undefined) return this.#page('complete', undefined);
      if (more !== 'limited') {
        rows_max *= ROWS_GROWTH;
        this.#after = before(more.frontier_ms, first.order, this.#after);
      } else {
        const max = judged.cost > STREWN_COST ? STREWN_CANDIDATES_MAX : CANDIDATES_MAX;
        limit =
          judged.cost > STREWN_COST && limit > FIRST_CANDIDATES
            ? max
            : Math.min(max, limit * CANDIDATES_GROWTH);
      }
      if (isOver() || this.#read >= payloads_max) return this.#page('cut', this.#after);
    }
  }

  async #judging(first: SelectRequest): Promise<JudgeParts> {
    const { payloads, reader, terms, selector } = this.#parts;
    const { tenant, condition, words, isOver, upTo } = this.#request;
    const all = { ...first, start_ms: Number.NEGATIVE_INFINITY, end_ms: Number.POSITIVE_INFINITY };
    const { explain } = await selector.plan(tenant, all);
    const rows = Number(explain.rows_of_range ?? 0);
    this.#kept_from = typeof explain.kept_from === 'string' ? explain.kept_from : undefined;
    const matches = matcherOf(condition, words, terms);
    return {
      payloads,
      reader,
      matches,
      tenant,
      share: rows / Math.max(1, upTo),
      signal: this.#signal,
      isOver,
    };
  }

  /** Puts the events of a batch that match onto the page; `end` says why there will be no other batch. */
  async #take(
    selection: Selection,
    judging: JudgeParts,
  ): Promise<{ readonly end?: 'complete' | 'full' | 'cut'; readonly cost: number }> {
    if (selection.length === 0) return { cost: 0 };
    const [judged, displaced] = await Promise.all([judge(selection, judging), this.#displaced(selection)]);
    const { verdicts, texts, messages_read, cost } = judged;
    this.#read += messages_read;
    const taken: number[] = [];
    let end: 'complete' | 'full' | 'cut' | undefined;
    let seen = 0;
    for (; seen < selection.length; seen++) {
      const verdict = verdicts[seen];
      if (verdict === VERDICT.open) {
        end = 'cut';
        break;
      }
      const isDisplaced =
        displaced.size > 0 && displaced.has(`${selection.sequence[seen]}/${selection.part[seen]}`);
      if (isDisplaced && this.#request.withDisplaced !== true) continue;
      const isSure = this.#isSure && (this.#isOwn || selection.merged[seen] === 0);
      if (verdict === VERDICT.yes || (verdict === VERDICT.missing && isSure)) taken.push(seen);
      else if (verdict === VERDICT.missing) this.#missing++;
      if (this.#events.length + taken.length < this.#request.limit) continue;
      const isLast = seen + 1 === selection.length && selection.more === undefined;
      end = isLast ? 'complete' : 'full';
      seen++;
      break;
    }
    if (seen > 0) this.#after = positionAt(selection, seen - 1);
    const { tenant, upTo } = this.#request;
    const described = await describeEvents(
      this.#parts,
      { tenant, upTo, selection, taken, texts, displaced },
      Math.max(0, PAGE_MAX_BYTES - this.#page_bytes),
      this.#signal,
    );
    for (const event of described) {
      this.#events.push(event);
      this.#page_bytes += 2 * (event.text?.length ?? 0);
    }
    if (described.length < taken.length || this.#page_bytes >= PAGE_MAX_BYTES) {
      const last = taken[described.length - 1];
      const isRest = end === 'complete' && described.length === taken.length;
      if (last !== undefined && !isRest) {
        this.#after = positionAt(selection, last);
        return { end: 'full', cost };
      }
    }
    return end === undefined ? { cost } : { end, cost };
  }

  /** Which events of a selection corrections took back, by their places. */
  async #displaced({ length, time_ms }: Selection): Promise<ReadonlyMap<string, DisplacedEvent>> {
    const { tenant, upTo, order } = this.#request;
    const [first, last] = [time_ms[0] as number, time_ms[length - 1] as number];
    const [start_ms, end_ms] = order === 'asc' ? [first, last + 1] : [last, first + 1];
    const { selector } = this.#parts;
    const events = await selector.displaced(tenant, { start_ms, end_ms, upTo }, this.#signal);
    return new Map(events.map((event) => [`${event.sequence}/${event.part}`, event]));
  }

  #page(end: 'complete' | 'full' | 'cut', next: Position | undefined): FoundPage {
    return {
      events: this.#events,
      next: end === 'complete' ? undefined : next,
      complete: end !== 'cut',
      scanned: { rows: this.#rows, payloads_read: this.#read, payloads_missing: this.#missing },
      kept_from: this.#kept_from,
    };
  }
}

function positionAt({ time_ms, sequence, part }: Selection, at: number): Position {
  return { time_ms: time_ms[at] as number, sequence: sequence[at] as number, part: part[at] as number };
}

/** A position just before every event of a time, unless one further on is known. */
function before(time_ms: number, order: Order, known: Position | undefined): Position {
  const edge = order === 'desc' ? time_ms + 1 : time_ms - 1;
  if (known !== undefined && (order === 'desc' ? known.time_ms < edge : known.time_ms > edge)) return known;
  return order === 'desc'
    ? { time_ms: edge, sequence: -1, part: -1 }
    : { time_ms: edge, sequence: Number.MAX_SAFE_INTEGER, part: 0 };
}
