import { z } from 'zod';
import { type Definition, DefinitionError, mergePatch, type Settings } from '../../../runtime/index.ts';
import { revisionOf } from '../../definitions/index.ts';
import { type Answer, type RawCall, type Route, route, timeTextOrNull } from '../../http/index.ts';
import { SETTINGS_NAME, settingsSchema, type TenantSettings, type Tenants } from '../../tenants/index.ts';

const viewSchema = z.object({
  timezone: z.string(),
  week_start: z.string(),
  fiscal_month_start: z.int(),
  currency: z.string().nullable(),
  retention_days: z.int().nullable().describe('null: all events are kept'),
  pii_fields: z.array(z.string()),
  revision: z.int().describe('For `If-Match`; 0 while nothing was set'),
  updated_at: z.string().nullable(),
});

const EXAMPLE = {
  timezone: 'Europe/Berlin',
  week_start: 'monday',
  fiscal_month_start: 4,
  currency: 'EUR',
  retention_days: 730,
  pii_fields: ['data.email'],
  revision: 7,
  updated_at: '2025-08-01T12:00:00.000Z',
};

const ATTEMPTS = 5;

/** `installation_days`: what the installation keeps of every tenant. */
function answerOf(
  settings: Definition<TenantSettings> | undefined,
  installation_days: number | undefined,
): Answer {
  const { timezone, week_start, fiscal_month_start, currency, pii_fields } = settings?.body ?? {};
  const kept_days = Math.min(
    settings?.body.retention_days ?? Number.POSITIVE_INFINITY,
    installation_days ?? Number.POSITIVE_INFINITY,
  );
  const revision = settings?.revision ?? 0;
  const json: z.input<typeof viewSchema> = {
    timezone: timezone ?? 'UTC',
    week_start: week_start ?? 'monday',
    fiscal_month_start: fiscal_month_start ?? 1,
    currency: currency ?? null,
    retention_days: Number.isFinite(kept_days) ? kept_days : null,
    pii_fields: [...(pii_fields ?? [])],
    revision,
    updated_at: timeTextOrNull(settings?.updated_at_ms ?? null),
  };
  return { status: 200, headers: { ETag: `"${revision}"` }, json };
}

/** What a tenant sets for all of its queries. */
export function settingsRoutes(
  { settings }: Pick<Tenants, 'settings'>,
  { retentionDays }: Pick<Settings, 'retentionDays'>,
): readonly Route[] {
  const ETAG = { ETag: 'Its revision, in quotes' };
  return [
    route({
      id: 'getSettings',
      method: 'GET',
      path: '/settings',
      tag: 'Definitions',
      summary: "The tenant's settings",
      permission: 'definitions:read',
      answers: {
        200: { description: 'The settings in force', schema: viewSchema, example: EXAMPLE, headers: ETAG },
      },
      problems: [],
      handle: ({ tenant }) => answerOf(settings.byName(tenant, SETTINGS_NAME), retentionDays),
    }),
    route({
      id: 'updateSettings',
      method: 'PATCH',
      path: '/settings',
      tag: 'Definitions',
      summary: "Change the tenant's settings",
      description:
        'A JSON merge patch (RFC 7396): null gives a setting back to the installation. Zone, first day of the week, ' +
        'fiscal month and currency are what queries use that say nothing of their own; `meta.timezone` says what was ' +
        'used. They hold for every query from then on. `pii_fields` are masked in events for roles below admin. ' +
        '`retention_days` takes events away for good: whole UTC days, so many before the day of the newest event; ' +
        'rollups stay, and what needs events before that is refused with `behind_retention`.',
      permission: 'settings:write',
      conditional: true,
      body_types: ['application/merge-patch+json', 'application/json'],
      body: z.looseObject({}),
      documented_body: settingsSchema,
      body_examples: {
        berlin: { summary: 'A zone and a currency', value: { timezone: 'Europe/Berlin', currency: 'EUR' } },
      },
      answers: { 200: { description: 'The settings as they are now', schema: viewSchema, headers: ETAG } },
      problems: [
        ...(['malformed_json', 'malformed_body', 'json_too_deep', 'unsupported_media_type'] as const),
        ...(['unsupported_encoding', 'body_too_large', 'revision_conflict', 'kv_unavailable'] as const),
      ],
      handle: async (call) => answerOf(await change(settings, call, call.body), retentionDays),
    }),
  ];
}

/** The first change makes the definition; who comes second in that moment changes what the first one made. */
async function change(
  settings: Tenants['settings'],
  { tenant, principal, request }: RawCall,
  patch: Record<string, unknown>,
): Promise<Definition<TenantSettings>> {
  const revision = revisionOf(request);
  for (let attempt = 1; ; attempt++) {
    const known = settings.byName(tenant, SETTINGS_NAME);
    if (known !== undefined)
      return settings.patch(tenant, known.id, { ...patch, name: SETTINGS_NAME }, revision);
    if (revision !== undefined && revision !== 0) {
      throw new DefinitionError('revision_conflict', 'Nothing was set yet: the revision is 0.');
    }
    try {
      const body = mergePatch({}, patch);
      return await settings.create(tenant, { name: SETTINGS_NAME, body, created_by: principal.key_id });
    } catch (error) {
      const isTaken =
        error instanceof DefinitionError && ['name_taken', 'limit_reached'].includes(error.code);
      if (!isTaken || attempt === ATTEMPTS) throw error;
    }
  }
}
