import { z } from 'zod';
import {
  type KpiQuery,
  kpiSchemaOf,
  relativeRangeSchema,
  saysKnownMembers,
} from '../../../analytics/index.ts';
import { type Destination, destinationSchema, TABLE_FORMATS } from '../../../runtime/index.ts';
import { ApiError, errorsOf, type Permission } from '../../http/index.ts';
import { MAX_SCAN_PAYLOADS, searchBody } from '../events/index.ts';
import { overridesSchema, type QueryType, queryTypeSchema } from '../queries/index.ts';
import type { Seam } from './seam.ts';

/** Of a search: what says which events, and as of when. */
const eventsQuerySchema = z
  .strictObject({
    ...{ query: searchBody.shape.query, text: searchBody.shape.text },
    ...{ from: searchBody.shape.from, to: searchBody.shape.to, as_of: searchBody.shape.as_of },
    order: z.enum(['asc', 'desc']).default('asc').describe('By event time'),
  })
  .describe('As the body of POST /events/search; {} are all events');
export type EventsQuery = z.output<typeof eventsQuerySchema>;

/** What goes into which file, and where that goes: of an export and of a report. */
export const exportTarget = {
  query: z.looseObject({}).optional(),
  type: queryTypeSchema.optional(),
  query_id: z.string().max(128).optional(),
  range: relativeRangeSchema.optional(),
  overrides: overridesSchema.optional(),
  format: z.enum(TABLE_FORMATS).default('ndjson'),
  compression: z.boolean().default(false),
  destination: destinationSchema.optional(),
};

/** A query is checked by its own schema, which its members name. */
export const exportBody = z.strictObject({ ...exportTarget, dry_run: z.boolean().optional() });
export type ExportBody = z.output<typeof exportBody>;

export function documentedExport(custom: readonly string[]) {
  return exportBody.extend({
    query: z
      .union([kpiSchemaOf(custom), eventsQuerySchema, z.looseObject({})])
      .optional()
      .describe(
        'The body of the route that `type` names; without a type a KPI query where it has `metrics`, else events',
      ),
    type: exportBody.shape.type.describe('As of a saved query'),
    query_id: exportBody.shape.query_id.describe('A saved query, in place of `query`'),
    overrides: exportBody.shape.overrides.describe('Of the saved query'),
    compression: exportBody.shape.compression.describe('Packed by gzip; Parquet and XLSX are packed already'),
    dry_run: exportBody.shape.dry_run.describe('Checks it and answers the plan, without making a job'),
  });
}

/** What an export job is told. */
export type ExportInput = Pick<ExportBody, 'format' | 'compression'> & {
  readonly destination?: Destination | undefined;
} & (
    | {
        readonly of: 'events';
        readonly query: EventsQuery;
        /** Members of events that are masked for who asked for it; older jobs have none. */
        readonly masked?: readonly string[];
      }
    | {
        readonly of: 'kpis';
        readonly query: KpiQuery;
        /** What changed since another file, in place of the whole answer. */
        readonly seam?: Seam;
      }
    | {
        readonly of: 'family';
        readonly type: QueryType;
        /** The body of its route. */
        readonly query: Readonly<Record<string, unknown>>;
        /** Of who asked for it. */
        readonly permissions: readonly Permission[];
      }
  );

/** A query that is ready to be asked as the input of an export; its type decides of what form. */
export function inputOf(
  type: QueryType,
  query: Readonly<Record<string, unknown>>,
  permissions: readonly Permission[],
  custom: readonly string[],
): { of: 'events'; query: EventsQuery } | { of: 'kpis'; query: KpiQuery } | FamilyInput {
  if (type === 'kpis') return { of: 'kpis', query: checked(kpiSchemaOf(custom), query) };
  if (type === 'events') return { of: 'events', query: checked(eventsQuerySchema, query) };
  return { of: 'family', type, query, permissions };
}
type FamilyInput = Pick<ExportInput & { readonly of: 'family' }, 'of' | 'type' | 'query' | 'permissions'>;

function checked<T>(schema: z.ZodType<T>, query: unknown): T {
  const parsed = schema.safeParse(query, { error: saysKnownMembers });
  if (parsed.success) return parsed.data;
  const errors = errorsOf(parsed.error, 'query');
  const [first] = errors;
  throw new ApiError('validation_failed', `The query is not valid. ${first?.path}: ${first?.message}`, {
    errors,
  });
}

/** As a search asks, whose page has no end. */
export function searchOf(query: EventsQuery): z.output<typeof searchBody> {
  return { ...query, limit: 1, max_scan: MAX_SCAN_PAYLOADS };
}
