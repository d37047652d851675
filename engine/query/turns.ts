import type { Lane } from './limits.ts';
import type { ScanJob } from './scan-job.ts';

/** Turns that short queries take while long ones wait, before a long one has its turn. */
const SHORT_IN_A_ROW = 4;

interface Tenant {
  jobs: number;
  /** CPU of ended units since it has jobs, on a scale that all tenants share, ms. */
  used_ms: number;
  /** Estimated CPU of the units that run, ms. */
  running_ms: number;
}

/**
 * Whose unit is next: short queries before long ones, then the tenant that had the least time (start-time fair
 * queueing: Goyal, Vin, Cheng, 1996), then the query of it that had the least. Jobs are few: the admission bounds them.
 */
export class Turns {
  readonly #jobs = new Set<ScanJob>();
  readonly #tenants = new Map<string, Tenant>();
  #short = 0;

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
    const long = this.#least('long', unitMax_ms);
    const isLongsTurn = long !== undefined && this.#short >= SHORT_IN_A_ROW;
    const short = isLongsTurn ? undefined : this.#least('short', unitMax_ms);
    this.#short = short !== undefined && long !== undefined ? this.#short + 1 : 0;
    return short ?? long;
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

  #least(lane: Lane, unitMax_ms: number): ScanJob | undefined {
    let found: ScanJob | undefined;
    for (const job of this.#jobs) {
      if (job.lane !== lane || (job.next_ms ?? Number.POSITIVE_INFINITY) > unitMax_ms) continue;
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
