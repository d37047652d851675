import {
  ByteReader,
  ByteWriter,
  type DescribedRow,
  defineOperator,
  type KvEntry,
  type KvView,
  rawTable,
} from '../../engine/index.ts';
import type { AnnouncedRate, EventBatch } from '../events/index.ts';
import { addRate, rateAt } from '../query/index.ts';

/** Rates are decimal text of at most this many characters, so that no precision is lost. */
const RATE = /^(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?$/;
const CURRENCY = /^[A-Z]{3}$/;
/** Rates that wait for a commit, in rows. */
const STAGED_MAX = 10_000;

interface StagedRate {
  readonly key: Uint8Array;
  readonly sequence: number;
  readonly rate: string;
}

const tables = () => ({ rates: rawTable({ version: 1, describeRow, logicalRows }) });

/** The rates that stand: when each was heard of depends on the order of arrival. */
function* logicalRows(rates: KvView): Iterable<Uint8Array> {
  for (const { key, value } of rates.scan()) {
    yield new ByteWriter()
      .bytes(key)
      .string(rateAt(value, Number.POSITIVE_INFINITY) ?? '')
      .copy();
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
 * Keeps every `fx.rate` event (members `base`, `quote`, `rate`: units of quote for one of base) by pair and
 * event time, so that a query finds the rate of any day. Two events of one pair and time: the greater rate
 * stands, whatever the order of arrival; what was known at an earlier position is kept (`addRate`). Events without a
 * usable pair and rate are listed as `bad_rate` in the diagnostics. Passes everything on.
 */
export const eventRates = defineOperator<EventBatch, EventBatch, undefined, ReturnType<typeof tables>>({
  kind: 'event-rates',
  summary: 'Exchange rates by pair and time',
  state: tables,
  start: ({ state, emit, notice, requestBarrier }) => {
    let staged: StagedRate[] = [];
    const take = (batch: EventBatch, rate: AnnouncedRate): void => {
      if (batch.live[rate.row] === 0) return;
      const scope = batch.dictionary.textOf(batch.own.scope[rate.row] as number);
      const sequence = batch.own.sequence[rate.row] as number;
      if (isRate(rate)) {
        const time_ms = batch.own.time_ms[rate.row] as number;
        staged.push({ key: keyOf(scope, rate, time_ms), sequence, rate: rate.rate });
      } else {
        const detail = { detail: 'fx.rate needs base and quote (ISO 4217) and a positive decimal rate' };
        notice({ kind: 'bad_rate', scope, sequence, detail });
      }
    };
    return {
      onBatch: (batches) => {
        for (const batch of batches) for (const rate of batch.rates) take(batch, rate);
        if (staged.length > STAGED_MAX) requestBarrier();
        emit(batches);
      },
      onBarrier: () => {
        for (const { key, sequence, rate } of staged) {
          const value = addRate(state.rates.get(key), sequence, rate);
          if (value !== undefined) state.rates.put(key, value);
        }
        staged = [];
      },
    };
  },
});

function isRate({ base, quote, rate }: AnnouncedRate): boolean {
  return CURRENCY.test(base) && CURRENCY.test(quote) && RATE.test(rate) && Number(rate) > 0;
}

function keyOf(scope: string, { base, quote }: AnnouncedRate, time_ms: number): Uint8Array {
  return new ByteWriter().orderedString(scope).orderedString(base).orderedString(quote).u48(time_ms).copy();
}
