import { type Counter, type MetricSample, Metrics } from '../../../engine/index.ts';

const MS_PER_S = 1_000;

/** What alerts of this process did. */
export class AlertMetrics {
  readonly #metrics = new Metrics();
  /** Looks that could not be done, and are done again. */
  readonly failed = this.#metrics.counter(
    'millrace.alerts.failed',
    'Looks at alerts that failed, and come again',
  );
  /** Looks that did not see all anomalies. */
  readonly bounded = this.#metrics.counter(
    'millrace.alerts.bounded',
    'Looks at alerts of a tenant that has more recent anomalies than decide',
  );
  readonly #looks = this.#metrics.counter('millrace.alerts.looks', 'Looks at the alerts of a tenant');
  readonly #time = this.#metrics.counter(
    'millrace.alerts.look.time',
    'Time that reading anomalies for alerts took',
  );
  #facts = 0;

  constructor({ waiting, facts_max }: { readonly waiting: () => number; readonly facts_max: number }) {
    const metrics = this.#metrics;
    metrics.gauge(
      'millrace.alerts.waiting',
      'Tenants that are looked at again although nothing is heard',
      waiting,
    );
    metrics.gauge(
      'millrace.alerts.anomalies',
      'Anomalies that the last look decided from',
      () => this.#facts,
    );
    metrics.gauge('millrace.alerts.anomalies.limit', 'Anomalies that a look decides from', () => facts_max);
    for (const phase of ['firing', 'recovered'] as const) this.#told(phase);
  }

  looked(facts: number, took_ms: number): void {
    this.#facts = facts;
    this.#looks.add();
    this.#time.add(took_ms / MS_PER_S);
  }

  told(phase: 'firing' | 'recovered'): void {
    this.#told(phase).add();
  }

  #told(phase: 'firing' | 'recovered'): Counter {
    return this.#metrics.counter('millrace.alerts.notices', 'Notices of alerts that this process told', {
      phase,
    });
  }

  samples(): MetricSample[] {
    return this.#metrics.samples();
  }
}
