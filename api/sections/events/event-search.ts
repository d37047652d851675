import {
  answerPosition,
  type Condition,
  type FinderParts,
  type FindRequest,
  type FoundEvent,
  type FoundPage,
  findEvents,
  firstSelection,
  formatUtc,
  type Order,
  type Position,
} from '../../../analytics/index.ts';
import {
  type AnswerParts,
  type FreshnessMembers,
  maskFor,
  metaOf,
  type PiiMask,
  readFresh,
  type Snapshot,
} from '../../answers/index.ts';
import { type Answer, ApiError, type Cursors, incarnationNumber, type RawCall } from '../../http/index.ts';
import { eventText, warningsOf } from './event-answer.ts';
import { decodePlace, demandOf, type EventRange, encodePlace, type Place } from './event-request.ts';
import { SearchTurns } from './search-turns.ts';

/** How long one page is looked for, ms. */
const DEADLINE_MS = 10_000;

export interface EventParts {
  readonly answers: AnswerParts;
  readonly cursors: Cursors;
  /** The log and the stream; undefined before they can be read. */
  readonly finder: () => FinderParts | undefined;
}

/** What a listing or a search asks for, whichever way it was said. */
export interface Asked {
  readonly tenant: string;
  /** What the caller may not see. */
  readonly mask: PiiMask;
  readonly range: EventRange;
  readonly condition: Condition;
  readonly words: readonly string[];
  readonly order: Order;
  readonly limit: number;
  readonly payloads_max: number;
  readonly cursor: string | undefined;
  /** What a cursor is bound to. */
  readonly filter: unknown;
  /** Also events that a correction took back. */
  readonly withDisplaced?: boolean;
  readonly members: FreshnessMembers & { readonly as_of?: FreshnessMembers['min_position'] };
}

export interface Page {
  readonly found: FoundPage;
  readonly snapshot: Snapshot;
  readonly upTo: number;
  readonly elapsed_ms: number;
}

/** Answers questions for events: in the state that is asked for, within limits, as long as the client is there. */
export class EventSearch {
  readonly #parts: EventParts;
  readonly #turns = new SearchTurns();

  constructor(parts: EventParts) {
    this.#parts = parts;
  }

  /** The parts that only this installation knows; 503 before they are there. */
  get finder(): FinderParts {
    const finder = this.#parts.finder();
    if (finder !== undefined) return finder;
    throw new ApiError('state_not_ready', 'The events cannot be read yet. Ask again in a moment.', {
      retryAfter_s: 1,
    });
  }

  /** What a caller may not see of events. */
  maskOf({ tenant, principal }: Pick<RawCall, 'tenant' | 'principal'>): PiiMask {
    return maskFor(principal, this.#parts.answers.tenants?.maskedOf(tenant));
  }

  async page(asked: Asked, signal: AbortSignal): Promise<Page> {
    const { finder } = this;
    const { snapshot, request } = await this.begin(asked);
    const began_ms = performance.now();
    const isOver = (): boolean => performance.now() - began_ms > DEADLINE_MS;
    const found = await this.#turns.take(asked.tenant, () =>
      findEvents(finder, { ...request, isOver }, signal),
    );
    return { found, snapshot, upTo: request.upTo, elapsed_ms: performance.now() - began_ms };
  }

  /** Takes the state that is asked for, and what is to be looked for in it. */
  async begin(asked: Asked): Promise<{ readonly snapshot: Snapshot; readonly request: FindRequest }> {
    asked.mask.requireSeen(asked.condition, asked.words);
    const place = decodePlace(this.#parts.cursors, asked.filter, asked.cursor);
    const wish = demandOf(asked.members, place);
    const snapshot = await readFresh(this.#parts.answers, asked.tenant, wish, (state) => state);
    const { progress, freshness } = snapshot;
    requirePlace(place, incarnationOf(snapshot));
    const upTo = place?.upTo ?? answerPosition(asked.members, progress).upTo ?? freshness.sequence;
    const { tenant, range, condition, words, order, limit, payloads_max } = asked;
    const after: Position | undefined = place?.after;
    const request = { tenant, ...range, upTo, order, after, limit, condition, words, payloads_max };
    const { withDisplaced = false } = asked;
    return { snapshot, request: { ...request, withDisplaced, isOver: () => false } };
  }

  /** An event as its tenant sees it. */
  textOf(event: FoundEvent, { tenant, mask }: Pick<Asked, 'tenant' | 'mask'>): string {
    const { tenants } = this.#parts.answers;
    return eventText(event, mask, (name) => tenants?.dimensions.sees(tenant, name) ?? true);
  }

  async answer(asked: Asked, signal: AbortSignal): Promise<Answer> {
    const { found, snapshot, upTo, elapsed_ms } = await this.page(asked, signal);
    const { events, next, complete, scanned } = found;
    const next_cursor =
      next === undefined
        ? null
        : encodePlace(this.#parts.cursors, asked.filter, {
            ...{ upTo, after: next, incarnation: incarnationOf(snapshot) },
          });
    const meta = {
      ...metaOf(snapshot, asked.tenant, { ...headerOf(asked), warnings: warningsOf(found, asked.range) }),
      scanned: { ...scanned, ms: Math.round(elapsed_ms), complete },
    };
    const rest = JSON.stringify({ next_cursor, meta });
    return jsonAnswer(
      `{"events":[${events.map((event) => this.textOf(event, asked)).join()}],${rest.slice(1)}`,
    );
  }

  /** What `answer` would read. */
  async plan(asked: Asked): Promise<Answer> {
    const { finder } = this;
    const { snapshot, request } = await this.begin(asked);
    const selection = firstSelection(finder.terms, request);
    const { rows, chunks = 0, bytes, cost_ms, explain } = await finder.selector.plan(asked.tenant, selection);
    const plan = {
      rows,
      chunks,
      bytes,
      cost_ms,
      explain,
      confirmed_by_payload: asked.words.length > 0 || selection.limit > asked.limit + 1,
    };
    return {
      status: 200,
      json: { dry_run: true, plan, meta: metaOf(snapshot, asked.tenant, headerOf(asked)) },
    };
  }
}

export function headerOf({ range: { start_ms, end_ms } }: Pick<Asked, 'range'>) {
  return {
    source: 'scan',
    resolved_range: { start: formatUtc(start_ms), end: formatUtc(end_ms) },
    timezone: 'UTC',
    granularity: 'total' as const,
  };
}

/** JSON that is ready, because it holds payloads as they were sent. */
export function jsonAnswer(text: string): Answer {
  return { status: 200, text, headers: { 'Content-Type': 'application/json; charset=utf-8' } };
}

function incarnationOf({ progress }: Pick<Snapshot, 'progress'>): number | undefined {
  return incarnationNumber(progress?.incarnation ?? '');
}

/** A cursor of a stream that was deleted and made again would go on among other events. */
function requirePlace(place: Place | undefined, own: number | undefined): void {
  if (place?.incarnation === undefined || own === undefined || place.incarnation === own) return;
  const message = 'is of another stream of that name, which was deleted since';
  throw new ApiError('invalid_cursor', `The cursor ${message}. Begin again without one.`, {
    errors: [{ path: 'cursor', message }],
  });
}
