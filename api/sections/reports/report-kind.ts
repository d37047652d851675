import { Cron } from 'croner';
import { z } from 'zod';
import { isTimeZone } from '../../../analytics/index.ts';
import {
  type DefinitionKind,
  type FileSenders,
  invalidMember,
  type KindDefinitions,
  requireDestination,
} from '../../../runtime/index.ts';
import { exportTarget } from '../exports/index.ts';
import type { QueryDefinition, QueryFamilies } from '../queries/index.ts';

/** A schedule runs at most so often, ms. */
const MIN_PERIOD_MS = 60_000;

/** The times of a schedule; undefined where it is none. Five fields: seconds are not taken. */
export function cronOf(schedule: string, timezone: string): Cron | undefined {
  if (schedule.trim().split(/\s+/).length !== 5) return undefined;
  try {
    return new Cron(schedule, { timezone, mode: '5-part' });
  } catch {
    return undefined;
  }
}

/** When something comes to pass. */
export type Schedule = Pick<Report, 'schedule' | 'timezone'>;

/** When a report is due the next time, ms; undefined: never. */
export function nextRun({ schedule, timezone }: Schedule, after_ms: number): number | undefined {
  return cronOf(schedule, timezone)?.nextRun(new Date(after_ms))?.getTime();
}

export const isSchedule = (schedule: string): boolean => {
  const next = cronOf(schedule, 'UTC')?.nextRuns(2) ?? [];
  const [first, second] = next;
  if (first === undefined) return false;
  return second === undefined || second.getTime() - first.getTime() >= MIN_PERIOD_MS;
};

export const scheduleSchema = z
  .string()
  .max(128)
  .refine(isSchedule, 'must be a cron expression of five fields that comes to pass, such as "0 6 * * 1"')
  .describe('Minute, hour, day of month, month, day of week');
export const scheduleZoneSchema = z
  .string()
  .max(64)
  .refine(isTimeZone, 'must be an IANA time zone such as Europe/Berlin')
  .default('UTC')
  .describe(
    'Of the schedule; what a change of the clock leaves out runs right behind it, what comes twice runs once',
  );

export const reportSchema = z.strictObject({
  ...exportTarget,
  format: exportTarget.format.default('csv'),
  schedule: scheduleSchema,
  timezone: scheduleZoneSchema,
  missed: z
    .enum(['run_once', 'skip'])
    .default('run_once')
    .describe('What becomes of times that passed while the service stood: the last of them runs, or none'),
  seam: z
    .boolean()
    .default(false)
    .describe(
      'Each file has what changed since the one before, late events and edits of old buckets too: files merged by their ' +
        'key columns, of which the row with the largest `as_of` counts, are the numbers of the API. Of a KPI query with ' +
        'a `start` and without an `end`',
    ),
  enabled: z.boolean().default(true),
});
export type Report = z.output<typeof reportSchema>;

/** In place of the end that a seam gives each run. */
export const SEAM_END = '2099-01-01T00:00:00Z';

/** Refuses what has no rows that can be told apart, or another range each time. */
export function requireSeam({
  query,
  query_id,
  type,
  range,
}: Partial<Pick<Report, 'query' | 'query_id' | 'type' | 'range'>>): void {
  if (query === undefined || query_id !== undefined || (type !== undefined && type !== 'kpis')) {
    throw invalidMember('seam', 'is for a KPI query of the report itself');
  }
  if (range !== undefined || query.end !== undefined) {
    throw invalidMember('seam', 'gives each run its end: name only the `start`');
  }
  for (const member of ['compare', 'other', 'as_of', 'order_by']) {
    if (member in query) throw invalidMember(`query.${member}`, 'cannot be given with `seam`');
  }
}

/** Exports that are made again and again. */
export function reportKind(
  saved: Pick<KindDefinitions<QueryDefinition>, 'get'>,
  senders: FileSenders,
  families: QueryFamilies,
): DefinitionKind<Report> {
  return {
    kind: 'report',
    schema: reportSchema,
    check: ({ tenant, body }) => {
      const { query, query_id, type, range, destination } = body;
      if ((query === undefined) === (query_id === undefined)) {
        throw invalidMember('query', 'must be given, or `query_id`, and not both');
      }
      if (query_id !== undefined && saved.get(tenant, query_id) === undefined) {
        throw invalidMember('query_id', `names no saved query: "${query_id}"`);
      }
      if (body.seam) requireSeam(body);
      if (query !== undefined) {
        const ofWhat = type ?? ('metrics' in query ? 'kpis' : 'events');
        families.check(tenant, {
          type: ofWhat,
          query: body.seam ? { ...query, end: SEAM_END } : query,
          anchor: 'now',
          ...(range === undefined ? {} : { range }),
        });
      }
      requireDestination(senders, destination);
    },
  };
}
