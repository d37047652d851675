import { setTimeout as sleep } from 'node:timers/promises';
import { invariant } from '../../engine/index.ts';
import type { JobEntry } from './job-board.ts';
import { claimed, taken } from './job-changes.ts';
import type { JobKind } from './job-kind.ts';
import { type JobTimes, RUNNING_MAX_JOBS } from './job-limits.ts';
import { JOB_LANES, type JobLane } from './job-record.ts';
import { JobRun, type JobRunParts } from './job-run.ts';
import type { Members } from './members.ts';

export interface JobWorkerParts extends JobRunParts {
  readonly members: Members;
  readonly process: string;
  readonly disk: string;
  readonly times: JobTimes;
  readonly kinds: ReadonlyMap<string, JobKind>;
}

/**
 * Runs jobs in this process: claims what waits, lane by lane, the tenant that was served longest ago first; keeps its
 * lease and its checkpoints; takes jobs from owners that are dead.
 */
export class JobWorker {
  readonly #parts: JobWorkerParts;
  readonly #stop = new AbortController();
  readonly #runs = new Map<string, { readonly run: JobRun; readonly done: Promise<void> }>();
  /** When a tenant was last served in a lane, as a count of claims. */
  readonly #served = new Map<string, number>();
  #claims = 0;
  #loops: Promise<unknown> | undefined;
  #claiming = false;
  #claimAgain = false;
  #strays: ReadonlySet<string> = new Set();
  takeovers = 0;

  constructor(parts: JobWorkerParts) {
    this.#parts = parts;
  }

  start(): void {
    const { board, times } = this.#parts;
    board.onChange((job_id, entry) => {
      this.#runs.get(job_id)?.run.heard(entry);
      if (entry === undefined || entry.record.status === 'queued') this.#claimSoon();
    });
    this.#loops = Promise.all([
      this.#every(times.tick_ms, 'a lease cannot be renewed', () => this.#renew()),
      this.#every(times.tick_ms, 'checkpoints cannot be kept', () => this.#flush()),
      this.#every(times.tick_ms, 'the bucket of jobs cannot be looked after', () => this.#repair()),
      this.#every(times.tick_ms, 'jobs of dead processes cannot be looked for', () => this.#takeOver()),
    ]);
    this.#claimSoon();
  }

  get isClosed(): boolean {
    return this.#stop.signal.aborted;
  }

  get running(): number {
    return this.#runs.size;
  }

  /** Interrupts what runs, gives it back and leaves; what does not end in time is taken over by its lease. */
  async close(): Promise<void> {
    this.#stop.abort();
    for (const { run } of this.#runs.values()) run.interrupt('stop');
    const { stop_ms } = this.#parts.times;
    const all = Promise.all([...[...this.#runs.values()].map(({ done }) => done), this.#loops]);
    const late = new AbortController();
    await Promise.race([
      all,
      sleep(stop_ms, undefined, { ref: false, signal: late.signal }).catch(() => undefined),
    ]);
    late.abort();
  }

  /** Runs `work` again and again; its failures are logged, and the next time may be better. */
  async #every(pause_ms: number, what: string, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await work();
      } catch (error) {
        if (!signal.aborted) this.#parts.log.warn({ err: error }, what);
      }
      await sleep(pause_ms, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async #renew(): Promise<void> {
    await this.#parts.members.renew(this.#runs.size > 0, [...this.#parts.kinds.keys()]);
  }

  async #flush(): Promise<void> {
    for (const { run } of this.#runs.values()) await run.flush();
  }

  /** Makes the buckets again where they were deleted; a job that this process owns and does not run waits anew. */
  async #repair(): Promise<void> {
    const { board, errors, process, clock } = this.#parts;
    await board.repair();
    await errors.ensure(0);
    const strays = [...board.entries()].filter(
      ({ record }) => record.owner?.process === process && !this.#runs.has(record.job_id),
    );
    for (const { record, revision } of strays) {
      if (this.#strays.has(record.job_id)) await board.update(taken(record, clock.now()), revision);
    }
    // One that is just being claimed is none at the next look.
    this.#strays = new Set(strays.map(({ record }) => record.job_id));
  }

  /** Takes every job whose owner is dead; one whose input lies elsewhere then waits for that place. */
  async #takeOver(): Promise<void> {
    const { board, members, process, clock, log } = this.#parts;
    const owned = [...board.entries()].filter(
      ({ record: { owner } }) => owner !== null && owner.process !== process,
    );
    const dead = await members.look(new Set(owned.map(({ record }) => record.owner?.process ?? '')));
    for (const { record, revision } of owned) {
      if (record.owner === null || !dead.has(record.owner.process)) continue;
      const { ok } = await board.update(taken(record, clock.now()), revision);
      if (!ok) continue;
      this.takeovers++;
      const { job_id, owner, attempt } = record;
      log.warn({ job_id, owner, attempt }, 'the process that ran a job is gone: the job is taken over');
    }
    // Claims that the bucket did not answer, and jobs whose kind or disk has come.
    this.#claimSoon();
  }

  #claimSoon(): void {
    this.#claimAgain = true;
    if (this.#claiming) return;
    this.#claiming = true;
    this.#claim()
      .catch((error: unknown) => {
        if (!this.isClosed) this.#parts.log.warn({ err: error }, 'a job cannot be claimed now');
      })
      .finally(() => {
        this.#claiming = false;
      });
  }

  async #claim(): Promise<void> {
    while (this.#claimAgain && !this.isClosed) {
      this.#claimAgain = false;
      for (const lane of JOB_LANES) while (await this.#claimOne(lane));
    }
  }

  /** Claims the next job of a lane; false: there is none, or no room. */
  async #claimOne(lane: JobLane): Promise<boolean> {
    const { board, process, disk, clock, members, kinds } = this.#parts;
    const running = [...this.#runs.values()].filter(({ run }) => run.lane === lane).length;
    if (this.isClosed || running >= RUNNING_MAX_JOBS[lane]) return false;
    const next = this.#next(lane);
    if (next === undefined) return false;
    // Before the claim: an owner without a lease would be dead.
    await members.renew(true, [...kinds.keys()]);
    const { record, revision } = next;
    const written = await board.update(claimed(record, { process, disk }, clock.now()), revision);
    if (this.isClosed || !written.ok) return !this.isClosed;
    this.#served.set(`${lane} ${record.tenant}`, ++this.#claims);
    this.#run(written.entry);
    return true;
  }

  #next(lane: JobLane): JobEntry | undefined {
    const { board, disk, kinds } = this.#parts;
    const servedAt = ({ record }: JobEntry): number => this.#served.get(`${lane} ${record.tenant}`) ?? 0;
    let best: JobEntry | undefined;
    for (const entry of board.entries()) {
      const { record } = entry;
      if (record.status !== 'queued' || record.lane !== lane || !kinds.has(record.type)) continue;
      if (record.disk !== null && record.disk !== disk) continue;
      if (this.#runs.has(record.job_id)) continue;
      const by = best === undefined ? 0 : servedAt(entry) - servedAt(best) || orderOf(entry, best);
      if (best === undefined || by < 0) best = entry;
    }
    return best;
  }

  #run(entry: JobEntry): void {
    const { kinds, log, disk } = this.#parts;
    const { job_id, type } = entry.record;
    const kind = kinds.get(type);
    invariant(kind !== undefined, 'only what this process runs is claimed');
    const run = new JobRun(this.#parts, kind, entry, disk);
    const done = run
      .run()
      .catch((error: unknown) => log.error({ err: error, job_id }, 'how a job ended cannot be kept'))
      .finally(() => {
        this.#runs.delete(job_id);
        this.#claimSoon();
      });
    this.#runs.set(job_id, { run, done });
  }
}

function orderOf({ record: a }: JobEntry, { record: b }: JobEntry): number {
  return a.created_at_ms - b.created_at_ms || (a.job_id < b.job_id ? -1 : 1);
}
