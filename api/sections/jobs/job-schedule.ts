import { createHash } from 'node:crypto';
import { Cron } from 'croner';
import { asMillraceError, MillraceError } from '../../../engine/index.ts';
import type { JobRecord, Jobs } from '../../../runtime/index.ts';
import { type ApiPorts, DEFAULT_TENANT } from '../../http/index.ts';

/** How often it is looked whether it is time, ms. */
const LOOK_MS = 5_000;

export interface ScheduledJob {
  readonly type: string;
  /** The setting with the schedule, for who has to correct it. */
  readonly setting: string;
  /** A cron expression of five fields, in UTC; undefined: never. */
  readonly schedule: string | undefined;
  readonly inputOf: (due_ms: number) => unknown;
}

export interface ScheduleParts {
  readonly ports: Pick<ApiPorts, 'clock' | 'log'>;
  readonly jobs: Pick<Jobs, 'create' | 'get' | 'openOf'>;
}

/**
 * Makes jobs of the installation by schedule. A job is named after the time that it was due at: any number of processes
 * make one, and one that was missed is made up for.
 */
export class JobSchedule {
  readonly #parts: ScheduleParts;
  readonly #job: ScheduledJob;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  /** The time that was seen to last. */
  #done_ms: number | undefined;
  /** The paused job that was told of. */
  #said_job_id: string | undefined;

  constructor(parts: ScheduleParts, job: ScheduledJob) {
    this.#parts = parts;
    this.#job = job;
  }

  /** Throws `bad_setting` for a schedule that is none. */
  start(): void {
    const { schedule, setting } = this.#job;
    if (schedule === undefined) return;
    const cron = cronOf(schedule, setting);
    const look = (): void => {
      this.#looking ??= this.#look(cron).finally(() => {
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

  async #look(cron: Cron): Promise<void> {
    const { jobs, ports } = this.#parts;
    const { type, inputOf } = this.#job;
    const due_ms = dueAt(cron, ports.clock.now());
    if (due_ms === undefined || due_ms === this.#done_ms) return;
    // One that runs, or waits, does it too.
    const [open] = jobs.openOf([type]);
    if (open !== undefined) {
      this.#sayPaused(open);
      return;
    }
    const job_id = jobIdOf(type, due_ms);
    try {
      if (!(await this.#isMade(job_id))) {
        const of = { job_id, tenant: DEFAULT_TENANT, type, created_by: 'schedule' };
        await jobs.create({ ...of, input: inputOf(due_ms) });
      }
      this.#done_ms = due_ms;
    } catch (error) {
      ports.log.warn({ err: error, type, due_ms }, 'a job by schedule could not be begun; it is tried again');
    }
  }

  /** Once: whoever paused it may have forgotten that nothing is made by schedule meanwhile. */
  #sayPaused({ job_id, status, type }: JobRecord): void {
    if (status !== 'paused' || this.#said_job_id === job_id) return;
    this.#said_job_id = job_id;
    const message =
      'a job that is paused keeps its schedule from making the next one: resume it, or cancel it';
    this.#parts.ports.log.warn({ job_id, type, setting: this.#job.setting }, message);
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

function cronOf(schedule: string, setting: string): Cron {
  try {
    return new Cron(schedule, { timezone: 'UTC', mode: '5-part' });
  } catch (cause) {
    throw new MillraceError(
      'bad_setting',
      `Bad setting: ${setting} is no cron expression: "${schedule}". Correct it and start again.`,
      { cause },
    );
  }
}

/** The last time of the schedule up to now. */
function dueAt(cron: Cron, now_ms: number): number | undefined {
  // The library looks before its reference, by whole seconds.
  const found = cron.previousRuns(2, new Date(now_ms + 1_000));
  return found.map((due) => due.getTime()).find((due_ms) => due_ms <= now_ms);
}

function jobIdOf(type: string, due_ms: number): string {
  return `job_${createHash('sha256').update(`${type}@${due_ms}`).digest('hex').slice(0, 32)}`;
}
