import { defineOperator } from '../../engine/index.ts';
import type { EventBatch } from '../events/index.ts';

export interface EventWatermarkConfig {
  /** How far behind the newest event time others may still come without being late, ms. */
  readonly outOfOrderness_ms: number;
  /** After this long with nothing pending and nothing in flight the watermark follows the clock, ms. */
  readonly idle_ms: number;
}

/**
 * `watermark` for batches of events: the largest event time seen, or the clock's where that is less, minus the
 * allowance; never moving back, part of the commit. Late events are passed on like any other; they are counted and listed, one by one, so that the cut into
 * batches makes no difference.
 */
export const eventWatermark = defineOperator<EventBatch, EventBatch, EventWatermarkConfig>({
  kind: 'event-watermark',
  summary: 'Event time of batches of events; follows the clock while the source is idle',
  start: ({ name, config, clock, metrics, emit, emitWatermark, initialWatermark_ms, notice }) => {
    const { outOfOrderness_ms, idle_ms } = config;
    let current_ms = initialWatermark_ms ?? Number.NEGATIVE_INFINITY;
    const lateEvents = metrics.counter('millrace.watermark.late', 'Events older than the watermark', {
      operator: name,
    });
    const moveTo = (time_ms: number): void => {
      if (time_ms <= current_ms) return;
      current_ms = time_ms;
      emitWatermark(time_ms);
    };
    const report = (batch: EventBatch, row: number): void => {
      lateEvents.add();
      const { own, dictionary } = batch;
      notice({
        kind: 'late',
        scope: dictionary.textOf(own.scope[row] as number),
        sequence: own.sequence[row] as number,
        detail: { part: own.part[row] as number, time: new Date(own.time_ms[row] as number).toISOString() },
      });
    };
    return {
      ownsWatermark: true,
      // The committed watermark at start: tables and timers downstream go on from it.
      onWatermark: (time_ms) => {
        if (time_ms < current_ms) return;
        current_ms = time_ms;
        emitWatermark(time_ms);
      },
      onBatch: (batches) => {
        let reached_ms = current_ms;
        // One sender's wrong clock moves nobody.
        const now_ms = clock.now();
        for (const batch of batches) {
          const { live, length } = batch;
          const { time_ms } = batch.own;
          for (let row = 0; row < length; row++) {
            if (live[row] === 0) continue;
            const event_ms = time_ms[row] as number;
            if (event_ms < reached_ms) report(batch, row);
            else reached_ms = Math.max(reached_ms, Math.min(event_ms, now_ms) - outOfOrderness_ms);
          }
        }
        emit(batches);
        moveTo(reached_ms);
      },
      onBarrier: (barrier) => {
        if (barrier.idle_ms >= idle_ms) moveTo(barrier.now_ms - outOfOrderness_ms);
      },
    };
  },
});
