import type { Chunk, ScanPlan } from '../../engine/index.ts';
import type { RowMoney } from '../exchange/index.ts';
import type { LogTexts } from '../filters/index.ts';
import { CODE, NUMBER } from '../rows/index.ts';

/** Money spent by group: groups by their texts as JSON. Plain data. */
export type Spend = readonly (readonly [group: string, spend: number])[];

interface SpendRow {
  readonly group: string;
  readonly currency: number;
  readonly time_ms: number;
  readonly amount: number;
}

/** Adds up the `campaign.spend` events of a scan by the dimensions of `groups`. */
export function spendOf(
  scan: (take: (chunk: Chunk) => void) => void,
  { request }: Pick<ScanPlan, 'request'>,
  groups: readonly number[],
  dictionary: LogTexts,
  money: RowMoney,
): Spend {
  const spend = dictionary.find('campaign.spend');
  const rows: SpendRow[] = [];
  const found = { rows: new Uint32Array(0) };
  scan((chunk) => {
    if (found.rows.length < chunk.rows) found.rows = new Uint32Array(chunk.rows);
    const count = chunk.select(CODE.type, (code) => code === spend, found.rows);
    if (count === 0) return;
    const codeAt = (column: number, row: number): number => {
      const { index, values } = chunk.code(column);
      return values[index === null ? 0 : (index[row] as number)] as number;
    };
    const [times, amounts, sequences] = [chunk.time_ms(), chunk.number(NUMBER.amount), chunk.sequence()];
    const { start_ms, end_ms, upTo = Number.POSITIVE_INFINITY } = request;
    for (const row of found.rows.subarray(0, count)) {
      const time_ms = times[row] as number;
      if (time_ms < start_ms || time_ms >= end_ms || (sequences[row] as number) > upTo) continue;
      const sign = codeAt(CODE.retraction, row) === 1 ? -1 : 1;
      rows.push({
        group: JSON.stringify(groups.map((column) => dictionary.textOf(codeAt(column, row)))),
        ...{ currency: codeAt(CODE.currency, row), time_ms, amount: sign * (amounts[row] as number) },
      });
    }
  });
  const byGroup = new Map<string, SpendRow[]>();
  for (const row of rows) {
    const own = byGroup.get(row.group);
    if (own === undefined) byGroup.set(row.group, [row]);
    else own.push(row);
  }
  return [...byGroup].map(([group, own]) => {
    for (const { currency, time_ms, amount } of own) money.add(currency, time_ms, amount);
    return [group, money.take()] as const;
  });
}
