import type { KeyValueStore } from '../../engine/index.ts';
import type { JobBoard, JobEntry } from './job-board.ts';
import { finished } from './job-changes.ts';
import type { JobFiles } from './job-files.ts';
import { FINISHED_KEPT_MS, FINISHED_MAX_JOBS, type JobTimes } from './job-limits.ts';
import { isFinished } from './job-record.ts';
import type { Members } from './members.ts';

interface SweepParts {
  readonly board: JobBoard;
  readonly errors: KeyValueStore;
  readonly members: Members;
  readonly files: JobFiles;
  readonly times: JobTimes;
  readonly monotonic: () => number;
}

/** Removes what has had its time: finished jobs, their files, processes; fails what nobody can run. */
export class JobSweep {
  readonly #parts: SweepParts;
  /** Jobs that no process can run, since when, ms. */
  readonly #stranded = new Map<string, number>();

  constructor(parts: SweepParts) {
    this.#parts = parts;
  }

  async run(now_ms: number): Promise<void> {
    await this.#parts.members.sweep();
    await this.#failStranded(now_ms);
    await this.#forgetFinished(now_ms);
    await this.#sweepFiles(now_ms);
  }

  async #failStranded(now_ms: number): Promise<void> {
    const { board, members, times, monotonic } = this.#parts;
    const stranded = [...board.entries()].filter(
      ({ record }) => record.status === 'queued' && !members.hasRunner(record.type, record.disk),
    );
    const ids = new Set(stranded.map(({ record }) => record.job_id));
    for (const job_id of [...this.#stranded.keys()]) if (!ids.has(job_id)) this.#stranded.delete(job_id);
    for (const { record, revision } of stranded) {
      const since_ms = this.#stranded.get(record.job_id) ?? monotonic();
      this.#stranded.set(record.job_id, since_ms);
      if (monotonic() - since_ms < times.no_runner_ms) continue;
      const error = members.hasRunner(record.type, null)
        ? {
            code: 'host_lost',
            message: 'What the job reads lies on the disk of a host that has not come back. Start it again.',
          }
        : { code: 'unknown_job_type', message: `No process knows jobs of type "${record.type}".` };
      await board.update(finished(record, { status: 'failed', now_ms, error }), revision);
    }
  }

  async #forgetFinished(now_ms: number): Promise<void> {
    const byTenant = new Map<string, JobEntry[]>();
    for (const entry of this.#parts.board.entries()) {
      if (!isFinished(entry.record)) continue;
      const { tenant } = entry.record;
      const known = byTenant.get(tenant);
      if (known === undefined) byTenant.set(tenant, [entry]);
      else known.push(entry);
    }
    for (const entries of byTenant.values()) {
      entries.sort((a, b) => finishedAt(a) - finishedAt(b));
      const many = entries.length - FINISHED_MAX_JOBS;
      for (const [index, entry] of entries.entries()) {
        if (index >= many && now_ms - finishedAt(entry) < FINISHED_KEPT_MS) break;
        if (await this.#parts.board.remove(entry)) await this.#parts.errors.delete(entry.record.job_id);
      }
    }
  }

  async #sweepFiles(now_ms: number): Promise<void> {
    const { board, files } = this.#parts;
    const jobOf = (name: string) => board.known(name.split('.')[0] ?? '')?.record;
    const isExpired = (name: string): boolean => {
      const file = jobOf(name)?.file;
      return file?.name === name && file.expires_at_ms <= now_ms;
    };
    const keeps = (name: string): boolean => {
      const job = jobOf(name);
      if (job === undefined) return false;
      return isFinished(job) ? job.file?.name === name && !isExpired(name) : true;
    };
    await files.sweep(keeps, isExpired, now_ms);
  }
}

const finishedAt = ({ record }: JobEntry): number => record.finished_at_ms ?? 0;
