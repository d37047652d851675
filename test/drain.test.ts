import { afterAll, describe, expect, it } from 'vitest';
import type { Millrace } from './process.ts';
import { Scratch } from './scratch.ts';

const scratch = new Scratch();
afterAll(() => scratch.clean());

const DAY = { start: '2025-08-01T00:00:00Z', end: '2025-08-02T00:00:00Z' };
const EXIT_MAX_MS = 10_000;
const BATCH = 50;

const orders = (batch: number): object[] =>
  Array.from({ length: BATCH }, (_, index) => ({
    event_id: `drain-${batch}-${index}`,
    type: 'order.created',
    time: `2025-08-01T10:${String(batch % 60).padStart(2, '0')}:00Z`,
    order_id: `o-${batch}-${index}`,
    currency: 'EUR',
    amount: 100,
  }));

/** Ingests batch after batch until the server takes no more; adds each that got its 202. */
async function ingestUntilRefused(
  instance: Millrace,
  next: () => number,
  accepted: Set<number>,
): Promise<void> {
  for (;;) {
    const batch = next();
    try {
      const { status, json } = await instance.request('POST', '/ingest', { body: orders(batch) });
      if (status !== 202) return;
      expect(json.accepted).toBe(BATCH);
      accepted.add(batch);
    } catch {
      // The connection is closed: not accepted, whatever happened to it.
      return;
    }
  }
}

describe('SIGTERM', () => {
  it('drains: what got a 202 is there after the restart, exit 0 within 10 s', async () => {
    const dataDir = await scratch.dir('drain');
    const first = await scratch.start({ dataDir });
    await first.untilOk();
    const accepted = new Set<number>();
    let batches = 0;
    const clients = [1, 2, 3, 4].map(() => ingestUntilRefused(first, () => batches++, accepted));
    while (accepted.size < 20) await new Promise((resolve) => setTimeout(resolve, 5));
    const exit = await first.terminate();
    await Promise.all(clients);
    expect(exit).toMatchObject({ code: 0, signal: null });
    expect(exit.took_ms).toBeLessThan(EXIT_MAX_MS);

    const second = await scratch.start({ dataDir });
    await second.untilApplied();
    const query = { ...DAY, metrics: ['orders_count', 'revenue_gross'] };
    const { orders_count, revenue_gross } = await second.totals('default', query);
    // A batch in flight at the signal may have been stored without its answer.
    expect(orders_count).toBeGreaterThanOrEqual(accepted.size * BATCH);
    expect(orders_count).toBeLessThanOrEqual(batches * BATCH);
    expect(revenue_gross).toBe(Number(orders_count) * 100);
    expect((await second.terminate()).code).toBe(0);
  });

  it('ends at once while there is nothing to drain, and while it starts', async () => {
    const dataDir = await scratch.dir('drain-idle');
    const starting = scratch.launch({ dataDir });
    const early = await starting.terminate();
    expect(early.took_ms).toBeLessThan(EXIT_MAX_MS);
    const idle = await scratch.start({ dataDir });
    await idle.untilOk();
    const exit = await idle.terminate();
    expect(exit).toMatchObject({ code: 0, signal: null });
    expect(exit.took_ms).toBeLessThan(5_000);
  });
});
