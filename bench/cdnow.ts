import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PurchaseDays } from '../analytics/index.ts';

/** The purchases of CDNOW, for tests and benches: 2,357 customers of one quarter, followed for 78 weeks. */

export const CDNOW = join(process.cwd(), '../shared/data/cdnow/CDNOW_sample.txt');
export const hasCdnow = existsSync(CDNOW);

const dayOf = (text: string): number =>
  Date.UTC(Number(text.slice(0, 4)), Number(text.slice(4, 6)) - 1, Number(text.slice(6))) / 86_400_000;

/** The last day that models are trained on; what comes behind it is held out. */
export const CDNOW_END = dayOf('19970930');

/** Customers by their days, purchases of one day as one. */
export function cdnow(): readonly PurchaseDays[] {
  const customers = new Map<string, Map<number, number>>();
  for (const line of readFileSync(CDNOW, 'utf8').trim().split('\n')) {
    const [id = '', , date = '', , value = ''] = line.trim().split(/\s+/);
    const days = customers.get(id) ?? new Map<number, number>();
    customers.set(id, days);
    days.set(dayOf(date), (days.get(dayOf(date)) ?? 0) + Math.round(100 * Number(value)));
  }
  return [...customers.values()].map((values, at) => {
    const days = [...values.keys()].sort((a, b) => a - b);
    return { hi: 0, lo: at, days, values: days.map((day) => values.get(day) ?? 0), places: [] };
  });
}

/** What a day has seen of them. */
export const seenAt = (customers: readonly PurchaseDays[], day: number): readonly PurchaseDays[] =>
  customers.flatMap((customer) => {
    const count = customer.days.filter((one) => one <= day).length;
    if (count === 0) return [];
    return [{ ...customer, days: customer.days.slice(0, count), values: customer.values.slice(0, count) }];
  });
