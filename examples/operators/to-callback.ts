import { CallbackPublisher, TestDriver, toCallback } from '../../index.ts';

interface Refund {
  readonly order: string;
  readonly cents: number;
}

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start<Refund, never>((refunds) =>
    refunds.pipe(toCallback('refund', { idOf: ({ order }) => `refund-${order}` })),
  );
  await driver.push({ order: 'o1', cents: 500 });
  driver.commit();

  // A task is given the publisher; here the test hands it what the task has owed.
  const paidOut: string[] = [];
  const publisher = new CallbackPublisher().register(
    'refund',
    async ({ id, attempt, json }) => {
      if (attempt === 1) throw new Error('the bank does not answer');
      const { cents } = json() as Refund;
      // The id makes a repeat harmless: banks call it an idempotency key.
      paidOut.push(`${id}: ${cents}, attempt ${attempt}`);
    },
    { retry_first_ms: 1 },
  );
  for (const message of driver.sent) await publisher.publish(message);
  return paidOut;
}

export const expected: unknown[] = ['refund-o1: 500, attempt 2'];
