import { type Counter, type MetricSample, Metrics } from '../../engine/index.ts';
import type { LogEntry } from './delivery-log.ts';
import { TENANT_TRIES_MAX, TRIES_MAX } from './slots.ts';

interface DeliveryFacts {
  running(): number;
  endpoints(): number;
  stalled(): number;
}

/** What this process tells the outside, as metrics. */
export class DeliveryMetrics {
  readonly #metrics = new Metrics();
  readonly #stored = this.#metrics.counter('millrace.notices.stored', 'Notices that this process stored');

  constructor(facts: DeliveryFacts) {
    const metrics = this.#metrics;
    metrics.gauge('millrace.deliveries.endpoints', 'Endpoints that this process tells', facts.endpoints);
    metrics.gauge(
      'millrace.deliveries.endpoints.stalled',
      'Of them, those whose notices cannot be read now',
      facts.stalled,
    );
    metrics.gauge('millrace.deliveries.running', 'Tries to tell an endpoint that are running', facts.running);
    metrics.gauge(
      'millrace.deliveries.running.limit',
      'Tries that may run at once in this process',
      () => TRIES_MAX,
    );
    metrics.gauge(
      'millrace.deliveries.running.tenant.limit',
      'Tries of one tenant that may run at once in this process',
      () => TENANT_TRIES_MAX,
    );
    for (const outcome of ['succeeded', 'retrying', 'failed'] as const) this.#tries('webhook', outcome);
    this.#time('webhook');
  }

  #tries(kind: string, outcome: LogEntry['status']): Counter {
    const labels = { kind, outcome };
    return this.#metrics.counter('millrace.deliveries.tries', 'Tries to tell an endpoint', labels);
  }

  #time(kind: string): Counter {
    const time = 'Time that tries to tell an endpoint took';
    return this.#metrics.counter('millrace.deliveries.try.time', time, { kind });
  }

  stored(): void {
    this.#stored.add();
  }

  tried(kind: string, outcome: LogEntry['status'], duration_ms: number): void {
    this.#tries(kind, outcome).add();
    this.#time(kind).add(duration_ms / 1_000);
  }

  samples(): MetricSample[] {
    return this.#metrics.samples();
  }
}
