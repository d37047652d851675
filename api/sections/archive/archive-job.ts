import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { type Clock, MillraceError } from '../../../engine/index.ts';
import type { ArchiveOutcome, JobKind, Jobs } from '../../../runtime/index.ts';
import { ApiError, type ApiPorts } from '../../http/index.ts';

export const ARCHIVE_JOB = 'archive';
const PAUSE_MS = 500;

export interface ArchiveJobParts {
  readonly port: NonNullable<ApiPorts['archive']>;
  readonly clock: Clock;
  readonly log: ApiPorts['log'];
}

export const archiveInput = z.object({
  /** Messages that were stored before are archived. */
  before_ms: z.number(),
  isTrimmed: z.boolean(),
});
export type ArchiveInput = z.infer<typeof archiveInput>;

const COUNTS = ['segments', 'messages', 'rows', 'files', 'bytes'] as const;
const countsSchema = z.object({
  segments: z.int(),
  messages: z.int(),
  rows: z.int(),
  files: z.int(),
  bytes: z.int(),
});
type Counts = z.infer<typeof countsSchema>;

/** What attempts before this one have done, and this one. */
const added = (before: Counts | undefined, now: Counts): Counts =>
  ({
    ...Object.fromEntries(COUNTS.map((name) => [name, (before?.[name] ?? 0) + now[name]])),
  }) as Counts;

/**
 * Archives old events, and lets them go from the stream. It goes on where an attempt before it has ended, and by itself
 * behind what passes: another owner of the archive, a bucket or NATS that does not answer.
 */
export function archiveKind({ port, clock, log }: ArchiveJobParts): JobKind {
  return {
    type: ARCHIVE_JOB,
    lane: 'backfill',
    run: async ({ record, signal, advance }) => {
      const input = archiveInput.parse(record.input);
      let counts = countsSchema.safeParse(record.state).data;
      let missed: ArchiveOutcome['missed'] = null;
      for (;;) {
        signal.throwIfAborted();
        const before = counts;
        try {
          const outcome = await port.run({
            ...{ ...input, signal, now_ms: clock.now() },
            onProgress: (report) => {
              missed ??= report.missed;
              counts = added(before, report);
              advance({ done: counts.messages, total: null, unit: 'messages', state: counts });
            },
          });
          return {
            result: resultOf(added(before, outcome), { ...outcome, missed: missed ?? outcome.missed }),
          };
        } catch (error) {
          if (!(error instanceof MillraceError) || !error.retriable) throw error;
          log.warn({ err: error, job_id: record.job_id }, 'archiving waits');
          await sleep(PAUSE_MS, undefined, { signal });
        }
      }
    },
  };
}

function resultOf(
  counts: Counts,
  { archived_through, missed, trimmed_through, held_back }: ArchiveOutcome,
): object {
  return { ...counts, archived_through, trimmed_through, held_back, missed };
}

/** One at a time: two would write the same files. Throws `backfill_running`. */
export function requireNoArchiving(jobs: Pick<Jobs, 'openOf'>): void {
  const [other] = jobs.openOf([ARCHIVE_JOB]);
  if (other === undefined) return;
  throw new ApiError(
    'backfill_running',
    `Events are being archived already: ${other.job_id}. Wait until that has ended, or cancel it.`,
  );
}
