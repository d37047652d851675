import { QUICK_QUERY_MAX_MS } from './limits.ts';
import type { ScanJob } from './scan-job.ts';

/** Turns that queries of one rank wait while shorter ones take theirs. */
const SHORTER_IN_A_ROW = 4;

interface Tenant {
  jobs: number;
  /** CPU of ended units since it has jobs, on a scale that all tenants share, ms. */
  used_ms: number;
  /** Estimated CPU of the units that run, ms. */
  running_ms: number;
}

/**
 * Whose unit is next: quick queries before short ones before long ones, then the tenant that had the least time
 * (start-time fair queueing: Goyal, Vin, Cheng, 1996), then the query of it that had the least. Who waits for shorter
 * ones has every fifth turn. Jobs are few: the admission bounds them.
 */
export class Turns {
  readonly #jobs = new Set<ScanJob>();
  readonly #tenants = new Map<string, Tenant>();
  /** By rank: turns that it waited while it could have had them. */
  readonly #waited = [0, 0, 0];

  add(job: ScanJob): void {
    const { tenant: name } = job;
    const tenant = this.#tenants.get(name);
    if (tenant !== undefined) tenant.jobs++;
    else {
      // Time that it did not use before counts for nothing.
      const others = [...this.#tenants.values()].map(({ used_ms }) => used_ms);
      this.#tenants.set(name, {
        jobs: 1,
        used_ms: others.length === 0 ? 0 : Math.min(...others),
        running_ms: 0,
      });
    }
    this.#jobs.add(job);
  }

  remove(job: ScanJob): void {
    if (!this.#jobs.delete(job)) return;
    const tenant = this.#tenants.get(job.tenant);
    if (tenant !== undefined && --tenant.jobs === 0) this.#tenants.delete(job.tenant);
  }

  /** The job whose next unit is to run, of those whose unit takes at most `unitMax_ms`. */
  next(unitMax_ms: number): ScanJob | undefined {
    const jobs = this.#waited.map((_, rank) => this.#least(rank, unitMax_ms));
    const due = jobs.findLastIndex(
      (job, rank) => job !== undefined && (this.#waited[rank] as number) >= SHORTER_IN_A_ROW,
    );
    const chosen = due >= 0 ? due : jobs.findIndex((job) => job !== undefined);
    for (const [rank, job] of jobs.entries())
      this.#waited[rank] = job === undefined || rank === chosen ? 0 : (this.#waited[rank] as number) + 1;
    return jobs[chosen];
  }

  /** The job whose next unit is to run while one of `than` makes room, of those whose unit takes at most `unitMax_ms`. */
  nextBefore(than: ScanJob, unitMax_ms: number): ScanJob | undefined {
    const rank = rankOf(than);
    const quick = rank > 0 ? this.#least(0, unitMax_ms) : undefined;
    return quick ?? (rank > 1 ? this.#least(1, unitMax_ms) : undefined);
  }

  /** A unit of the job begins, of this estimated time. */
  begin(job: ScanJob, estimated_ms: number): void {
    const tenant = this.#tenants.get(job.tenant);
    if (tenant !== undefined) tenant.running_ms += estimated_ms;
  }

  /** It has ended, and took this long. */
  end(job: ScanJob, estimated_ms: number, taken_ms: number): void {
    job.used_ms += taken_ms;
    const tenant = this.#tenants.get(job.tenant);
    if (tenant === undefined) return;
    tenant.running_ms -= estimated_ms;
    tenant.used_ms += taken_ms;
  }

  #least(rank: number, unitMax_ms: number): ScanJob | undefined {
    let found: ScanJob | undefined;
    for (const job of this.#jobs) {
      if (rankOf(job) !== rank || (job.next_ms ?? Number.POSITIVE_INFINITY) > unitMax_ms) continue;
      if (found === undefined || this.#isBefore(job, found)) found = job;
    }
    return found;
  }

  #isBefore(a: ScanJob, b: ScanJob): boolean {
    const [of_a, of_b] = [this.#usedBy(a), this.#usedBy(b)];
    return of_a === of_b ? a.used_ms < b.used_ms : of_a < of_b;
  }

  #usedBy({ tenant }: ScanJob): number {
    const { used_ms = 0, running_ms = 0 } = this.#tenants.get(tenant) ?? {};
    return used_ms + running_ms;
  }
}

/** 0 goes first. */
function rankOf({ lane, cost_ms }: ScanJob): number {
  if (lane === 'long') return 2;
  return cost_ms <= QUICK_QUERY_MAX_MS ? 0 : 1;
}
