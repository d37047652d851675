import { createReadStream, existsSync } from 'node:fs';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { parse } from 'csv-parse';
import { Draws } from './draws.ts';
import { monthly } from './forecast-monthly.ts';

/** A series to be forecast, and what came. */
export interface TestSeries {
  readonly id: string;
  readonly period: number;
  readonly train: readonly number[];
  readonly test: readonly number[];
}

interface Shape {
  readonly period: number;
  readonly steps: readonly [least: number, most: number];
  readonly horizon: number;
}

const SHAPES: readonly Shape[] = [
  { period: 12, steps: [48, 126], horizon: 18 },
  { period: 12, steps: [48, 126], horizon: 18 },
  { period: 4, steps: [24, 64], horizon: 8 },
  { period: 7, steps: [90, 400], horizon: 28 },
  { period: 1, steps: [20, 60], horizon: 6 },
];
/** The UCI file's days that a forecast begins at, from the first. */
const CUTS = [160, 230, 300, 345];
const UCI_HORIZON = 28;
const DAY_MS = 86_400_000;
const UCI = join(process.cwd(), '..', 'shared', 'data', 'online-retail', 'online_retail.csv.gz');

/** Trend, seasons, breaks, outliers; every sixth is intermittent. The same seed, the same series. */
export function generatedSeries(count: number, seed: number): readonly TestSeries[] {
  return Array.from({ length: count }, (_, index) => {
    const draws = new Draws(seed * 1_000_003 + index);
    const shape = SHAPES[index % SHAPES.length] as Shape;
    const steps = draws.int(shape.steps[0], shape.steps[1]);
    const isIntermittent = index % 6 === 5;
    const all = (isIntermittent ? intermittent : regular)(draws, steps + shape.horizon, shape.period);
    const kind = isIntermittent ? 'intermittent' : `period-${shape.period}`;
    return {
      id: `${kind}/${index}`,
      period: shape.period,
      train: all.slice(0, steps),
      test: all.slice(steps),
    };
  });
}

function regular(draws: Draws, steps: number, period: number): number[] {
  const strength = draws.chance(0.6) ? draws.between(0.05, 0.4) : 0;
  const season = Array.from({ length: period }, () => strength * draws.normal);
  const noise = draws.between(0.01, 0.12);
  const wander = draws.chance(0.6) ? draws.between(0, 0.06) : 0;
  let slope = draws.chance(0.6) ? draws.between(-1, 2) / steps : 0;
  const damping = draws.chance(0.5) ? draws.between(0.9, 0.995) : 1;
  const breakAt = draws.chance(0.2) ? draws.int(steps >> 2, steps - 1) : -1;
  const outliers = draws.chance(0.2) ? 0.03 : 0;
  let level = Math.log(draws.between(100, 10_000));
  return Array.from({ length: steps }, (_, at) => {
    level += slope + wander * draws.normal;
    slope = slope * damping + (wander / 40) * draws.normal;
    if (at === breakAt) level += draws.between(-0.5, 0.5);
    const spike = draws.chance(outliers) ? draws.between(-0.6, 0.8) : 0;
    return (
      Math.round(100 * Math.exp(level + (season[at % period] as number) + noise * draws.normal + spike)) / 100
    );
  });
}

function intermittent(draws: Draws, steps: number): number[] {
  const share = draws.between(0.1, 0.6);
  const size = draws.between(1, 30);
  const change = draws.chance(0.3) ? draws.between(-1, 1) / steps : 0;
  return Array.from({ length: steps }, (_, at) =>
    draws.chance(share * Math.exp(change * at)) ? 1 + Math.floor(-size * Math.log(draws.uniform)) : 0,
  );
}

/** Monthly series as those of the forecasting competitions are, 50 to 300 steps long. */
export function monthlySeries(count: number, seed: number): readonly TestSeries[] {
  return Array.from({ length: count }, (_, index) => {
    const draws = new Draws(seed * 2_000_003 + index);
    // More are short than long.
    const steps = Math.round(50 * 6 ** (draws.uniform ** 1.5));
    const all = monthly(draws, steps + MONTHLY_HORIZON);
    const [train, test] = [all.slice(0, steps), all.slice(steps)];
    return { id: `monthly/${index}`, period: 12, train, test };
  });
}
const MONTHLY_HORIZON = 18;

/** Revenue, orders and units a day, in all, of the largest countries and items, forecast from several days. */
export async function uciSeries(): Promise<readonly TestSeries[]> {
  if (!existsSync(UCI)) return [];
  const days = await dailySums();
  return [...days].flatMap(([name, values]) =>
    CUTS.map((cut) => ({
      id: `uci/${name}/${cut}`,
      period: 7,
      train: values.slice(0, cut),
      test: values.slice(cut, cut + UCI_HORIZON),
    })),
  );
}

const COUNTRIES = ['United Kingdom', 'Germany', 'France', 'EIRE'];
const ITEMS = ['85123A', '22423', '85099B', '47566', '84879', '20725'];
const FIRST_MS = Date.UTC(2010, 11, 1);
/** The file ends at noon of the day after these. */
const DAYS = 373;

async function dailySums(): Promise<ReadonlyMap<string, readonly number[]>> {
  const sums = new Map<string, number[]>();
  const orders = new Set<string>();
  const add = (name: string, day: number, value: number): void => {
    let series = sums.get(name);
    if (series === undefined) {
      series = new Array<number>(DAYS).fill(0);
      sums.set(name, series);
    }
    if (day < DAYS) series[day] = (series[day] as number) + value;
  };
  const rows = createReadStream(UCI)
    .pipe(createGunzip())
    .pipe(parse({ columns: true }));
  for await (const row of rows as AsyncIterable<Record<string, string>>) {
    const units = Number(row.Quantity);
    const pence = Math.round(100 * Number(row.UnitPrice));
    if (!(units > 0 && pence > 0)) continue;
    const day = Math.floor((Date.parse(`${row.InvoiceDate?.replace(' ', 'T')}Z`) - FIRST_MS) / DAY_MS);
    const country = row.Country ?? '';
    add('revenue', day, units * pence);
    add('units', day, units);
    if (COUNTRIES.includes(country)) add(`revenue ${country}`, day, units * pence);
    if (ITEMS.includes(row.StockCode ?? '')) add(`units ${row.StockCode}`, day, units);
    const invoice = row.InvoiceNo ?? '';
    if (!orders.has(invoice)) {
      orders.add(invoice);
      add('orders', day, 1);
      if (COUNTRIES.includes(country)) add(`orders ${country}`, day, 1);
    }
  }
  return sums;
}
