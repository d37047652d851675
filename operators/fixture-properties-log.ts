import { Dictionary, defineOperator, type LogSchema, RowBatch } from '../engine/index.ts';
import type { Item, PropertyCase } from './fixture-properties.ts';
import { eventLog } from './views/log/index.ts';

const SCHEMA: LogSchema = {
  columns: [
    { name: 'retraction', kind: 'code' },
    { name: 'kind', kind: 'code', text: true },
    { name: 'key', kind: 'hash' },
    { name: 'amount', kind: 'number' },
  ],
  items: [],
  sortBy: 'key',
  retraction: 'retraction',
};

/** Each item as a row of the tenant that its side is; a refund takes a cart back. */
const rowsOf = defineOperator<Item, RowBatch>({
  kind: 'rows',
  summary: 'Rows of items',
  start: ({ emit }) => {
    const rows = new RowBatch(SCHEMA, new Dictionary());
    return {
      onBatch: (items) => {
        rows.clear();
        for (const { id, side, key, kind, amount, time_ms } of items) {
          const row = rows.append();
          rows.time_ms[row] = time_ms;
          rows.sequence[row] = Number(id);
          rows.scope[row] = rows.dictionary.codeOf(side);
          const isRefund = kind === 'refund';
          const codes = [isRefund ? 1 : 0, rows.dictionary.codeOf(isRefund ? 'cart' : kind)];
          for (const [column, code] of codes.entries()) rows.columns.codes[column]?.fill(code, row, row + 1);
          rows.columns.hashes[0]?.hi.fill(1, row, row + 1);
          rows.columns.hashes[0]?.lo.fill(key.charCodeAt(0), row, row + 1);
          rows.columns.numbers[0]?.fill(Math.round(amount), row, row + 1);
        }
        emit([rows]);
      },
    };
  },
});

export const LOG_CASES: readonly PropertyCase[] = [
  {
    name: 'event-log',
    kinds: ['event-log'],
    build: (input) =>
      input.pipe(rowsOf('rows', undefined)).pipe(
        eventLog('log', {
          schema: SCHEMA,
          limits: { fanout: 2, sealed_min_rows: 16, segment_max_rows: 24, sort_min_rows: 4 },
        }),
      ),
    final: null,
  },
];
