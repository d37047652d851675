import { type MetricSample, Metrics } from '../base/index.ts';
import type { PlanHead } from './kind.ts';

const MS_PER_SECOND = 1_000;

interface Gauges {
  readonly begun: () => number;
  readonly running: () => number;
  readonly waiting: () => number;
  readonly threads: () => number;
  readonly busyThreads: () => number;
}

/** What queries cost, by kind. */
export class QueryMetrics {
  readonly #metrics = new Metrics();

  constructor({ begun, running, waiting, threads, busyThreads }: Gauges) {
    const gauge = this.#metrics.gauge.bind(this.#metrics);
    gauge('millrace.query.begun', 'Queries that are begun and not answered', begun);
    gauge('millrace.query.running', 'Queries that run in scan threads', running);
    gauge('millrace.query.waiting', 'Queries that wait for a place among the running', waiting);
    gauge('millrace.query.threads', 'Scan threads', threads);
    gauge('millrace.query.threads_busy', 'Scan threads that run a part of a query', busyThreads);
  }

  answered(kind: string, ran: string, plan: PlanHead): void {
    this.#add('millrace.query.answered', 'Queries that were answered', { kind, ran });
    this.#add('millrace.query.rows', 'Rows of the log that answers were made of', { kind }, plan.rows);
    this.#add('millrace.query.cells', 'Cells of cubes that answers were made of', { kind }, plan.cells ?? 0);
    if (ran === 'inline') return;
    const help = 'CPU time that plans of answered queries estimated, threads only';
    this.#add('millrace.query.planned.time', help, { kind }, plan.cost_ms / MS_PER_SECOND);
  }

  /** By code: `query_cancelled`, `query_timeout`, `query_too_large`, … */
  failed(kind: string, code: string): void {
    this.#add('millrace.query.failed', 'Queries without an answer', { kind, code });
  }

  stale(kind: string): void {
    this.#add('millrace.query.stale_plans', 'Plans that were overtaken by a merge and made again', { kind });
  }

  busy(kind: string, ms: number): void {
    this.#add('millrace.query.thread.time', 'Time of scan threads', { kind }, ms / MS_PER_SECOND);
  }

  samples(): MetricSample[] {
    return this.#metrics.samples();
  }

  #add(name: string, help: string, labels: Readonly<Record<string, string>>, by = 1): void {
    this.#metrics.counter(name, help, labels).add(by);
  }
}
