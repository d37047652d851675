import { CODE, HASH, ITEM_CODE, MARK, NUMBER, ROW_DIMENSIONS, rowSchema } from '../analytics/index.ts';
import {
  Dictionary,
  type HashColumn,
  type LogView,
  LogWriter,
  openLmdbReader,
  openLmdbStore,
  planScan,
  RowBatch,
  scanChunks,
} from '../engine/index.ts';
import { murmur128 } from '../operators/index.ts';
import { machine, withScratch } from './rig.ts';
import { traffic } from './traffic.ts';

const ROWS = Number(process.env.BENCH_ROWS ?? 2_000_000);
const BATCH_ROWS = 4_096;
const COMMIT_ROWS = 50_000;
const SCANS = 5;
const LOADS = { dense: 0.05, shop: 1_000 } as const;
const SCHEMA = rowSchema();
const NONE = Number.NaN;

const MARKS: Readonly<Record<string, number>> = {
  visit: MARK.visits | MARK.sessions,
  add_to_cart: MARK.sessions_with_cart,
  'order.created': MARK.orders | MARK.sessions_with_order,
  'payment.succeeded': MARK.payment | MARK.orders_paid,
  'order.shipped': MARK.orders_shipped | MARK.shipped_in,
  'order.delivered': MARK.orders_delivered,
};

type Event = Readonly<Record<string, string | number | undefined>>;
const encoder = new TextEncoder();
const words = new Uint32Array(4);

function hashInto({ hi, lo }: HashColumn, row: number, id: string | number | undefined): void {
  if (id === undefined) {
    hi[row] = 0;
    lo[row] = 0;
    return;
  }
  const bytes = encoder.encode(String(id));
  murmur128(bytes, 0, bytes.length, 1, words);
  hi[row] = words[0] as number;
  lo[row] = words[1] as number;
}

/** One event as the ledger would hand it on: with what it counts for, an item for its sku. */
export function addRow(batch: RowBatch, event: Event, sequence: number, itemOf: Map<string, number>): void {
  const { dictionary, columns, items } = batch;
  const row = batch.append();
  const code = (column: number, value: number): void => {
    (columns.codes[column] as Int32Array)[row] = value;
  };
  const text = (value: string | number | undefined): number =>
    value === undefined ? 0 : dictionary.codeOf(String(value));
  const number = (column: number, value: number): void => {
    (columns.numbers[column] as Float64Array)[row] = value;
  };
  const type = String(event.type);
  batch.time_ms[row] = Date.parse(String(event.time));
  batch.sequence[row] = sequence;
  batch.part[row] = 0;
  batch.scope[row] = dictionary.codeOf('shop');
  code(CODE.retraction, 0);
  code(CODE.flags, 1);
  code(CODE.type, text(type));
  code(CODE.marks, MARKS[type] ?? 0);
  code(CODE.currency, text(event.currency));
  const id = encoder.encode(String(event.event_id));
  murmur128(id, 0, id.length, 1, words);
  code(CODE.event, (words[0] as number) >>> 1);
  for (const [at, name] of ROW_DIMENSIONS.entries()) code(CODE.dimensions + at, text(event[name]));
  hashInto(columns.hashes[HASH.order] as HashColumn, row, event.order_id);
  hashInto(columns.hashes[HASH.customer] as HashColumn, row, event.customer_id);
  hashInto(columns.hashes[HASH.session] as HashColumn, row, event.session_id);
  number(NUMBER.amount, Number(event.amount ?? NONE));
  number(NUMBER.discount, NONE);
  number(NUMBER.shipping, Number(event.shipping ?? NONE));
  number(NUMBER.tax, NONE);
  number(NUMBER.value, type === 'order.shipped' ? 3_600_000 + ((sequence * 7_919) % 90_000_000) : NONE);
  number(NUMBER.origin, NONE);
  batch.itemStart[row] = 0;
  batch.itemCount[row] = 0;
  if (type !== 'order.created') return;
  const sku = String(event.sku);
  let item = itemOf.get(sku);
  if (item === undefined) {
    item = batch.appendItems(1);
    itemOf.set(sku, item);
    (items.codes[ITEM_CODE.sku] as Int32Array)[item] = text(sku);
    (items.codes[ITEM_CODE.category] as Int32Array)[item] = text(event.category);
    (items.numbers[0] as Float64Array)[item] = 1;
    (items.numbers[1] as Float64Array)[item] = Number(event.amount);
  }
  batch.itemStart[row] = item;
  batch.itemCount[row] = 1;
}

/** CPU time of the process, ms: what a busy machine does beside it does not count. */
function cpu_ms(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** What the log costs and how fast it is read, for a busy shop and one with an event a second. */
export async function logBench(): Promise<object> {
  process.stdout.write(`${machine()}\n`);
  const figures: Record<string, object> = {};
  for (const [name, step_ms] of Object.entries(LOADS))
    figures[name] = await withScratch((folder) => oneLoad(folder, step_ms));
  return figures;
}

async function oneLoad(folder: string, step_ms: number): Promise<object> {
  const store = openLmdbStore(folder);
  const tables = { segments: store.table('log/segments'), chunks: store.table('log/chunks') };
  const dictionary = new Dictionary();
  const writer = new LogWriter(tables, SCHEMA);
  const batch = new RowBatch(SCHEMA, dictionary);
  const next = traffic({ seed: 1, start_ms: Date.UTC(2025, 0, 1), step_ms, disorder_ms: step_ms * 20 });
  let [append_ms, commit_ms, slowest_ms, merges, merged, slowest_wall_ms] = [0, 0, 0, 0, 0, 0];
  const itemOf = new Map<string, number>();
  for (let row = 0; row < ROWS; ) {
    batch.clear();
    itemOf.clear();
    for (let end = Math.min(ROWS, row + BATCH_ROWS); row < end; row++)
      addRow(batch, JSON.parse(next()) as Event, row + 1, itemOf);
    const started_ms = cpu_ms();
    writer.append(batch);
    append_ms += cpu_ms() - started_ms;
    if (writer.pendingRows < COMMIT_ROWS && row < ROWS) continue;
    const committing_ms = cpu_ms();
    const wall_ms = performance.now();
    const done = store.transaction(() => writer.commit(tables));
    slowest_wall_ms = Math.max(slowest_wall_ms, performance.now() - wall_ms);
    const took_ms = cpu_ms() - committing_ms;
    commit_ms += took_ms;
    slowest_ms = Math.max(slowest_ms, took_ms);
    merges += done.merges;
    merged += done.merged;
  }
  const totals = writer.totals();
  const each = (ms: number): number => Math.round((ms * 1e6) / ROWS) / 1_000;
  const written = {
    rows: ROWS,
    append_cpu_us_a_row: each(append_ms),
    commit_cpu_us_a_row: each(commit_ms),
    merges,
    merged_a_row: Math.round((merged / ROWS) * 100) / 100,
    slowest_commit_cpu_ms: Math.round(slowest_ms),
    slowest_commit_ms: Math.round(slowest_wall_ms),
    segments: totals.segments,
    bytes_a_row: Math.round((totals.bytes / ROWS) * 10) / 10,
    file_bytes_a_row: Math.round((store.sizeBytes() / ROWS) * 10) / 10,
  };
  await store.close();
  const reader = openLmdbReader(folder);
  const view = <T>(work: (view: LogView) => T): T =>
    reader.snapshot((table) => work({ segments: table('log/segments'), chunks: table('log/chunks') }));
  const scans = { ...written, ...view(scanTwo), ...view(scanSix) };
  await reader.close();
  return scans;
}

const ALL = { scope: 'shop', start_ms: 0, end_ms: Number.MAX_SAFE_INTEGER };

function fastest(rows: number, work: () => number): number {
  let best_ms = Number.POSITIVE_INFINITY;
  for (let scan = 0; scan < SCANS; scan++) {
    const started_ms = cpu_ms();
    work();
    best_ms = Math.min(best_ms, cpu_ms() - started_ms);
  }
  return Math.round(rows / best_ms / 1_000);
}

/** Revenue by country: a group-by of one column and a sum of another. */
function scanTwo(view: LogView): object {
  const sums = new Float64Array(1 << 16);
  const plan = planScan(view, ALL);
  return {
    scan_2_columns_m_rows_s: fastest(plan.rows, () => {
      sums.fill(0);
      scanChunks(view, plan, SCHEMA, (chunk) => {
        const { index, values } = chunk.code(CODE.dimensions + 1);
        const amount = chunk.number(NUMBER.amount);
        const local = new Float64Array(values.length);
        if (index === null) return;
        for (let row = 0; row < index.length; row++) {
          const value = amount[row] as number;
          if (!Number.isNaN(value))
            local[index[row] as number] = (local[index[row] as number] as number) + value;
        }
        for (let at = 0; at < values.length; at++)
          sums[values[at] as number] = (sums[values[at] as number] as number) + (local[at] as number);
      });
      return sums[1] as number;
    }),
  };
}

/** Six columns and a little work on each. */
function scanSix(view: LogView): object {
  const plan = planScan(view, ALL);
  return {
    scan_6_columns_m_rows_s: fastest(plan.rows, () => {
      let sum = 0;
      scanChunks(view, plan, SCHEMA, (chunk) => {
        const time_ms = chunk.time_ms();
        const amount = chunk.number(NUMBER.amount);
        const type = chunk.code(CODE.type);
        const country = chunk.code(CODE.dimensions + 1);
        const sku = chunk.code(CODE.dimensions + 2);
        const customer = chunk.hash(HASH.customer);
        if (type.index === null || country.index === null || sku.index === null || customer.index === null)
          return;
        for (let row = 0; row < chunk.rows; row++) {
          sum += (type.index[row] as number) + (country.index[row] as number) + (sku.index[row] as number);
          sum += (customer.index[row] as number) + (time_ms[row] as number);
          if (!Number.isNaN(amount[row] as number)) sum += amount[row] as number;
        }
      });
      return sum;
    }),
  };
}
