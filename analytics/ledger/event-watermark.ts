import { defineOperator } from '../../engine/index.ts';
import type { EventBatch } from '../events/index.ts';
import { CODE, ROW_DIMENSIONS } from '../rows/index.ts';
import { type TenantEntry, TenantTimes, tenantTimeTables } from './tenant-times.ts';

export interface EventWatermarkConfig {
  /** How far behind the newest event time others may still come without being late, ms. */
  readonly outOfOrderness_ms: number;
  /** After this long with nothing pending and nothing in flight the watermark follows the clock, ms. */
  readonly idle_ms: number;
}

/** An event that is further ahead of its storing is counted and listed, ms. */
const AHEAD_MS = 5 * 60_000;
const SOURCE_CODE = CODE.dimensions + ROW_DIMENSIONS.indexOf('source');

/**
 * `watermark` for batches of events: the largest of min(event time, time at which the stream stored the event), minus
 * the allowance; never moving back, part of the commit. So one sender's wrong clock moves nobody, and the reader's
 * clock has no say: only where a source does not know when its records were stored it takes that time's place. Beside
 * it each tenant has its own (`TenantTimes`): completeness and lateness go by that. Late events are passed on like any
 * other; they are counted and listed, one by one, so that the cut into batches makes no difference.
 */
export const eventWatermark = defineOperator<
  EventBatch,
  EventBatch,
  EventWatermarkConfig,
  ReturnType<typeof tenantTimeTables>
>({
  kind: 'event-watermark',
  summary: 'Event time of batches of events; follows the clock while the source is idle',
  ownsWatermark: true,
  state: tenantTimeTables,
  start: ({
    name,
    config,
    state,
    clock,
    ordered,
    metrics,
    emit,
    emitWatermark,
    initialWatermark_ms,
    notice,
  }) => {
    const { outOfOrderness_ms, idle_ms } = config;
    let current_ms = initialWatermark_ms ?? Number.NEGATIVE_INFINITY;
    const tenants = new TenantTimes(state.tenants, config, initialWatermark_ms ?? null);
    const labels = { operator: name };
    const late = metrics.counter('millrace.watermark.late', 'Events older than the watermark', labels);
    const lateByIdle = metrics.counter(
      'millrace.watermark.late_by_idle',
      'Events that are late only because the watermark followed the clock while the source was quiet',
      labels,
    );
    const taken = metrics.counter('millrace.watermark.events', 'Events whose times were taken', labels);
    const ahead = metrics.counter(
      'millrace.watermark.ahead_of_storing',
      'Events more than 5 minutes ahead of the time at which the stream stored them',
      labels,
    );
    const moveTo = (time_ms: number): void => {
      if (time_ms <= current_ms) return;
      current_ms = time_ms;
      emitWatermark(time_ms);
    };
    const tell = (kind: string, { own, dictionary }: EventBatch, row: number, detail: object): void =>
      notice({
        kind,
        scope: dictionary.textOf(own.scope[row] as number),
        sequence: own.sequence[row] as number,
        detail: {
          part: own.part[row] as number,
          time: new Date(own.time_ms[row] as number).toISOString(),
          ...detail,
        },
      });
    const takeRow = (batch: EventBatch, row: number, entry: TenantEntry, stored_ms: number): number => {
      const { own, dictionary } = batch;
      const event_ms = own.time_ms[row] as number;
      taken.add();
      const arrival = tenants.take(entry, event_ms, stored_ms);
      if (arrival === 'late_by_idle') lateByIdle.add();
      if (arrival !== 'in_time') {
        late.add();
        tell('late', batch, row, {});
      }
      if (event_ms > stored_ms + AHEAD_MS) {
        const code = own.columns.codes[SOURCE_CODE]?.[row] ?? 0;
        const source = code === 0 ? '' : dictionary.textOf(code);
        tenants.countAhead(entry, source);
        ahead.add();
        tell('ahead_of_storing', batch, row, { stored: new Date(stored_ms).toISOString(), source });
      }
      return Math.min(event_ms, stored_ms) - outOfOrderness_ms;
    };
    const passIdle = (time: { readonly idle_ms: number; readonly now_ms: number }): void => {
      if (time.idle_ms < idle_ms) return;
      const time_ms = time.now_ms - outOfOrderness_ms;
      tenants.idleTo(time_ms);
      moveTo(time_ms);
    };
    return {
      // The committed watermark at start: tables and timers downstream go on from it.
      onWatermark: (time_ms) => {
        if (time_ms < current_ms) return;
        current_ms = time_ms;
        emitWatermark(time_ms);
      },
      onBatch: (batches) => {
        let reached_ms = current_ms;
        const now_ms = clock.now();
        for (const batch of batches) {
          const { live, length, record, records, own, dictionary } = batch;
          let scope = -1;
          let entry: TenantEntry | undefined;
          for (let row = 0; row < length; row++) {
            if (live[row] === 0) continue;
            const stored_ms = records[record[row] as number]?.stored_ms ?? now_ms;
            if (entry === undefined || own.scope[row] !== scope) {
              scope = own.scope[row] as number;
              entry = tenants.enter(dictionary.textOf(scope));
            }
            reached_ms = Math.max(reached_ms, takeRow(batch, row, entry, stored_ms));
          }
        }
        emit(batches);
        moveTo(reached_ms);
      },
      onBarrier: (barrier) => {
        if (!ordered) passIdle(barrier);
        tenants.flush();
      },
      onTick: (tick) => passIdle(tick),
    };
  },
});
