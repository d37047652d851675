import {
  ByteReader,
  ByteWriter,
  type DescribedRow,
  defineOperator,
  type KvEntry,
  rawTable,
} from '../../engine/index.ts';
import type { WithFacts } from '../../operators/index.ts';
import { type OrderEvent, T } from '../events/index.ts';
import type { FactPlace } from './facts.ts';

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
 * event time, so that a query finds the rate in force at any moment. Two events of one pair and time:
 * the greater rate stands, whatever the order of arrival. Events without a usable pair and rate are listed
 * as `bad_rate` in the diagnostics. Passes everything on.
 */
export const fxRates = defineOperator<
  WithFacts<OrderEvent, FactPlace>,
  WithFacts<OrderEvent, FactPlace>,
  undefined,
  ReturnType<typeof tables>
>({
  kind: 'fx-rates',
  summary: 'Exchange rates by pair and time',
  state: tables,
  start: ({ state, emit, notice, requestBarrier }) => {
    let staged: { readonly key: Uint8Array; readonly rate: string }[] = [];
    return {
      onBatch: (items) => {
        for (const { event } of items) {
          if (event.type !== T['fx.rate']) continue;
          const rate = rateOf(event);
          if (rate === undefined) {
            const detail = { detail: 'fx.rate needs base and quote (ISO 4217) and a positive decimal rate' };
            notice({ kind: 'bad_rate', scope: event.tenant, sequence: event.sequence, detail });
          } else staged.push(rate);
        }
        if (staged.length > STAGED_MAX) requestBarrier();
        emit(items);
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

function rateOf({ tenant, time_ms, extra }: OrderEvent): { key: Uint8Array; rate: string } | undefined {
  const { base, quote, rate } = extra ?? {};
  const text = typeof rate === 'number' ? String(rate) : rate;
  if (typeof base !== 'string' || typeof quote !== 'string' || typeof text !== 'string') return undefined;
  if (!CURRENCY.test(base) || !CURRENCY.test(quote) || !RATE.test(text) || Number(text) <= 0)
    return undefined;
  return {
    key: new ByteWriter().orderedString(tenant).orderedString(base).orderedString(quote).u48(time_ms).copy(),
    rate: text,
  };
}
