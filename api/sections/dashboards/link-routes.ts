import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import {
  type Cell,
  type Definition,
  type DefinitionKind,
  durationOf,
  type KindDefinitions,
  rowText,
} from '../../../runtime/index.ts';
import { BODY_PROBLEMS } from '../../answers/index.ts';
import { definitionPage, requireDefinition } from '../../definitions/index.ts';
import {
  type Answer,
  ApiError,
  type Cursors,
  listQuery,
  type Principal,
  type RawCall,
  ROLE_RULES,
  type Route,
  route,
  timestamp,
  timeText,
} from '../../http/index.ts';
import { type FamilyAsker, SAVED_RUN_PROBLEMS } from '../queries/index.ts';
import { type DashboardParts, dashboardData } from './dashboard-data.ts';
import { dataSchema, findDashboard, requireDashboard } from './dashboard-routes.ts';
import { type Dashboard, MAX_WIDGETS } from './dashboard-schema.ts';
import type { WidgetView } from './widget-view.ts';

const MAX_LINK_MS = 366 * 86_400_000;
/** How long the data of a link may take, ms. */
const SHARED_READ_MS = 60_000;

const linkSchema = z.strictObject({
  dashboard_id: z.string().max(128),
  expires_at_ms: z.number(),
});
type Link = z.output<typeof linkSchema>;

/** Links by which a dashboard can be read without a key. One that is deleted serves no more. */
export const LINKS: DefinitionKind<Link> = { kind: 'dashboard_link', schema: linkSchema };

export interface LinkParts extends DashboardParts {
  readonly dashboards: KindDefinitions<Dashboard>;
  readonly links: KindDefinitions<Link>;
  readonly cursors: Cursors;
}

const TOKEN = { link: 'dashboard' };
const tokenSchema = z.tuple([z.string(), z.string(), z.number()]);
const params = z.object({ id: z.string().max(128) });

const linkView = z.object({
  id: z.string(),
  dashboard_id: z.string(),
  url: z.string().describe('Path of this service: for everybody who has it'),
  created_at: timestamp('When it was made'),
  created_by: z.string(),
  expires_at: timestamp('It serves until then'),
});
const EXAMPLE = {
  id: 'dashboard_link_01J4ZQ8W6N3V5T7R9P1M3K5H7F',
  dashboard_id: 'dashboard_overview',
  url: '/v1/order-analytics/shared/dashboards/8pX…',
  created_at: '2025-08-01T12:00:00.000Z',
  created_by: '9f2c4be07a51d3e8',
  expires_at: '2025-08-31T12:00:00.000Z',
};

/** Signed links to dashboards, and what they show. */
export function linkRoutes(parts: LinkParts): readonly Route[] {
  return [createRoute(parts), listRoute(parts), deleteRoute(parts), sharedRoute(parts)];
}

function viewOf({ cursors }: LinkParts, link: Definition<Link>, base: string): z.output<typeof linkView> {
  const { id, tenant, body, created_at_ms, created_by } = link;
  const token = cursors.encode(TOKEN, [tenant, id, body.expires_at_ms]);
  return {
    ...{ id, dashboard_id: body.dashboard_id, created_by },
    url: `${base}/shared/dashboards/${token}`,
    created_at: timeText(created_at_ms),
    expires_at: timeText(body.expires_at_ms),
  };
}

function createRoute(parts: LinkParts): Route {
  const { links, dashboards, answers } = parts;
  return route({
    id: 'createDashboardLink',
    method: 'POST',
    path: '/dashboards/{id}/links',
    tag: 'Dashboards',
    summary: 'A link by which a dashboard is read without a key',
    description:
      'Whoever has the link sees the dashboard and its data as a `viewer` of the tenant does, until it expires or is ' +
      'deleted; personal data are masked. It shows nothing else.',
    permission: 'definitions:write',
    params,
    body: z.strictObject({
      expires_in: z
        .string()
        .regex(/^[1-9]\d{0,3}(m|h|d)$/, 'must be a number and a unit, such as 24h or 30d')
        .default('30d')
        .describe('At most 366d'),
    }),
    body_examples: { month: { summary: 'For 30 days', value: { expires_in: '30d' } } },
    answers: {
      201: {
        description: 'The link',
        schema: linkView,
        example: EXAMPLE,
        headers: { Location: 'The dashboard, by the link' },
      },
    },
    problems: [...BODY_PROBLEMS, 'not_found', 'limit_reached', 'kv_unavailable'],
    handle: async (call) => {
      const { tenant, principal, base } = call;
      const dashboard = requireDashboard(dashboards, call, call.params.id);
      const lives_ms = durationOf(call.body.expires_in);
      if (lives_ms === undefined || lives_ms > MAX_LINK_MS) {
        const message = 'is at most 366d';
        throw new ApiError('validation_failed', `expires_in ${message}.`, {
          errors: [{ path: 'expires_in', message }],
        });
      }
      await dropExpired(parts, tenant);
      const link = await links.create(tenant, {
        name: randomBytes(16).toString('hex'),
        body: { dashboard_id: dashboard.id, expires_at_ms: answers.ports.clock.now() + lives_ms },
        created_by: principal.key_id,
      });
      const view = viewOf(parts, link, base);
      return { status: 201, json: view, headers: { Location: view.url } };
    },
  });
}

/** Links that serve no more do not count as definitions. */
async function dropExpired({ links, answers }: LinkParts, tenant: string): Promise<void> {
  const now_ms = answers.ports.clock.now();
  for (const { id, body } of links.list(tenant)) {
    if (body.expires_at_ms <= now_ms) await links.delete(tenant, id);
  }
}

function listRoute(parts: LinkParts): Route {
  const { links, cursors, dashboards } = parts;
  return route({
    id: 'listDashboardLinks',
    method: 'GET',
    path: '/dashboards/{id}/links',
    tag: 'Dashboards',
    summary: 'The links to a dashboard',
    // A link is a secret: who may make one may see it.
    permission: 'definitions:write',
    params,
    query: z.strictObject(listQuery),
    answers: {
      200: {
        description: 'A page of links',
        schema: z.object({ links: z.array(linkView), next_cursor: z.string().nullable() }),
        example: { links: [EXAMPLE], next_cursor: null },
      },
    },
    problems: ['not_found', 'invalid_cursor', 'cursor_mismatch'],
    handle: (call) => {
      const { id } = requireDashboard(dashboards, call, call.params.id);
      const of = ({ body }: Definition<Link>): boolean => body.dashboard_id === id;
      const page = definitionPage(links, cursors, call.tenant, call.query, of);
      const views = page.items.map((link) => viewOf(parts, link, call.base));
      return { status: 200, json: { links: views, next_cursor: page.next_cursor } };
    },
  });
}

function deleteRoute({ links, dashboards }: LinkParts): Route {
  return route({
    id: 'deleteDashboardLink',
    method: 'DELETE',
    path: '/dashboards/{id}/links/{linkId}',
    tag: 'Dashboards',
    summary: 'Delete a link: it serves no more',
    permission: 'definitions:write',
    params: params.extend({ linkId: z.string().max(128) }),
    answers: { 204: { description: 'It is gone' } },
    problems: ['not_found', 'kv_unavailable'],
    handle: async (call) => {
      const { id, linkId } = call.params;
      requireDashboard(dashboards, call, id);
      const link = requireDefinition(links, call, linkId);
      if (link.body.dashboard_id !== id) throw new ApiError('not_found', 'There is no link with this id.');
      await links.delete(call.tenant, linkId);
      return { status: 204 };
    },
  });
}

function sharedRoute(parts: LinkParts): Route {
  /** By link what is being read: nobody is counted who has no key, so all who ask at once get one answer. */
  const reading = new Map<string, Promise<object>>();
  return route({
    id: 'readSharedDashboard',
    method: 'GET',
    path: '/shared/dashboards/{token}',
    tag: 'Dashboards',
    summary: 'A dashboard and its data, by a link',
    description:
      'With `format=csv` the table of one widget as CSV, for spreadsheets that import from an address.',
    permission: 'none',
    params: z.object({ token: z.string().min(1).max(2_048) }),
    query: z.strictObject({
      format: z.enum(['json', 'csv']).default('json'),
      widget: z.coerce
        .number()
        .pipe(
          z
            .int()
            .min(0)
            .max(MAX_WIDGETS - 1),
        )
        .default(0)
        .describe('Of a table as CSV: the place of the widget, from 0'),
    }),
    answers: {
      200: {
        description: 'The dashboard',
        content: {
          'application/json': { schema: sharedSchema },
          'text/csv': { schema: z.string() },
        },
      },
    },
    problems: [...SAVED_RUN_PROBLEMS, 'link_invalid', 'expired', 'not_found', 'query_too_large'],
    handle: async (call) => {
      const link = linkOf(parts, call.params.token);
      const read =
        reading.get(link.id) ??
        sharedView(parts, viewerOf(call, link), link).finally(() => reading.delete(link.id));
      reading.set(link.id, read);
      const shared = await read;
      return call.query.format === 'json'
        ? { status: 200, json: shared }
        : csvAnswer(shared as SharedView, call.query.widget);
    },
  });
}

interface SharedView {
  readonly data: { readonly widgets: readonly ({ readonly view?: WidgetView } | null)[] };
}

/** The table of a widget as a spreadsheet imports it. */
function csvAnswer({ data }: SharedView, at: number): Answer {
  const table = data.widgets[at]?.view?.table;
  if (table === undefined) throw new ApiError('not_found', `The widget ${at} has no table.`);
  if (table.truncated)
    throw new ApiError(
      'query_too_large',
      'The table has more rows than are shown. Group by less, or export it.',
    );
  const { head, line, media_type } = rowText(
    'csv',
    table.columns.map(({ name }) => name),
  );
  const cellOf = (value: unknown): Cell => {
    if (value === null || value === undefined || typeof value === 'boolean') return value ?? null;
    return typeof value === 'number' ? { number: String(value) } : String(value);
  };
  const text = head + table.rows.map((row) => line(row.map(cellOf))).join('');
  return { status: 200, text, headers: { 'Content-Type': media_type, 'Cache-Control': 'no-store' } };
}

const sharedSchema = z.object({
  name: z.string(),
  description: z.string().optional(),
  widgets: z.array(z.looseObject({})),
  expires_at: z.string(),
  data: dataSchema,
});

async function sharedView(
  parts: LinkParts,
  asker: FamilyAsker,
  { tenant, body }: Definition<Link>,
): Promise<object> {
  // Who made the link could see it: private ones are shown by it, too.
  const dashboard = findDashboard(parts.dashboards, tenant, body.dashboard_id);
  if (dashboard === undefined) throw new ApiError('not_found', 'The dashboard was deleted.');
  const { description, widgets } = dashboard.body;
  return {
    name: dashboard.name,
    ...(description === undefined ? {} : { description }),
    // What is asked is nobody's business who only looks.
    widgets: widgets.map(({ type, title, text, layout }) => ({ type, title, text, layout })),
    expires_at: timeText(body.expires_at_ms),
    data: await dashboardData(parts, asker, dashboard.body, {}),
  };
}

/** The link of a token. Throws 403 `link_invalid`, 410 `expired`. */
function linkOf({ cursors, links, answers }: LinkParts, token: string): Definition<Link> {
  let place: z.output<typeof tokenSchema>;
  try {
    place = tokenSchema.parse(cursors.decode(TOKEN, token));
  } catch (cause) {
    throw new ApiError('link_invalid', 'The link was not given by this service.', { cause });
  }
  const [tenant, id, expires_ms] = place;
  const link = links.get(tenant, id);
  if (link !== undefined && expires_ms > answers.ports.clock.now()) return link;
  throw new ApiError('expired', 'The link serves no more. Ask who gave it to you for another.');
}

/** Whoever has the link looks as a viewer of the tenant. What several get is not ended when one of them leaves. */
function viewerOf(call: RawCall, { id, tenant, body }: Definition<Link>): FamilyAsker {
  const principal: Principal = {
    ...{ kind: 'anonymous', key_id: `link:${id}`, name: 'link', role: 'viewer' },
    permissions: ROLE_RULES.viewer.permissions,
    ...{ scopes: null, rate_limit: null, tenant, tenants: 'own' },
    expires_at_ms: body.expires_at_ms,
  };
  const { request_id, base, log } = call;
  return { request_id, base, log, tenant, principal, signal: AbortSignal.timeout(SHARED_READ_MS) };
}
