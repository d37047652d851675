import { dedup, type Stream, TestDriver } from '../../index.ts';

interface Payment {
  readonly id: string;
  readonly cents: number;
  readonly time_ms: number;
}

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start((payments: Stream<Payment>) =>
    payments.pipe(
      dedup('payments', {
        idOf: ({ id }) => id,
        timeOf: ({ time_ms }) => time_ms,
        // The same payment again is dropped; another amount under its id is a conflict.
        contentOf: ({ cents }) => cents,
        conflict: ({ id, cents }) => ({
          id: `conflict-${id}-${cents}`,
          subject: 'deadletter.shop',
          headers: { Reason: 'conflict' },
          payload: Buffer.from(`${cents}`),
        }),
      }),
    ),
  );
  const payment = (id: string, cents: number): Payment => ({ id, cents, time_ms: 0 });
  await driver.push(payment('p1', 5), payment('p1', 5), payment('p1', 7), payment('p2', 9));
  driver.commit();
  return [...driver.out.map(({ id, cents }) => `${id} ${cents}`), ...driver.sent.map(({ id }) => id)];
}

export const expected: unknown[] = ['p1 5', 'p2 9', 'conflict-p1-7'];
