import { defineOperator, MillraceError, type Operator, type OperatorDoc } from '../../engine/index.ts';
import { TIME_END_MS, wholeTime } from './valid-time.ts';

/** Configuration of `watermark`. */
export interface WatermarkConfig<E> {
  readonly timeOf: (event: E) => number;
  /** How far behind the newest event time others may still come without being late, ms. */
  readonly outOfOrderness_ms: number;
  /**
   * After this long with nothing pending and nothing in flight the watermark follows the clock, ms; default 60,000.
   * `Infinity`: never.
   */
  readonly idle_ms?: number;
  /**
   * An event further than this ahead of the clock does not move event time, ms: one publisher with a wrong clock
   * would make everybody else's events late. By default any time is believed that timers can hold, up to the
   * year 10889: so times in µs or ns are not.
   */
  readonly max_ahead_ms?: number;
  /**
   * In a partitioned topology the watermark rises in steps: to multiples of this, ms; by default 1,000. With less it moves,
   * and what is behind it looks for what is due, with more records. Elsewhere without meaning.
   */
  readonly step_ms?: number;
  /** Describes a late event for the diagnostics; without it late events are only counted. */
  readonly late?: (event: E) => { scope: string; sequence: number; detail: Record<string, string | number> };
}

const DEFAULT_IDLE_MS = 60_000;
const DEFAULT_STEP_MS = 1_000;

export const watermarkDoc: OperatorDoc = {
  kind: 'watermark',
  summary: 'Event time from the events themselves; follows the clock while the source is idle',
};

/**
 * Bounded out-of-orderness: the watermark is the largest event time seen minus the allowance. It never
 * moves back and is part of the commit. A late event is passed on like any other (downstream state is
 * a function of the set of events); it is counted and listed. Whether an event is late is judged
 * event by event, so the cut into batches makes no difference. In an ordered task it rises in steps of `step_ms`, at the
 * record that raises it, and by ticks of the log instead of the clock. State: one number. Throws `bad_config`.
 */
export function watermark<E>(name: string, config: WatermarkConfig<NoInfer<E>>): Operator<E, E>;
export function watermark<E>(name: string, config: WatermarkConfig<E>): Operator<E, E>;
export function watermark<E>(name: string, config: WatermarkConfig<E>): Operator<E, E> {
  const { outOfOrderness_ms, idle_ms = DEFAULT_IDLE_MS, max_ahead_ms = 0, step_ms = 1 } = config;
  const isBounded = outOfOrderness_ms < Number.POSITIVE_INFINITY;
  if (!isBounded || !(outOfOrderness_ms >= 0) || !(idle_ms >= 0) || !(max_ahead_ms >= 0)) {
    throw new MillraceError(
      'bad_config',
      `"${name}" needs ms from 0 on as outOfOrderness_ms, idle_ms and max_ahead_ms, the first of them finite.`,
    );
  }
  if (!(step_ms > 0) || step_ms === Number.POSITIVE_INFINITY) {
    throw new MillraceError('bad_config', `"${name}" needs ms above 0 as step_ms, not ${step_ms}.`);
  }
  return make<E>()(name, config);
}

const make = <E>() =>
  defineOperator<E, E, WatermarkConfig<E>>({
    kind: 'watermark',
    summary: 'Event time from the events themselves; follows the clock while the source is idle',
    ownsWatermark: true,
    keepsItems: true,
    retractions: () => 'passes',
    start: ({ name, config, clock, ordered, metrics, emit, emitWatermark, initialWatermark_ms, notice }) => {
      const { timeOf, outOfOrderness_ms, idle_ms = DEFAULT_IDLE_MS, max_ahead_ms, late } = config;
      const { step_ms = DEFAULT_STEP_MS } = config;
      const levelOf = (time_ms: number): number =>
        ordered ? Math.floor(time_ms / step_ms) * step_ms : time_ms;
      let current_ms = initialWatermark_ms ?? Number.NEGATIVE_INFINITY;
      const labels = { operator: name };
      const lateEvents = metrics.counter(
        'millrace.watermark.late',
        'Events older than the watermark',
        labels,
      );
      const lateByIdle = metrics.counter(
        'millrace.watermark.late_by_idle',
        'Events that are late only because the watermark followed the clock while the source was quiet',
        labels,
      );
      /** Where events alone have brought the watermark, as far as this run knows. */
      let byEvents_ms = current_ms;
      let isIdle = false;
      const ahead = metrics.counter(
        'millrace.watermark.ahead',
        'Events whose time is not believed: after the year 10889, or too far ahead of the clock',
        labels,
      );
      const moveTo = (time_ms: number): void => {
        if (time_ms > current_ms) {
          current_ms = time_ms;
          emitWatermark(time_ms);
        }
      };
      /** Events behind a watermark; gives the one that they bring. */
      const judge = (events: readonly E[], from_ms: number): number => {
        let reached_ms = from_ms;
        const ahead_ms = max_ahead_ms === undefined ? TIME_END_MS : clock.now() + max_ahead_ms;
        const believed_ms = Math.min(ahead_ms, TIME_END_MS);
        for (const event of events) {
          const time_ms = wholeTime(timeOf(event), name);
          if (time_ms < reached_ms) {
            lateEvents.add();
            if (isIdle && time_ms >= byEvents_ms) lateByIdle.add();
            if (late !== undefined) notice({ kind: 'late', ...late(event) });
          } else if (time_ms > believed_ms) ahead.add();
          else if (time_ms - outOfOrderness_ms > reached_ms) reached_ms = time_ms - outOfOrderness_ms;
        }
        return reached_ms;
      };
      const passIdle = (time: { readonly idle_ms: number; readonly now_ms: number }): void => {
        if (time.idle_ms < idle_ms) return;
        const to_ms = levelOf(time.now_ms - outOfOrderness_ms);
        isIdle ||= to_ms > current_ms;
        moveTo(to_ms);
      };
      return {
        // The committed watermark at start: tables and timers downstream go on from it.
        onWatermark: (time_ms) => {
          if (time_ms < current_ms) return;
          current_ms = time_ms;
          emitWatermark(time_ms);
        },
        onBatch: (events) => {
          let reached_ms = current_ms;
          if (!ordered) reached_ms = judge(events, reached_ms);
          else
            for (const event of events)
              reached_ms = Math.max(reached_ms, levelOf(judge([event], reached_ms)));
          emit(events);
          if (reached_ms > current_ms) {
            byEvents_ms = reached_ms;
            isIdle = false;
          }
          moveTo(reached_ms);
        },
        onBarrier: (barrier) => {
          if (!ordered) passIdle(barrier);
        },
        onTick: (tick) => passIdle(tick),
      };
    },
  });
