import { evenGrid, type WindowGrid } from '../../operators/index.ts';
import { DAY_MS, type Zone } from '../query/index.ts';
import type { RuleWindow } from './rule-schema.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const WIDTH_MS: Readonly<Record<RuleWindow, number>> = {
  '1m': MINUTE_MS,
  '5m': 5 * MINUTE_MS,
  '15m': 15 * MINUTE_MS,
  '1h': HOUR_MS,
  '1d': DAY_MS,
};
/** Windows of history that a new rule learns from. */
const LEARNED: Readonly<Record<RuleWindow, number>> = {
  '1m': 3 * 1_440,
  '5m': 14 * 288,
  '15m': 28 * 96,
  '1h': 8 * 168,
  '1d': 365,
};
/** Offsets of all zones are whole multiples of it. */
const ZONE_STEP_MS = 15 * MINUTE_MS;

/** A rule's windows in time. */
export interface RuleWindows {
  readonly grid: WindowGrid;
  readonly width_ms: number;
  /** Windows that a rule learns from before its first one. */
  readonly learned: number;
  /** Width of the buckets of sums: a window is a whole number of them. */
  readonly bucket_ms: number;
  /** Width of the buckets in which events are counted. */
  readonly pulse_ms: number;
}

export function windowsOf(window: RuleWindow, zone: Zone): RuleWindows {
  const width_ms = WIDTH_MS[window];
  const learned = LEARNED[window];
  const pulse_ms = width_ms < HOUR_MS ? MINUTE_MS : 5 * MINUTE_MS;
  if (window !== '1d' || zone.id === 'UTC') {
    return { grid: evenGrid(width_ms), width_ms, learned, pulse_ms, bucket_ms: width_ms };
  }
  const grid = {
    indexOf: (time_ms: number) => dayOf(zone, time_ms),
    startOf: (index: number) => zone.startOfDay(index),
  };
  return { grid, width_ms, learned, pulse_ms, bucket_ms: ZONE_STEP_MS };
}

/** The local day of an instant, so that it lies in [startOfDay(day), startOfDay(day + 1)) whatever the clocks do. */
function dayOf(zone: Zone, time_ms: number): number {
  const day = zone.localDay(time_ms);
  if (time_ms >= zone.startOfDay(day + 1)) return day + 1;
  return time_ms < zone.startOfDay(day) ? day - 1 : day;
}
