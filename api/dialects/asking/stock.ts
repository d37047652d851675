import {
  LEVEL_EVENT,
  type StockAlert,
  type StockLevel,
  stockAlerts,
  zoneOf,
} from '../../../analytics/index.ts';
import type { RawCall } from '../../http/index.ts';
import type { Asking } from './asking.ts';
import { newestLevels, readEvents, requirePayloads } from './events.ts';
import { spoken, wholeMinutes } from './local-dates.ts';

const DAY_MS = 86_400_000;
/** The rate of sales that days of cover go by. */
export const COVER_DAYS = 28;
/** A level that is older says nothing of what there is now. */
export const LEVELS_DAYS = 365;
/** Products whose sales are asked for at once. */
const SKUS_AT_ONCE = 100;

export interface Stock {
  readonly levels: readonly StockLevel[];
  readonly alerts: readonly StockAlert[];
}

/** What there is of products at a moment, and which need somebody. */
export async function stockAt(
  asking: Asking,
  call: RawCall,
  { at_ms, overstock_days }: { readonly at_ms: number; readonly overstock_days: number },
): Promise<Stock> {
  const wanted = { from_ms: at_ms - LEVELS_DAYS * DAY_MS, to_ms: at_ms + 1, types: [LEVEL_EVENT] };
  const events = await readEvents(asking, call, wanted);
  requirePayloads(events);
  const levels = newestLevels(events);
  const sold = await soldUnits(asking, call, at_ms, levels);
  return { levels, alerts: stockAlerts(levels, sold, { cover_days: COVER_DAYS, overstock_days }) };
}

async function soldUnits(
  asking: Asking,
  call: RawCall,
  at_ms: number,
  levels: readonly StockLevel[],
): Promise<ReadonlyMap<string, number>> {
  const range = spoken(wholeMinutes(at_ms - COVER_DAYS * DAY_MS, at_ms), zoneOf('UTC'));
  const sold = new Map<string, number>();
  for (let from = 0; from < levels.length; from += SKUS_AT_ONCE) {
    const sku = levels.slice(from, from + SKUS_AT_ONCE).map((level) => level.sku);
    const query = {
      ...range,
      metrics: ['units_sold'],
      group_by: ['sku'],
      filters: { sku },
      limit: SKUS_AT_ONCE,
    };
    const { groups } = await asking.kpis(call, query);
    for (const { key, totals } of groups) sold.set(key.sku ?? '', totals.units_sold ?? 0);
  }
  return sold;
}
