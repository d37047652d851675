import {
  ByteReader,
  ByteWriter,
  type DescribedRow,
  defineOperator,
  type KvEntry,
  rawTable,
} from '../../engine/index.ts';
import type { AnnouncedRate, EventBatch } from '../events/index.ts';

/** Rates are decimal text of at most this many characters, so that no precision is lost. */
const RATE = /^(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?$/;
const CURRENCY = /^[A-Z]{3}$/;
/** Rates that wait for a commit, in rows. */
const STAGED_MAX = 10_000;

const tables = () => ({ rates: rawTable({ version: 1, describeRow }) });

function describeRow({ key, value }: KvEntry): DescribedRow {
  const reader = new ByteReader(key);
  const scope = reader.orderedString();
  const pair = `${reader.orderedString()}/${reader.orderedString()}`;
  return {
    scope,
    key: `${pair} ${new Date(reader.u48()).toISOString()}`,
    value: Buffer.from(value).toString(),
  };
}

/**
 * Keeps every `fx.rate` event (members `base`, `quote`, `rate`: units of quote for one of base) by pair and
 * event time, so that a query finds the rate of any day. Two events of one pair and time: the greater rate
 * stands, whatever the order of arrival. Events without a usable pair and rate are listed as `bad_rate` in
 * the diagnostics. Passes everything on.
 */
export const eventRates = defineOperator<EventBatch, EventBatch, undefined, ReturnType<typeof tables>>({
  kind: 'event-rates',
  summary: 'Exchange rates by pair and time',
  state: tables,
  start: ({ state, emit, notice, requestBarrier }) => {
    let staged: { readonly key: Uint8Array; readonly rate: string }[] = [];
    const take = (batch: EventBatch, rate: AnnouncedRate): void => {
      if (batch.live[rate.row] === 0) return;
      const scope = batch.dictionary.textOf(batch.own.scope[rate.row] as number);
      if (isRate(rate)) {
        const time_ms = batch.own.time_ms[rate.row] as number;
        staged.push({ key: keyOf(scope, rate, time_ms), rate: rate.rate });
      } else {
        const detail = { detail: 'fx.rate needs base and quote (ISO 4217) and a positive decimal rate' };
        notice({ kind: 'bad_rate', scope, sequence: batch.own.sequence[rate.row] as number, detail });
      }
    };
    return {
      onBatch: (batches) => {
        for (const batch of batches) for (const rate of batch.rates) take(batch, rate);
        if (staged.length > STAGED_MAX) requestBarrier();
        emit(batches);
      },
      onBarrier: () => {
        for (const { key, rate } of staged) {
          const stored = state.rates.get(key);
          if (stored === undefined || isGreater(rate, Buffer.from(stored).toString())) {
            state.rates.put(key, Buffer.from(rate));
          }
        }
        staged = [];
      },
    };
  },
});

/** Equal numbers in other words (1.1, 1.10) must not depend on which came first either. */
function isGreater(rate: string, than: string): boolean {
  const difference = Number(rate) - Number(than);
  return difference === 0 ? rate > than : difference > 0;
}

function isRate({ base, quote, rate }: AnnouncedRate): boolean {
  return CURRENCY.test(base) && CURRENCY.test(quote) && RATE.test(rate) && Number(rate) > 0;
}

function keyOf(scope: string, { base, quote }: AnnouncedRate, time_ms: number): Uint8Array {
  return new ByteWriter().orderedString(scope).orderedString(base).orderedString(quote).u48(time_ms).copy();
}
