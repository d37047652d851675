import { branch, map, TestDriver, toJetStream } from '../../index.ts';

type Event =
  | { readonly type: 'paid'; readonly order: string; readonly cents: number }
  | { readonly type: 'refunded'; readonly order: string; readonly reason: string }
  | { readonly type: 'viewed'; readonly page: string };
type Of<T extends Event['type']> = Extract<Event, { type: T }>;

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start<Event, string>((events) => {
    const { paid, refunded } = branch(events, 'by-type', {
      paid: (event): event is Of<'paid'> => event.type === 'paid',
      refunded: (event): event is Of<'refunded'> => event.type === 'refunded',
    });
    // Each branch has the type of its guard.
    refunded.pipe(toJetStream('refunds', { subject: ({ reason }) => `refunds.${reason}` }));
    return paid.pipe(map('amount', ({ order, cents }) => `${order}: ${cents}`));
  });
  await driver.push(
    { type: 'paid', order: 'o1', cents: 500 },
    { type: 'viewed', page: '/' },
    { type: 'refunded', order: 'o1', reason: 'damaged' },
  );
  driver.commit();
  const unmatched = `${driver.counter('millrace.branch.unmatched')} unmatched`;
  return [...driver.out, ...driver.sent.map(({ subject }) => subject), unmatched];
}

export const expected: unknown[] = ['o1: 500', 'refunds.damaged', '1 unmatched'];
