import { z } from 'zod';
import { type KpiQuery, kpiSchemaOf, saysKnownMembers } from '../../../analytics/index.ts';
import { ApiError, errorsOf } from '../../http/index.ts';
import { MAX_SCAN_PAYLOADS, searchBody } from '../events/index.ts';

/** Of a search: what says which events, and as of when. */
const eventsQuerySchema = z
  .strictObject({
    ...{ query: searchBody.shape.query, text: searchBody.shape.text },
    ...{ from: searchBody.shape.from, to: searchBody.shape.to, as_of: searchBody.shape.as_of },
    order: z.enum(['asc', 'desc']).default('asc').describe('By event time'),
  })
  .describe('As the body of POST /events/search; {} are all events');
export type EventsQuery = z.output<typeof eventsQuerySchema>;

const FORMATS = ['ndjson', 'csv'] as const;

/** A query is checked by its own schema, which its members name. */
export const exportBody = z.strictObject({
  query: z.looseObject({}),
  format: z.enum(FORMATS).default('ndjson'),
  compression: z.boolean().default(false),
  destination: z.string().max(2_048).optional(),
  dry_run: z.boolean().optional(),
});
export type ExportBody = z.output<typeof exportBody>;

export function documentedExport(custom: readonly string[]) {
  return exportBody.extend({
    query: z
      .union([kpiSchemaOf(custom), eventsQuerySchema])
      .describe('A KPI query where it has `metrics`, else events'),
    compression: exportBody.shape.compression.describe('Packed by gzip'),
    destination: exportBody.shape.destination.describe('Not supported yet: the file is downloaded'),
    dry_run: exportBody.shape.dry_run.describe('Checks it and answers the plan, without making a job'),
  });
}

/** What an export job is told. */
export type ExportInput = Pick<ExportBody, 'format' | 'compression'> &
  (
    | {
        readonly of: 'events';
        readonly query: EventsQuery;
        /** Members of events that are masked for who asked for it; older jobs have none. */
        readonly masked?: readonly string[];
      }
    | { readonly of: 'kpis'; readonly query: KpiQuery }
  );

/** Which query it is, checked. Throws ApiError 422. */
export function exportInput(
  { query, format, compression, destination }: ExportBody,
  custom: readonly string[],
): ExportInput {
  if (destination !== undefined) {
    const message = 'is not supported: leave it out, and download the file by its link';
    throw new ApiError('not_supported', `destination ${message}.`, {
      errors: [{ path: 'destination', message }],
    });
  }
  return 'metrics' in query
    ? { of: 'kpis', query: checked(kpiSchemaOf(custom), query), format, compression }
    : { of: 'events', query: checked(eventsQuerySchema, query), format, compression };
}

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
