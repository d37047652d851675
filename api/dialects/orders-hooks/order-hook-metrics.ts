import { type MetricSample, Metrics } from '../../../engine/index.ts';

type Told = 'webhook' | 'sms' | 'whatsapp' | 'email' | 'in_app';
type LeftOut = 'not_counted' | 'late' | 'old' | 'no_recipient' | 'failed';

/** What this process tells of orders. */
export class OrderHookMetrics {
  readonly #metrics = new Metrics();
  readonly #looks = this.#metrics.counter(
    'millrace.order_hooks.events',
    'Order events that were looked at for order webhooks and notification rules',
  );
  readonly #time = this.#metrics.counter(
    'millrace.order_hooks.look.time',
    'Time that reading the events of their orders took',
  );

  constructor() {
    this.told('webhook', 0);
    this.leftOut('not_counted', 0);
  }

  looked(duration_ms: number): void {
    this.#looks.add();
    this.#time.add(duration_ms / 1_000);
  }

  told(to: Told, count: number): void {
    this.#metrics
      .counter(
        'millrace.order_hooks.told',
        'Notices for order webhooks, and messages of notification rules',
        { to },
      )
      .add(count);
  }

  leftOut(reason: LeftOut, count = 1): void {
    this.#metrics
      .counter('millrace.order_hooks.left_out', 'Order events that nobody was told of', { reason })
      .add(count);
  }

  samples(): MetricSample[] {
    return this.#metrics.samples();
  }
}
