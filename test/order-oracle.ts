import { type OracleRow, rowsOf } from './order-oracle-rows.ts';
import type { GeneratedEvent } from './simulated-orders.ts';

/**
 * What KPI queries must answer of a set of events, computed by plain maps, straight from section 3 of the
 * contract and by no code of the product, by day. Works on sets in which no two events share their time.
 */
export type OracleCells = ReadonlyMap<string, ReadonlyMap<string, bigint>>;

const DAY_MS = 86_400_000;

interface Line {
  readonly sku: string;
  readonly category: string;
  readonly quantity: bigint;
  readonly value: bigint;
}

/** A part of a row that lies in one cell: the row itself, or the lines of one group of its items. */
interface Part {
  readonly values: readonly string[];
  readonly lines: readonly number[] | undefined;
}

function linesOf({ items }: OracleRow): Line[] {
  return items.map(({ sku, category, quantity, unit_price }) => ({
    ...{ sku, category: category ?? '', quantity: BigInt(quantity) },
    value: BigInt(quantity) * BigInt(unit_price),
  }));
}

/** Lines are grouped by the item dimensions that are asked for; a row without lines is one part. */
function partsOf(row: OracleRow, lines: readonly Line[], dimensions: readonly string[]): Part[] {
  const byItem = dimensions.includes('sku') || dimensions.includes('category');
  if (!byItem || lines.length === 0)
    return [{ values: dimensions.map((name) => row.dimensions[name] ?? ''), lines: undefined }];
  const parts = new Map<string, number[]>();
  for (const [at, line] of lines.entries()) {
    const values = dimensions.map((name) =>
      name === 'sku' || name === 'category' ? line[name] : (row.dimensions[name] ?? ''),
    );
    const key = JSON.stringify(values);
    parts.set(key, [...(parts.get(key) ?? []), at]);
  }
  return [...parts].map(([key, own]) => ({ values: JSON.parse(key) as string[], lines: own }));
}

const magnitude = (value: bigint): bigint => (value < 0n ? -value : value);
const total = (values: readonly bigint[]): bigint => values.reduce((sum, value) => sum + value, 0n);

/** An amount over lines in proportion to their values, the units left over to the largest remainders. */
export function split(amount: bigint, values: readonly bigint[]): bigint[] {
  const all = total(values.map(magnitude));
  if (all === 0n) return values.map((_, at) => (at === 0 ? amount : 0n));
  const shares = values.map((value) => magnitude(amount) * magnitude(value));
  const parts = shares.map((share) => share / all);
  const left = Number(magnitude(amount) - total(parts));
  const byRest = shares
    .map((share, at) => ({ at, rest: share % all }))
    .sort((a, b) => Number(b.rest - a.rest) || a.at - b.at);
  for (const { at } of byRest.slice(0, left)) parts[at] = (parts[at] ?? 0n) + 1n;
  return amount < 0n ? parts.map((part) => -part) : parts;
}

/** Cells by JSON of [tenant, day in ms, currency, ...values]; sums that are 0 are left out. */
export function oracle(events: readonly GeneratedEvent[], dimensions: readonly string[]): OracleCells {
  const cells = new Map<string, Map<string, bigint>>();
  for (const row of rowsOf(events)) {
    const lines = linesOf(row);
    for (const { values, lines: own } of partsOf(row, lines, dimensions)) {
      const cell = cellOf(cells, row, values);
      const add = (measure: string, amount: bigint): void => {
        cell.set(measure, (cell.get(measure) ?? 0n) + amount);
      };
      const of = (at: number): Line => lines[at] as Line;
      for (const measure of row.counts) add(measure, 1n);
      for (const { measure, amount, rule } of row.amounts) {
        if (rule === 'units') add(measure, total((own ?? [...lines.keys()]).map((at) => of(at).quantity)));
        else if (own === undefined || rule === 'whole') add(measure, amount);
        else if (rule === 'lines') add(measure, total(own.map((at) => of(at).value)));
        else {
          const parts = split(
            amount,
            lines.map(({ value }) => value),
          );
          add(measure, total(own.map((at) => parts[at] ?? 0n)));
        }
      }
    }
  }
  return withoutZeros(cells);
}

function cellOf(
  cells: Map<string, Map<string, bigint>>,
  { tenant, time_ms, currency }: OracleRow,
  values: readonly string[],
): Map<string, bigint> {
  const day = Math.floor(time_ms / DAY_MS) * DAY_MS;
  const key = JSON.stringify([tenant, day, currency, ...values]);
  const cell = cells.get(key) ?? new Map<string, bigint>();
  cells.set(key, cell);
  return cell;
}

function withoutZeros(cells: ReadonlyMap<string, ReadonlyMap<string, bigint>>): OracleCells {
  const kept = [...cells].map(
    ([key, sums]) => [key, new Map([...sums].filter(([, sum]) => sum !== 0n).sort())] as const,
  );
  return new Map(kept.filter(([, sums]) => sums.size > 0).sort());
}

/** Distinct customers of orders by cell of whole orders. */
export function oracleCustomers(
  events: readonly GeneratedEvent[],
  dimensions: readonly string[],
): ReadonlyMap<string, number> {
  const found = new Map<string, Set<string>>();
  for (const row of rowsOf(events)) {
    if (!row.counts.includes('orders_count') || row.customer === '') continue;
    const day = Math.floor(row.time_ms / DAY_MS) * DAY_MS;
    const values = dimensions.map((name) => row.dimensions[name] ?? '');
    const key = JSON.stringify([row.tenant, day, row.currency, ...values]);
    found.set(key, (found.get(key) ?? new Set()).add(row.customer));
  }
  return new Map([...found].map(([key, customers]) => [key, customers.size] as const).sort());
}
