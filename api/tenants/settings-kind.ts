import { z } from 'zod';
import {
  isTimeZone,
  MAX_RETENTION_DAYS,
  parsePath,
  SETTINGS_KIND_NAME,
  type TenantDefaults,
} from '../../analytics/index.ts';
import { type DefinitionKind, invalidMember } from '../../runtime/index.ts';

const WEEK_DAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const;
const MAX_PII_FIELDS = 100;

/** What a tenant has set; what is not there is the installation's. */
export const settingsSchema = z.strictObject({
  timezone: z
    .string()
    .max(64)
    .refine(isTimeZone, 'must be an IANA time zone such as Europe/Berlin')
    .optional()
    .describe('IANA name: days, weeks and months of queries that name no zone'),
  week_start: z.enum(WEEK_DAYS).optional().describe('First day of a week'),
  fiscal_month_start: z.int().min(1).max(12).optional().describe('Month with which quarters and years begin'),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code of three capitals, such as EUR')
    .optional()
    .describe('Money is converted to it where a query names no currency and does not ask by currency'),
  retention_days: z
    .int()
    .min(1)
    .max(MAX_RETENTION_DAYS)
    .optional()
    .describe(
      'Whole UTC days of events that are kept before the day of the newest one; what has gone stays gone',
    ),
  pii_fields: z
    .array(
      z
        .string()
        .regex(/^[^.\s]+(\.[^.\s]+)*$/, 'must be a path such as data.email')
        .max(256),
    )
    .max(MAX_PII_FIELDS)
    .optional()
    .describe('Paths into events that are masked in answers for roles below admin'),
});
export type TenantSettings = z.output<typeof settingsSchema>;

/** The settings of tenants: each has one definition of this name at most. */
export const SETTINGS_NAME = 'settings';
export const SETTINGS_KIND: DefinitionKind<TenantSettings> = {
  kind: SETTINGS_KIND_NAME,
  schema: settingsSchema,
  name: z.literal(SETTINGS_NAME),
  limit: 1,
  // Not in the schema: what an earlier version has stored is read, and masks more rather than nothing.
  check: ({ body }) => {
    const at = (body.pii_fields ?? []).findIndex((field) => parsePath(field) === undefined);
    if (at < 0) return;
    const field = JSON.stringify(body.pii_fields?.[at]);
    throw invalidMember(
      `pii_fields.${at}`,
      `is ${field}: it must be a path such as data.email or items[].name, a \\ before a dot or bracket of a name`,
    );
  },
};

/** What queries take of them; undefined where there is nothing. */
export function defaultsOf(settings: TenantSettings | undefined): TenantDefaults | undefined {
  const { timezone, week_start, fiscal_month_start, currency } = settings ?? {};
  const defaults: TenantDefaults = {
    ...(timezone === undefined ? {} : { timezone }),
    ...(week_start === undefined ? {} : { weekStart: WEEK_DAYS.indexOf(week_start) + 1 }),
    ...(fiscal_month_start === undefined ? {} : { fiscalMonth: fiscal_month_start }),
    ...(currency === undefined ? {} : { currency }),
  };
  return Object.keys(defaults).length === 0 ? undefined : defaults;
}
