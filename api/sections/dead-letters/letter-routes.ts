import { z } from 'zod';
import type { Mapping } from '../../../analytics/index.ts';
import {
  type Answer,
  ApiError,
  type ApiPorts,
  type Cursors,
  incarnationNumber,
  listQuery,
  type ProblemCode,
  type RawCall,
  type Route,
  route,
} from '../../http/index.ts';
import { createJob, JOB_EXAMPLE, type JobMaking, jobSchema } from '../jobs/index.ts';
import { LetterGroups } from './groups.ts';
import { filterQuery, filterSchema, type LetterFilter } from './letter-filter.ts';
import type { Found, LetterReader } from './letter-reader.ts';
import { groupSchema, LETTER_EXAMPLE, letterSchema, letterView } from './letter-schemas.ts';
import { mendSchema } from './mend.ts';
import { RESEND_JOB, resendInput } from './resend-job.ts';
import { tried, triedSchema } from './try-mend.ts';

/** Letters that one request looks at. */
const LIST_MAX_SCANNED = 20_000;
const GROUPS_MAX_SCANNED = 100_000;
const TRY_MAX_SCANNED = 20_000;

const READING = [
  'not_supported',
  'stream_unavailable',
  'stream_missing',
  'kv_unavailable',
] as const satisfies readonly ProblemCode[];
const BODY = [
  'malformed_json',
  'malformed_body',
  'json_too_deep',
  'unsupported_media_type',
  'unsupported_encoding',
  'body_too_large',
] as const satisfies readonly ProblemCode[];

export interface LetterParts extends JobMaking {
  readonly ports: ApiPorts;
  readonly reader: LetterReader;
  readonly cursors: Cursors;
  /** Whether something of events is hidden from a caller. */
  readonly isMasked: (call: RawCall) => boolean;
  /** The rules of a connector of the tenant; undefined: there is none of that id. */
  readonly mappingOf: (tenant: string, connector_id: string) => Mapping | undefined;
}

const pageQuery = z.strictObject({ ...filterQuery, cursor: listQuery.cursor, limit: listQuery.limit });
const groupsQuery = z.strictObject({ ...filterQuery, cursor: listQuery.cursor });
const connector_id = z
  .string()
  .max(128)
  .optional()
  .describe('A connector whose mapping, as it is now, is taken in place of `mapping`');
const tryBody = z.strictObject({
  filter: filterSchema.prefault({}),
  ...mendSchema,
  connector_id,
  limit: z.int().min(1).max(100).default(20).describe('Dead letters whose events are shown'),
});
const resendBody = z.strictObject({
  filter: filterSchema,
  ...mendSchema,
  connector_id,
  again: z
    .boolean()
    .default(false)
    .describe('Resolved ones as well: their events count once whatever is sent'),
});

const MENDED = {
  filter: { reason: 'bad_field', type: 'order.created' },
  mapping: {
    rules: [{ flat: true, event: { currency: 'currency', amount: { path: 'amount', as: 'money' } } }],
  },
  patch: { channel: 'web' },
};

/** Dead letters as a workbench: what could not be processed, tried with a mapping, and sent again. */
export function letterRoutes(parts: LetterParts): readonly Route[] {
  return [
    route({
      id: 'listDeadLetters',
      method: 'GET',
      path: '/dead-letters',
      tag: 'Dead letters',
      summary: 'Events that could not be processed, oldest first',
      description:
        `One page looks at ${LIST_MAX_SCANNED} of them at most: it may be shorter than asked for, and empty, while ` +
        '`next_cursor` goes on.',
      permission: 'events:read',
      query: pageQuery,
      answers: {
        200: {
          description: 'A page of dead letters',
          schema: z.object({
            dead_letters: z.array(letterSchema),
            scanned: z.int().describe('Dead letters that were looked at'),
            next_cursor: z.string().nullable(),
          }),
          example: { dead_letters: [LETTER_EXAMPLE], scanned: 1, next_cursor: null },
        },
      },
      problems: [...READING, 'invalid_cursor', 'cursor_mismatch'],
      handle: (call) => list(parts, call, call.query),
    }),
    route({
      id: 'groupDeadLetters',
      method: 'GET',
      path: '/dead-letters/groups',
      tag: 'Dead letters',
      summary: 'Dead letters by reason and shape',
      description:
        'The shape of a payload is the set of its paths with the types of what lies there: dead letters of one group ' +
        `are mended by one mapping. A request looks at ${GROUPS_MAX_SCANNED} of them at most; \`next_cursor\` goes on ` +
        'with the others, and groups of the same id are added up.',
      permission: 'events:read',
      query: groupsQuery,
      answers: {
        200: {
          description: 'The groups, the largest first',
          schema: z.object({
            groups: z.array(groupSchema),
            letters: z.int().describe('In the groups'),
            others: z.int().describe('Of further groups, for which there was no room'),
            scanned: z.int(),
            next_cursor: z.string().nullable(),
          }),
        },
      },
      problems: [...READING, 'invalid_cursor', 'cursor_mismatch'],
      handle: (call) => groups(parts, call, call.query),
    }),
    route({
      id: 'tryDeadLetters',
      method: 'POST',
      path: '/dead-letters/try',
      tag: 'Dead letters',
      summary: 'What a mapping or a patch would make of dead letters',
      description: 'Nothing is sent and nothing is marked.',
      permission: 'events:read',
      body: tryBody,
      body_examples: { mapping: { summary: 'Amounts as decimal text', value: MENDED } },
      answers: { 200: { description: 'What would become of them', schema: triedSchema } },
      problems: [...READING, ...BODY, 'field_masked', 'not_found'],
      handle: async (call) => {
        if (parts.isMasked(call)) throw hidden();
        const { filter, limit, ...rest } = call.body;
        const mend = mendOf(parts, call, rest);
        const { signal } = call.request;
        const options = { tenant: call.tenant, filter, limit, signal, scanned_max: TRY_MAX_SCANNED };
        return { status: 200, json: await tried(parts.ports, parts.reader, mend, options) };
      },
    }),
    route({
      id: 'resendDeadLetters',
      method: 'POST',
      path: '/dead-letters/resend',
      tag: 'Dead letters',
      summary: 'Mend dead letters and send them again',
      description:
        'A job sends what the mapping and the patch make of each, under the ids that the events have then: an event ' +
        'counts once by its id, however often it is sent. A dead letter of which one event is not valid is left as it ' +
        'is, and is an error of the job; all others are marked as resolved once the stream has stored their events. ' +
        'It takes the dead letters that there are when it begins.',
      permission: 'events:write',
      body: resendBody,
      body_examples: { mapping: { summary: 'Amounts as decimal text', value: MENDED } },
      idempotent: true,
      answers: {
        202: {
          description: 'The job',
          schema: jobSchema,
          headers: { Location: 'The job' },
          example: JOB_EXAMPLE,
        },
      },
      problems: [...READING, ...BODY, 'too_many_jobs', 'not_found'],
      handle: (call) => {
        const { filter, again, ...rest } = call.body;
        return resend(parts, call, { filter, again, ...mendOf(parts, call, rest) });
      },
    }),
  ];
}

/** A mend with the mapping of a connector, where it names one. */
function mendOf<M extends { readonly mapping?: Mapping | undefined }>(
  { mappingOf }: LetterParts,
  { tenant }: Pick<RawCall, 'tenant'>,
  { connector_id: id, ...mend }: M & { readonly connector_id?: string | undefined },
): Omit<M, 'connector_id'> {
  if (id === undefined) return mend as Omit<M, 'connector_id'>;
  const mapping = mappingOf(tenant, id);
  if (mapping === undefined) throw new ApiError('not_found', 'There is no connector with this id.');
  return { ...(mend as Omit<M, 'connector_id'>), mapping };
}

const hidden = (): ApiError =>
  new ApiError(
    'field_masked',
    'Something of events is masked for your role, and dead letters may say it anywhere. Ask somebody who administers the tenant.',
  );

interface Place {
  readonly after: number;
  readonly upTo: number;
  readonly incarnation: string;
}

/** Where a listing begins, and what its cursor is bound to. */
async function placeOf(
  { reader, cursors }: LetterParts,
  bound: object,
  cursor: string | undefined,
): Promise<Place> {
  const { sequence, incarnation } = await reader.end();
  if (cursor === undefined) return { after: 0, upTo: sequence, incarnation };
  const [of, after] = cursors.decode(bound, cursor) as [number, number];
  if (of === (incarnationNumber(incarnation) ?? 0)) return { after, upTo: sequence, incarnation };
  const message = 'is of a stream of dead letters that was deleted since';
  throw new ApiError('invalid_cursor', `The cursor ${message}. Begin again without one.`, {
    errors: [{ path: 'cursor', message }],
  });
}

type Query = Omit<LetterFilter, 'sequences'> & { readonly cursor?: string | undefined };

async function* scan(
  { reader }: LetterParts,
  { tenant, request }: RawCall,
  filter: LetterFilter,
  { after, upTo, incarnation }: Place,
) {
  const marks = reader.marks({ incarnation });
  yield* reader.slices({ tenant, filter, after, upTo, signal: request.signal }, marks);
}

async function list(
  parts: LetterParts,
  call: RawCall,
  { cursor, limit, ...filter }: z.output<typeof pageQuery>,
): Promise<Answer> {
  const bound = { list: 'dead_letters', tenant: call.tenant, ...filter };
  const place = await placeOf(parts, bound, cursor);
  const page: Found[] = [];
  let [scanned, last, isMore] = [0, place.after, false];
  for await (const slice of scan(parts, call, filter, place)) {
    const room = limit - page.length;
    page.push(...slice.found.slice(0, room));
    scanned += slice.scanned;
    isMore = page.length === limit || scanned >= LIST_MAX_SCANNED;
    last = slice.found.length > room ? (page.at(-1)?.letter.sequence ?? last) : slice.last;
    if (isMore) break;
  }
  const isMasked = parts.isMasked(call);
  return {
    status: 200,
    json: {
      dead_letters: page.map((found) => letterView(found, isMasked)),
      scanned,
      next_cursor: isMore && last < place.upTo ? cursorAt(parts, bound, place, last) : null,
    },
  };
}

async function groups(parts: LetterParts, call: RawCall, { cursor, ...filter }: Query): Promise<Answer> {
  const bound = { list: 'dead_letter_groups', tenant: call.tenant, ...filter };
  const place = await placeOf(parts, bound, cursor);
  const found = new LetterGroups();
  let [scanned, letters, last] = [0, 0, place.after];
  for await (const slice of scan(parts, call, filter, place)) {
    for (const one of slice.found) found.add(one);
    letters += slice.found.length;
    scanned += slice.scanned;
    last = slice.last;
    if (scanned >= GROUPS_MAX_SCANNED) break;
  }
  const isMore = scanned >= GROUPS_MAX_SCANNED && last < place.upTo;
  return {
    status: 200,
    json: {
      groups: found.views(parts.isMasked(call)),
      ...{ letters: letters - found.others, others: found.others, scanned },
      next_cursor: isMore ? cursorAt(parts, bound, place, last) : null,
    },
  };
}

function cursorAt({ cursors }: LetterParts, bound: object, { incarnation }: Place, after: number): string {
  return cursors.encode(bound, [incarnationNumber(incarnation) ?? 0, after]);
}

function resend(parts: LetterParts, call: RawCall, body: z.output<typeof resendBody>): Promise<Answer> {
  // Says so at once where there is none.
  void parts.reader.port;
  const { again, filter, ...mend } = body;
  const chosen: LetterFilter = again && filter.state === 'open' ? { ...filter, state: 'all' } : filter;
  const input = resendInput.parse({ filter: chosen, ...mend });
  return createJob(parts, call, { type: RESEND_JOB, input, progress: { total: null, unit: 'dead letters' } });
}
