import { expect, it } from 'vitest';
import { type SeededRandom, type SimulatedMessage, simulateSeeds } from '../../index.ts';
import { paid } from './topology.ts';

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2025, 0, 1);
const message = (subject: string, json: object): SimulatedMessage => ({
  subject,
  data: Buffer.from(JSON.stringify(json)),
});
const timeOf = ({ data }: SimulatedMessage): number =>
  (JSON.parse(Buffer.from(data).toString()) as { readonly at: number }).at;

/** A stream for each source of the topology, each in its own order. */
function ordersAndPayments(_: number, random: SeededRandom) {
  const orders = Array.from({ length: 80 }, (__, index) => ({
    order: `o${index}`,
    at: START_MS + index * 1_000,
  }));
  const payments = orders
    .filter(() => random.chance(0.7))
    .map(({ order, at }) => ({ order, cents: random.int(1, 9_900), at: at + random.int(0, 90_000) }))
    .sort((a, b) => a.at - b.at);
  return {
    orders: orders.map((order) => message('orders.shop', order)),
    payments: payments.map((payment) => message('payments.shop', payment)),
  };
}

it('finds the same payments, however the two streams come', async () => {
  const report = await simulateSeeds({
    topology: () => paid,
    generate: ordersAndPayments,
    disorder: { timeOf, max_ms: 2_000 },
    duplicates: 0,
    seeds: 30,
    // The clock begins a day before the messages: a source that is idle then makes nothing late.
    start_ms: START_MS - DAY_MS,
    end_ms: START_MS + DAY_MS,
  });
  expect(report.failure).toBeUndefined();
  expect(report.crashes).toBeGreaterThan(0);
});
