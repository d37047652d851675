import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { LOG_UPKEEP_KIND } from '../../../analytics/index.ts';
import { CONTROL_TABLE, type LogUpkeepMode, MillraceError, readApplied } from '../../../engine/index.ts';
import type { JobKind, JobOutcome, JobRecord, RunningJob } from '../../../runtime/index.ts';
import type { ApiPorts } from '../../http/index.ts';
import { patiently } from '../jobs/index.ts';
import { dueRows, type LookParts, lookAt, spaceOf, stateOf, type UpkeepLook } from './upkeep-look.ts';
import { type PlanParts, planOf, planSchema, reportOf, type UpkeepPlan } from './upkeep-report.ts';
import { askFor, takeBack, type UpkeepRequests } from './upkeep-request.ts';

/** How often it is looked how far the task is, ms. */
const LOOK_MS = 250;
/** A task that has not taken the request for so long does not run, ms. */
const TAKEN_MS = 600_000;

export const UPKEEP_MODES = ['retention', 'compaction'] as const;

export const upkeepInput = z.object({
  tenants: z.array(z.string()).optional(),
  min_free_share: z.number().optional(),
});
export type UpkeepInput = z.infer<typeof upkeepInput>;

const stateSchema = z.object({ plan: planSchema, shrinks: z.boolean() });

export interface UpkeepParts extends Omit<PlanParts, 'mode' | 'settings'> {
  readonly ports: Pick<ApiPorts, 'reader' | 'backfill' | 'settings' | 'clock' | 'log'>;
  readonly requests: UpkeepRequests;
}

/** The job of a mode, which is its type too. */
export function upkeepKind(mode: LogUpkeepMode, parts: UpkeepParts): JobKind {
  return {
    type: mode,
    lane: 'backfill',
    run: (job) => new Upkeep(mode, parts, job).run(),
    dispose: async (record) => {
      await takeBack(parts.requests, record);
      await parts.ports.backfill?.discard(reasonOf(record));
    },
  };
}

/** Of this job alone: an attempt that was interrupted goes on with its copy. */
const reasonOf = ({ job_id }: Pick<JobRecord, 'job_id'>): string => `job ${job_id}`;

/**
 * Asks the task for upkeep of the event log, waits until that is done, and lets free pages go. The task alone changes
 * the log, a piece a commit, so events come in meanwhile and a crash undoes nothing that was said to be done.
 */
class Upkeep {
  readonly #mode: LogUpkeepMode;
  readonly #parts: UpkeepParts;
  readonly #job: RunningJob;
  readonly #input: UpkeepInput;

  constructor(mode: LogUpkeepMode, parts: UpkeepParts, job: RunningJob) {
    this.#mode = mode;
    this.#parts = parts;
    this.#job = job;
    this.#input = upkeepInput.parse(job.record.input);
  }

  get #looking(): LookParts {
    return { ports: this.#parts.ports, mode: this.#mode, tenants: this.#input.tenants };
  }

  async run(): Promise<JobOutcome> {
    const looking = this.#looking;
    const begun = await this.#patiently(() => lookAt(looking));
    const { ports, tenants } = this.#parts;
    const planning = { mode: this.#mode, settings: ports.settings, tenants };
    const before = stateSchema.safeParse(this.#job.record.state).data;
    const plan = before?.plan ?? planOf(planning, begun, spaceOf(looking));
    if (before?.shrinks !== true) await this.#keepUp(plan, begun);
    await this.#shrink(plan);
    return { result: reportOf(this.#mode, plan, lookAt(looking), spaceOf(looking)) };
  }

  /** Waits until nothing is left of what was due at the beginning. */
  async #keepUp(plan: UpkeepPlan, begun: UpkeepLook): Promise<void> {
    const { requests, ports } = this.#parts;
    const { record } = this.#job;
    const { tenants } = this.#input;
    const asked = { job_id: record.job_id, tenant: record.tenant, mode: this.#mode, tenants };
    try {
      for (let since = begun; dueRows(since) > 0; ) {
        // What was asked before the look may be about fewer segments than it saw: what is waited for would not come.
        await this.#patiently(() => takeBack(requests, asked));
        const id = await this.#patiently(() => askFor(requests, asked));
        since = await this.#waitFor(id, plan, since);
      }
    } finally {
      // What fails is made up for when the job is over, or goes on.
      await takeBack(requests, asked).catch((error: unknown) =>
        ports.log.warn({ err: error, job_id: record.job_id }, 'a request for upkeep could not be taken back'),
      );
    }
  }

  /**
   * The look that found nothing due any more of what was there at `since`, or that it has to be asked again: another
   * generation has other segments, of which all count, or the request is gone.
   */
  async #waitFor(id: string, plan: UpkeepPlan, since: UpkeepLook): Promise<UpkeepLook> {
    const { requests, ports } = this.#parts;
    const { clock } = ports;
    const until_ms = clock.now() + TAKEN_MS;
    for (;;) {
      const isTaken = await this.#patiently(() => this.#isTaken(id));
      const look = await this.#patiently(() => lookAt(this.#looking, since));
      const left = dueRows(look);
      this.#advance(plan, plan.totals.rows - left, false);
      if (left === 0 || look.generation !== since.generation) return look;
      if (requests.get(this.#job.record.tenant, id) === undefined) return look;
      if (!isTaken && clock.now() > until_ms) {
        const message =
          'The pipeline has not taken the request for ten minutes: GET /health says what keeps it.';
        throw new MillraceError('upkeep_not_taken', message);
      }
      await sleep(LOOK_MS, undefined, { signal: this.#job.signal });
    }
  }

  /** Throws why the task has refused it. */
  #isTaken(id: string): boolean {
    const named = { kind: LOG_UPKEEP_KIND, scope: this.#job.record.tenant, id };
    const applied = stateOf(this.#parts.ports).reader.snapshot((table) =>
      readApplied(table(CONTROL_TABLE), named),
    );
    const [refusal] = applied?.refusals ?? [];
    if (refusal !== undefined) throw new MillraceError(refusal.code, refusal.message);
    return applied !== undefined;
  }

  async #shrink(plan: UpkeepPlan): Promise<void> {
    const { min_free_share } = this.#input;
    const { backfill } = this.#parts.ports;
    const space = spaceOf(this.#looking);
    if (min_free_share === undefined || backfill === undefined || space === undefined) return;
    if (space.free_bytes < min_free_share * space.file_bytes) return;
    this.#advance(plan, plan.totals.rows, true);
    const { signal, record } = this.#job;
    await backfill.shrink({ reason: reasonOf(record), signal });
  }

  #advance(plan: UpkeepPlan, done: number, shrinks: boolean): void {
    const { rows: total } = plan.totals;
    this.#job.advance({ done: Math.max(0, done), total, unit: 'rows', state: { plan, shrinks } });
  }

  #patiently<T>(work: () => T | Promise<T>): Promise<T> {
    return patiently({ signal: this.#job.signal, clock: this.#parts.ports.clock }, async () => await work());
  }
}
