import { z } from 'zod';
import {
  ANY,
  all,
  type Condition,
  fieldIn,
  MAX_WORDS,
  parseCondition,
  QueryError,
  wordsOf,
} from '../../../analytics/index.ts';
import { metaOf } from '../../answers/index.ts';
import {
  ApiError,
  FRESHNESS_PROBLEMS,
  type ProblemCode,
  type RawCall,
  type Route,
  route,
} from '../../http/index.ts';
import { rangeOf } from './event-request.ts';
import {
  documentedSearch,
  eventsAnswer,
  eventsMeta,
  eventsPlan,
  eventView,
  FILTERS,
  type ListEventsQuery,
  listEventsQuery,
  MAX_SCAN_PAYLOADS,
  SEARCH_EXAMPLE,
  type SearchBody,
  searchBody,
} from './event-schemas.ts';
import { type Asked, type EventParts, EventSearch, headerOf, jsonAnswer } from './event-search.ts';

const PROBLEMS = [
  'field_masked',
  'invalid_range',
  ...FRESHNESS_PROBLEMS,
  'state_not_ready',
  'too_busy',
] as const satisfies readonly ProblemCode[];
const CURSOR_PROBLEMS = ['invalid_cursor', 'cursor_mismatch'] as const satisfies readonly ProblemCode[];
const BODY_PROBLEMS = [
  'malformed_json',
  'malformed_body',
  'json_too_deep',
  'unsupported_media_type',
  'unsupported_encoding',
  'body_too_large',
] as const satisfies readonly ProblemCode[];

const pageAnswer = {
  description: 'A page of events; the plan for `dry_run` and `explain`',
  schema: z.union([eventsAnswer, eventsPlan]),
};

/** Contents of one id that are looked at: as it came, and its corrections. */
const CONTENTS_MAX = 101;

/** Section 2: the events themselves. */
export function eventRoutes(parts: EventParts): readonly Route[] {
  const search = new EventSearch(parts);
  return [listRoute(search), oneRoute(search), searchRoute(search)];
}

function listRoute(search: EventSearch): Route {
  return route({
    id: 'listEvents',
    method: 'GET',
    path: '/events',
    tag: 'Events',
    summary: 'Events, by what they say of themselves',
    description:
      'Each event once, newest first unless `order` says otherwise, with its payload as it was ' +
      'sent. All filters have to hold, each for the event as it was sent: what it has from its ' +
      'order is in `dimensions` and does not count. A cursor sees events up to the position of ' +
      'its first page, so pages are stable while events arrive. Events whose payload the ' +
      'stream no longer has are listed with `payload: null` where the log can tell that they ' +
      'match.',
    permission: 'events:read',
    query: listEventsQuery,
    answers: { 200: pageAnswer },
    problems: [...PROBLEMS, ...CURSOR_PROBLEMS],
    handle: (call) => {
      const { query, request } = call;
      const asked = askedByList(call, query, search);
      const isPlan = query.dry_run === true || query.explain === true;
      return isPlan ? search.plan(asked) : search.answer(asked, request.signal);
    },
  });
}

function askedByList(call: RawCall, query: ListEventsQuery, search: EventSearch): Asked {
  const { tenant } = call;
  const { from, to, order, limit, cursor, as_of, max_staleness, force_fresh, min_position } = query;
  const conditions: Condition[] = [];
  const { terms } = search.finder;
  const filters: Record<string, string> = {};
  for (const name of Object.keys(FILTERS) as (keyof typeof FILTERS)[]) {
    const value = query[name];
    if (value === undefined) continue;
    filters[name] = value;
    conditions.push(parseCondition(filterOf(name, value), terms, name));
  }
  return {
    tenant,
    mask: search.maskOf(call),
    range: rangeOf(from, to),
    condition: all(conditions),
    words: [],
    order,
    limit,
    payloads_max: MAX_SCAN_PAYLOADS,
    cursor,
    filter: { of: 'events', tenant, filters, from, to, order, as_of },
    members: freshnessOf({ as_of, max_staleness, force_fresh, min_position }),
  };
}

type Freshness = Asked['members'];

/** Without the members that are not there. */
function freshnessOf(members: { readonly [M in keyof Freshness]: Freshness[M] | undefined }): Freshness {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Freshness;
}

/** As the search language says it. */
function filterOf(name: string, value: string): object {
  const own = { field: name, eq: value };
  return name === 'sku' ? { or: [own, { field: 'items.sku', eq: value }] } : own;
}

function oneRoute(search: EventSearch): Route {
  return route({
    id: 'getEvent',
    method: 'GET',
    path: '/events/{eventId}',
    tag: 'Events',
    summary: 'One event by its id',
    description:
      'The id is percent-encoded. An event whose payload the stream no longer has is not found: only its payload has ' +
      'its id. An event that was corrected is shown as it counts now, with its other contents in `corrected`; each of ' +
      'them, and an event that was retracted, has in `taken_back_by` the place of the event that says so.',
    permission: 'events:read',
    params: z.object({ eventId: z.string().min(1).max(128).describe('`event_id`') }),
    answers: {
      200: {
        description: 'The event',
        schema: eventView.extend({
          corrected: z.array(eventView).optional().describe('Its other contents, the newest first'),
          meta: eventsMeta,
        }),
      },
    },
    problems: [...PROBLEMS, 'not_found'],
    handle: async (call) => {
      const { tenant, params, request } = call;
      const { eventId } = params;
      const asked: Asked = {
        tenant,
        mask: search.maskOf(call),
        range: rangeOf(undefined, undefined),
        condition: fieldIn('event_id', ['event_id'], [eventId]),
        words: [],
        order: 'desc',
        limit: CONTENTS_MAX,
        withDisplaced: true,
        payloads_max: MAX_SCAN_PAYLOADS,
        cursor: undefined,
        filter: undefined,
        members: {},
      };
      const { found, snapshot, elapsed_ms } = await search.page(asked, request.signal);
      const { events } = found;
      const event = events.find(({ displaced }) => displaced === undefined) ?? events[0];
      if (event === undefined) {
        throw new ApiError(
          'not_found',
          'There is no event with this id, or the stream no longer has its payload.',
        );
      }
      const meta = {
        ...metaOf(snapshot, tenant, headerOf(asked)),
        scanned: { ...found.scanned, ms: Math.round(elapsed_ms), complete: found.complete },
      };
      const others = events.filter((other) => other !== event);
      const contents =
        others.length === 0
          ? ''
          : `,"corrected":[${others.map((each) => search.textOf(each, asked)).join()}]`;
      return jsonAnswer(
        `${search.textOf(event, asked).slice(0, -1)}${contents},"meta":${JSON.stringify(meta)}}`,
      );
    },
  });
}

function searchRoute(search: EventSearch): Route {
  return route({
    id: 'searchEvents',
    method: 'POST',
    path: '/events/search',
    tag: 'Events',
    summary: 'Events by any condition on their payloads, and by full text',
    description:
      'Conditions on any path of an event, joined by `and`, `or`, `not`; arrays stand for ' +
      'their elements. `text` asks for words in any text of the event. Where a condition says ' +
      'an id, a type, a dimension or a time, the log finds the candidates; all others are ' +
      'read. `meta.scanned` says what was. When `max_scan` payloads are read, or after 10 s, ' +
      'the page ends as it is, `complete` is false, and `next_cursor` goes on from there.',
    permission: 'events:read',
    body: searchBody,
    documented_body: documentedSearch,
    body_examples: { orders: { summary: 'Large orders and gifts of two articles', value: SEARCH_EXAMPLE } },
    answers: { 200: pageAnswer },
    problems: [...PROBLEMS, ...CURSOR_PROBLEMS, ...BODY_PROBLEMS],
    handle: (call) => {
      const { body, request } = call;
      const asked = askedBySearch({ tenant: call.tenant, mask: search.maskOf(call) }, body, search);
      const isPlan = body.dry_run === true || body.explain === true;
      return isPlan ? search.plan(asked) : search.answer(asked, request.signal);
    },
  });
}

/** What a search's body asks for. Throws QueryError where it is none. */
export function askedBySearch(
  { tenant, mask }: Pick<Asked, 'tenant' | 'mask'>,
  body: SearchBody,
  search: EventSearch,
): Asked {
  const { query, text, from, to, order, limit, cursor, max_scan } = body;
  const { as_of, max_staleness, force_fresh, min_position } = body;
  const words = text === undefined ? [] : wordsOf(text);
  if (words.length > MAX_WORDS) {
    const message = `has more than ${MAX_WORDS} words`;
    throw new QueryError('validation_failed', `text ${message}.`, [{ path: 'text', message }]);
  }
  return {
    tenant,
    mask,
    range: rangeOf(from, to),
    condition: query === undefined ? ANY : parseCondition(query, search.finder.terms),
    words,
    order,
    limit,
    payloads_max: max_scan,
    cursor,
    filter: { of: 'search', tenant, query, text, from, to, order, as_of },
    members: freshnessOf({ as_of, max_staleness, force_fresh, min_position }),
  };
}
