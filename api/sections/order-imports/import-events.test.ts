import { describe, expect, it } from 'vitest';
import { eventsOf, type KnownOrder } from './import-events.ts';
import type { ImportPayment } from './import-row.ts';

type Money = KnownOrder['money'];

const SAID = { source: 'csv', at_ms: Date.UTC(2025, 7, 1) };

const row = (total: number, payment: ImportPayment, currency = 'EUR') => ({
  ...{ order_number: 'A1', members: { data: {} }, payment, currency, total },
  hash: `${total} ${payment}`,
});

const knownOf = (money: Partial<Money>, hash = 'another'): KnownOrder => ({
  ...{ version_ms: 1, event_id: 'v', hash },
  money: { payment_status: 'pending', currency: 'EUR', total: 2_000, paid: 0, refunded: 0, ...money },
});

const moneyOf = (order: ReturnType<typeof row>, known?: KnownOrder) =>
  eventsOf(order, known, SAID).events.filter(({ type }) => !String(type).startsWith('order.'));

const told = (order: ReturnType<typeof row>, known?: KnownOrder): string[] =>
  moneyOf(order, known).map(({ type, amount }) => `${String(type)} ${String(amount)}`);

describe('a row of an import', () => {
  it('pays, and gives back, what is owing only', () => {
    const paid = knownOf({ payment_status: 'paid', paid: 2_000 });
    expect(told(row(2_000, 'paid'))).toEqual(['payment.succeeded 2000']);
    expect(told(row(3_000, 'paid'), paid)).toEqual(['payment.succeeded 1000']);
    expect(told(row(1_000, 'paid'), paid)).toEqual([]);
    const partly = knownOf({ payment_status: 'partially_paid', paid: 500 });
    expect(told(row(2_000, 'paid'), partly)).toEqual(['payment.succeeded 1500']);
    expect(told(row(2_000, 'refunded'), partly)).toEqual(['refund.issued 500']);
    expect(told(row(3_000, 'refunded'), paid)).toEqual(['refund.issued 2000']);
    const back = knownOf({ payment_status: 'partially_refunded', paid: 2_000, refunded: 700 });
    expect(told(row(2_000, 'refunded'), back)).toEqual(['refund.issued 1300']);
    expect(told(row(9_000, 'paid'), back)).toEqual([]);
    const gone = knownOf({ payment_status: 'refunded', paid: 2_000, refunded: 2_000 });
    expect(told(row(9_000, 'refunded'), gone)).toEqual([]);
    expect(told(row(2_000, 'refunded'))).toEqual(['payment.succeeded 2000', 'refund.issued 2000']);
  });

  it('takes a payment without an amount, or in another currency, for the whole', () => {
    expect(told(row(3_000, 'paid'), knownOf({ payment_status: 'paid' }))).toEqual([]);
    const other = knownOf({ payment_status: 'paid', currency: 'USD', paid: 2_000 });
    expect(told(row(3_000, 'paid'), other)).toEqual([]);
    expect(told(row(3_000, 'refunded'), other)).toEqual(['refund.issued 3000']);
  });

  it('that is done twice pays once, and a further one pays under another id', () => {
    const order = row(3_000, 'paid');
    const before = knownOf({ payment_status: 'paid', paid: 2_000 });
    const [again] = moneyOf(order, before);
    expect(moneyOf(order, before)[0]).toMatchObject({ event_id: again?.event_id });
    expect(again?.event_id).not.toBe(moneyOf(row(2_000, 'paid'))[0]?.event_id);
    const after = knownOf({ payment_status: 'paid', total: 3_000, paid: 3_000 }, order.hash);
    expect(eventsOf(order, after, SAID)).toEqual({ change: 'unchanged', events: [] });
    // A version that was stored without its payment, in a crash.
    const half = knownOf({ payment_status: 'partially_paid', total: 3_000, paid: 2_000 }, order.hash);
    expect(moneyOf(order, half)[0]?.event_id).toBe(again?.event_id);
  });
});
