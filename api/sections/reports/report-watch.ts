import { asMillraceError } from '../../../engine/index.ts';
import type { Definition, JobRecord, Jobs, KindDefinitions } from '../../../runtime/index.ts';
import type { ApiPorts } from '../../http/index.ts';
import { EXPORT_JOB, type ExportMaking, hashOf, type SeamChain } from '../exports/index.ts';
import { Looking } from '../jobs/index.ts';
import type { FamilyAsker } from '../queries/index.ts';
import { analystFor } from './analyst.ts';
import { cronOf, nextRun, type Report, type Schedule } from './report-kind.ts';

/** How often it is looked for what is due, ms. */
const LOOK_MS = 1_000;
/** A time that is longer ago was missed, ms. */
const ON_TIME_MS = 120_000;
/** A time that is longer ago is not made up for: the jobs that would say that it was are forgotten after 30 days, ms. */
const MISSED_MAX_MS = 25 * 86_400_000;

export interface ReportParts {
  readonly ports: Pick<ApiPorts, 'clock' | 'log'>;
  readonly reports: KindDefinitions<Report>;
  readonly exporting: ExportMaking;
  readonly jobs: Jobs;
  readonly chain: SeamChain;
}

/**
 * Makes the export of each report when it is due. A run's job is named after the report and the time that it was due
 * at, so any number of processes make one, and a restart sees whether it was made.
 */
export class ReportWatch {
  readonly #parts: ReportParts;
  /** By the report's id what was seen to of its last revision, and when there is something again. */
  readonly #seen = new Map<string, { readonly revision: number; readonly next_ms: number }>();
  readonly #looking = new Looking(() => this.#look(), LOOK_MS);

  constructor(parts: ReportParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#looking.start();
  }

  close(): Promise<void> {
    return this.#looking.close();
  }

  get now_ms(): number {
    return this.#parts.ports.clock.now();
  }

  /** Makes the export of a report, once for each time that it is due. */
  async run(tenant: string, report: Definition<Report>, due_ms: number): Promise<JobRecord> {
    const { exporting, jobs, ports } = this.#parts;
    const { id, name, body, created_by } = report;
    const asker = analystFor(tenant, report, ports);
    const run = { id, name, due_ms };
    const input = body.seam
      ? await this.#seamInput(asker, report)
      : await exporting.input(asker, body, exporting.savedOf(tenant, body));
    return jobs.create({
      ...{ tenant, type: EXPORT_JOB, created_by, input, report: run },
      job_id: runId(id, due_ms),
    });
  }

  /** What changed since the last run of the same definition, up to where the state is now. */
  async #seamInput(asker: FamilyAsker, { id, body, revision }: Definition<Report>): Promise<object> {
    const { exporting, chain } = this.#parts;
    const { tenant } = asker;
    const { query, seam } = chain.next({ tenant, id, revision, query: body.query ?? {} });
    const plain = await exporting.input(asker, body, exporting.savedOf(tenant, { ...body, query }));
    return { ...plain, seam };
  }

  async #look(): Promise<void> {
    const { reports } = this.#parts;
    const known = new Set<string>();
    for (const tenant of reports.tenants()) {
      for (const report of reports.list(tenant)) {
        known.add(report.id);
        if (report.body.enabled) await this.#lookAt(tenant, report);
      }
    }
    for (const id of this.#seen.keys()) if (!known.has(id)) this.#seen.delete(id);
  }

  async #lookAt(tenant: string, report: Definition<Report>): Promise<void> {
    const { clock, log } = this.#parts.ports;
    const { id, body, revision } = report;
    const now_ms = clock.now();
    const seen = this.#seen.get(id);
    if (seen?.revision === revision && now_ms < seen.next_ms) return;
    const due_ms = dueAt(body, now_ms);
    try {
      if (due_ms !== undefined && due_ms > report.updated_at_ms) await this.#runDue(tenant, report, due_ms);
    } catch (error) {
      const { code, retriable } = asMillraceError(error);
      log.warn({ err: error, report: id, due_ms }, 'a run of a report could not be begun');
      // What is away or busy comes back; what the report asks does not become right by itself.
      if (retriable || code === 'too_many_jobs') return;
    }
    this.#seen.set(id, { revision, next_ms: nextRun(body, now_ms) ?? Number.POSITIVE_INFINITY });
  }

  /** Makes the run of a time that has come, unless it was made, or is left out. */
  async #runDue(tenant: string, report: Definition<Report>, due_ms: number): Promise<void> {
    const { clock, log } = this.#parts.ports;
    const { id, body } = report;
    if (await this.#wasRun(tenant, runId(id, due_ms))) return;
    const late_ms = clock.now() - due_ms;
    if (late_ms > MISSED_MAX_MS || (late_ms > ON_TIME_MS && body.missed === 'skip')) {
      log.warn({ report: id, due_ms, late_ms }, 'a run of a report was missed and is left out');
    } else await this.run(tenant, report, due_ms);
  }

  async #wasRun(tenant: string, job_id: string): Promise<boolean> {
    try {
      await this.#parts.jobs.get(tenant, job_id);
      return true;
    } catch (error) {
      if (asMillraceError(error).code === 'not_found') return false;
      throw error;
    }
  }
}

/** The last time of a schedule up to now. */
export function dueAt({ schedule, timezone }: Schedule, now_ms: number): number | undefined {
  // The library looks before its reference, by whole seconds.
  const found = cronOf(schedule, timezone)?.previousRuns(2, new Date(now_ms + 1_000)) ?? [];
  return found.map((due) => due.getTime()).find((due_ms) => due_ms <= now_ms);
}

/** The job of a run: one for each time, whoever makes it. */
export function runId(report_id: string, due_ms: number): string {
  return `job_${hashOf(`${report_id}@${due_ms}`)}`;
}
