import { createHash } from 'node:crypto';
import { Cron } from 'croner';
import { asMillraceError, MillraceError } from '../../../engine/index.ts';
import type { Jobs } from '../../../runtime/index.ts';
import { type ApiPorts, DEFAULT_TENANT } from '../../http/index.ts';
import { ARCHIVE_JOB, type ArchiveInput } from './archive-job.ts';

/** How often it is looked whether it is time, ms. */
const LOOK_MS = 5_000;

interface ArchiveWatchParts {
  readonly ports: Pick<ApiPorts, 'settings' | 'clock' | 'log' | 'archive'>;
  readonly jobs: Jobs;
}

/**
 * Archives by schedule. A job is named after the time that it was due at: any number of processes make one, and one that
 * was missed is made up for.
 */
export class ArchiveWatch {
  readonly #parts: ArchiveWatchParts;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  /** The time that was seen to last. */
  #done_ms: number | undefined;

  constructor(parts: ArchiveWatchParts) {
    this.#parts = parts;
  }

  /** Throws `bad_setting` for a schedule that is none. */
  start(): void {
    const { archive, settings } = this.#parts.ports;
    if (archive === undefined || settings.archive.after_ms === undefined) return;
    dueAt(settings.archive.schedule, this.#parts.ports.clock.now());
    const look = (): void => {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined;
      });
    };
    look();
    this.#timer = setInterval(look, LOOK_MS).unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { jobs, ports } = this.#parts;
    const { after_ms, schedule } = ports.settings.archive;
    const due_ms = dueAt(schedule, ports.clock.now());
    if (due_ms === undefined || after_ms === undefined || due_ms === this.#done_ms) return;
    // One that runs, or waits, does it too.
    if (jobs.openOf([ARCHIVE_JOB]).length > 0) return;
    const job_id = jobIdOf(due_ms);
    try {
      if (!(await this.#isMade(job_id))) {
        const input: ArchiveInput = { before_ms: due_ms - after_ms, isTrimmed: true };
        await jobs.create({
          job_id,
          tenant: DEFAULT_TENANT,
          type: ARCHIVE_JOB,
          created_by: 'schedule',
          input,
        });
      }
      this.#done_ms = due_ms;
    } catch (error) {
      ports.log.warn({ err: error, due_ms }, 'archiving by schedule could not be begun; it is tried again');
    }
  }

  async #isMade(job_id: string): Promise<boolean> {
    try {
      await this.#parts.jobs.get(DEFAULT_TENANT, job_id);
      return true;
    } catch (error) {
      if (asMillraceError(error).code === 'not_found') return false;
      throw error;
    }
  }
}

function cronOf(schedule: string): Cron {
  try {
    return new Cron(schedule, { timezone: 'UTC', mode: '5-part' });
  } catch (cause) {
    throw new MillraceError(
      'bad_setting',
      `Bad setting: ARCHIVE_SCHEDULE is no cron expression: "${schedule}". Correct it and start again.`,
      { cause },
    );
  }
}

/** The last time of the schedule up to now. */
function dueAt(schedule: string, now_ms: number): number | undefined {
  const cron = cronOf(schedule);
  // The library looks before its reference, by whole seconds.
  const found = cron.previousRuns(2, new Date(now_ms + 1_000));
  return found.map((due) => due.getTime()).find((due_ms) => due_ms <= now_ms);
}

function jobIdOf(due_ms: number): string {
  return `job_${createHash('sha256').update(`archive@${due_ms}`).digest('hex').slice(0, 32)}`;
}
