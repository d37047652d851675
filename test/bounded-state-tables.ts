import { Dictionary, defineOperator, type LogSchema, RowBatch } from '../engine/index.ts';
import {
  eventLog,
  filter,
  flatMap,
  toCallback,
  toJetStream,
  toTable,
  toWindowTable,
} from '../operators/index.ts';
import {
  type BoundedCase,
  DAILY_STEP_MS,
  DAY_MS,
  KEYS,
  keyOf,
  LIVE,
  type Tick,
  timeOf,
} from './bounded-state.ts';

type TableItem = Tick & { readonly isGone: boolean };

const SCHEMA: LogSchema = {
  columns: [
    { name: 'retraction', kind: 'code' },
    { name: 'customer', kind: 'hash' },
  ],
  items: [],
  sortBy: 'customer',
  retraction: 'retraction',
};

/** A row for each tick, of a customer of its own. */
const rowsOf = defineOperator<Tick, RowBatch>({
  kind: 'rows',
  summary: 'Rows of ticks',
  start: ({ emit }) => {
    const rows = new RowBatch(SCHEMA, new Dictionary());
    const scope = rows.dictionary.codeOf('shop');
    return {
      onBatch: (ticks) => {
        rows.clear();
        for (const { index, time_ms } of ticks) {
          const row = rows.append();
          rows.time_ms[row] = time_ms;
          rows.sequence[row] = index;
          rows.scope[row] = scope;
          rows.columns.codes[0]?.fill(0, row, row + 1);
          rows.columns.hashes[0]?.hi.fill(index, row, row + 1);
          rows.columns.hashes[0]?.lo.fill(1, row, row + 1);
        }
        emit([rows]);
      },
    };
  },
});

export const tableCases: readonly BoundedCase[] = [
  {
    name: 'to-table, rows deleted',
    build: (ticks) =>
      ticks.pipe(
        // Each row is deleted when 10,000 others have come.
        flatMap<Tick, TableItem>('rows', {
          each: (tick, push) => {
            push({ ...tick, isGone: false });
            push({ ...tick, key: `key-${tick.index - LIVE}`, isGone: true });
          },
        }),
        filter('live', ({ isGone, index }: TableItem) => isGone || index < KEYS - LIVE),
        toTable<TableItem>('op', { keyOf, timeOf, value: (item) => (item.isGone ? undefined : item) }),
      ),
    step_ms: 1,
    rest_rows: 1,
  },
  {
    name: 'to-window-table',
    build: (ticks) =>
      ticks.pipe(
        toWindowTable('op', {
          keyOf,
          windowOf: ({ time_ms }: Tick) => ({ start_ms: time_ms, end_ms: time_ms + LIVE / 2 }),
          retain_ms: LIVE / 2,
        }),
      ),
    step_ms: 1,
    rest_rows: 0,
  },
  {
    name: 'event-log with a retention of a day',
    build: (ticks) =>
      ticks.pipe(rowsOf('rows', undefined)).pipe(eventLog('op', { schema: SCHEMA, retention_days: 1 })),
    step_ms: DAILY_STEP_MS,
    drain_ms: 4 * DAY_MS,
    // The columns, and where the tenant's log begins.
    rest_rows: 2,
  },
  {
    name: 'to-jetstream',
    build: (ticks) => ticks.pipe(toJetStream('op', { subject: 's' })),
    step_ms: 1,
    rest_rows: 0,
    drain_commits: 10,
  },
  {
    name: 'to-callback',
    build: (ticks) => ticks.pipe(toCallback('op', {})),
    step_ms: 1,
    rest_rows: 0,
    drain_commits: 10,
  },
];
