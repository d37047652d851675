import {
  ByteReader,
  ByteWriter,
  type DescribedRow,
  defineOperator,
  type KvEntry,
  type KvView,
  rawTable,
} from '../../engine/index.ts';
import type { EventBatch } from '../events/index.ts';
import { RateBook } from '../exchange/index.ts';
import { rateAt } from '../query/index.ts';

const tables = () => ({
  rates: rawTable({ version: 1, describeRow, logicalRows }),
  // How the rates came about; a state of an earlier version has less of it.
  events: rawTable({ version: 1, logicalRows: () => [] }),
  sources: rawTable({ version: 1, logicalRows: () => [] }),
});

/** Under which the operator called `name` shows the ledger its book of rates. */
export const rateBookOf = (name: string): string => `${name}/book`;

/** The rates that stand: when each was heard of depends on the order of arrival. */
function* logicalRows(rates: KvView): Iterable<Uint8Array> {
  for (const { key, value } of rates.scan()) {
    const rate = rateAt(value, Number.POSITIVE_INFINITY);
    if (rate !== undefined) yield new ByteWriter().bytes(key).string(rate).copy();
  }
}

function describeRow({ key, value }: KvEntry): DescribedRow {
  const reader = new ByteReader(key);
  const scope = reader.orderedString();
  const pair = `${reader.orderedString()}/${reader.orderedString()}`;
  return {
    scope,
    key: `${pair} ${new Date(reader.u48()).toISOString()}`,
    value: rateAt(value, Number.POSITIVE_INFINITY) ?? '',
  };
}

/**
 * Keeps the rate of every `fx.rate` event that counts (members `base`, `quote`, `rate`: units of quote for one of base) by
 * pair and event time, so that a query finds the rate of any day. Two events of one pair and time: the greater rate
 * stands, whatever the order of arrival; what was known at an earlier position is kept. Which events count is the
 * ledger's to say: it writes into the book that is shown here. Passes everything on.
 */
export const eventRates = defineOperator<EventBatch, EventBatch, undefined, ReturnType<typeof tables>>({
  kind: 'event-rates',
  summary: 'Exchange rates by pair and time',
  state: tables,
  start: ({ name, state, parts, emit, requestBarrier }) => {
    const book = new RateBook(state, requestBarrier);
    parts.set(rateBookOf(name), book);
    return { onBatch: emit, onBarrier: () => book.commit() };
  },
});
