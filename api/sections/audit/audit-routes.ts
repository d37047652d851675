import { z } from 'zod';
import { AUDIT_ACTIONS, type AuditEntry, type AuditLog } from '../../../runtime/index.ts';
import { type Cursors, listQuery, type Route, route, timeText, timeTextOrNull } from '../../http/index.ts';

const OFFSET = /T.*(Z|[+-]\d{2}:\d{2})$/i;
const instant = z
  .string()
  .max(64)
  .refine((text) => OFFSET.test(text) && !Number.isNaN(Date.parse(text)), 'must be RFC 3339 with an offset');

const entrySchema = z.object({
  id: z.string(),
  at: z.string().describe('When the request was answered'),
  tenant: z.string(),
  actor: z.object({
    kind: z.string().describe('`api_key`, `jwt`, or `anonymous`: by a link that needs no key'),
    key_id: z.string(),
    name: z.string(),
    role: z.string(),
  }),
  action: z.enum(AUDIT_ACTIONS),
  operation: z.string().describe('As this document names it'),
  resource: z.string().describe('Path below the base, with its ids'),
  query: z.string().nullable().describe('Parameters of what was read or exported'),
  outcome: z.object({
    status: z.int().describe('Of the HTTP answer'),
    code: z.string().nullable().describe('Of the problem; null: it succeeded'),
  }),
  ip: z
    .string()
    .nullable()
    .describe('Address that the connection came from: a proxy is the address of the proxy'),
  request_id: z.string().describe('`X-Request-Id` of the answer; of the first one, where there are several'),
  requests: z.int().describe('Requests that the entry stands for: more than one where events were written'),
});

const answerSchema = z.object({
  entries: z.array(entrySchema),
  next_cursor: z.string().nullable(),
  complete_since: z
    .string()
    .nullable()
    .describe('Older entries are gone, by age or size (of all tenants); null: none ever went'),
  not_genuine: z
    .int()
    .describe(
      'Messages of the log that this page met and that this service has not written so; they are left out',
    ),
});

const EXAMPLE_ENTRY: z.input<typeof entrySchema> = {
  id: 'audit_01J4ZC5V5Q8T3Y0N6K2W9RBX7M',
  at: '2025-08-01T12:00:00.000Z',
  tenant: 'default',
  actor: { kind: 'api_key', key_id: 'key_1b9f0c3a', name: 'sales board', role: 'admin' },
  action: 'change',
  operation: 'updateSettings',
  resource: '/settings',
  query: null,
  outcome: { status: 200, code: null },
  ip: '10.1.2.3',
  request_id: '6d1f3c52-6f36-4b1b-9ed5-3f5a8f7c1a20',
  requests: 1,
};

function viewOf({ at_ms, status, code, ...entry }: AuditEntry): z.input<typeof entrySchema> {
  return { ...entry, at: timeText(at_ms), outcome: { status, code } };
}

/** Who read, exported, changed or erased what. */
export function auditRoutes({
  audit,
  cursors,
}: {
  readonly audit: AuditLog;
  readonly cursors: Cursors;
}): readonly Route[] {
  return [
    route({
      id: 'listAudit',
      method: 'GET',
      path: '/audit',
      tag: 'Access',
      summary: 'Who read, exported, changed or erased what',
      description:
        'Newest first. Every request that changes something has an entry, also one that was refused to a known key; so ' +
        'have reads of raw events, of lists of customers, of files and of this log. A page may have fewer entries than ' +
        '`limit`, or none, although there are more: it looks at 5,000 at most. Nobody changes or deletes entries.',
      permission: 'audit:manage',
      query: z.strictObject({
        limit: listQuery.limit,
        cursor: listQuery.cursor,
        actor: z.string().min(1).max(300).optional().describe('Id or name of the key or token'),
        action: z.enum(AUDIT_ACTIONS).optional(),
        resource: z
          .string()
          .min(1)
          .max(1_000)
          .optional()
          .describe('Path that theirs begins with: `/settings`'),
        from: instant.optional().describe('Inclusive'),
        to: instant.optional().describe('Exclusive'),
      }),
      answers: {
        200: {
          description: 'A page of entries',
          schema: answerSchema,
          example: { entries: [EXAMPLE_ENTRY], next_cursor: null, complete_since: null, not_genuine: 0 },
        },
      },
      problems: ['invalid_cursor', 'cursor_mismatch', 'queue_unavailable'],
      handle: async ({ tenant, query: { limit, cursor, ...filter } }) => {
        const bound = { list: 'audit', tenant, ...filter };
        const before = cursor === undefined ? undefined : (cursors.decode(bound, cursor) as number);
        const { action, from, to } = filter;
        const [from_ms, to_ms] = [from, to].map((text) =>
          text === undefined ? undefined : Date.parse(text),
        );
        const page = await audit.page(
          { tenant, ...(action === undefined ? {} : { action }) },
          (entry) =>
            (from_ms === undefined || entry.at_ms >= from_ms) &&
            (to_ms === undefined || entry.at_ms < to_ms) &&
            isOf(filter, entry),
          limit,
          { ...(before === undefined ? {} : { before }), ...(from_ms === undefined ? {} : { from_ms }) },
        );
        return {
          status: 200,
          json: {
            entries: page.entries.map(viewOf),
            next_cursor: page.before === null ? null : cursors.encode(bound, page.before),
            complete_since: timeTextOrNull(await audit.since_ms()),
            not_genuine: page.refused,
          },
        };
      },
    }),
  ];
}

function isOf(
  { actor, resource }: { readonly actor?: string | undefined; readonly resource?: string | undefined },
  entry: AuditEntry,
): boolean {
  const isActor = actor === undefined || actor === entry.actor.key_id || actor === entry.actor.name;
  return isActor && (resource === undefined || entry.resource.startsWith(resource));
}
