import { begin, type PatternMatch, pattern, type Stream, TestDriver } from '../../index.ts';

interface Payment {
  readonly card: string;
  readonly type: 'payment.failed' | 'payment.succeeded';
  readonly amount: number;
  readonly time_ms: number;
}

/** Somebody tries a card out: two refusals, then a payment above all of them, within ten minutes. */
const cardTesting = begin('refused', ({ type }: Payment) => type === 'payment.failed')
  .times(2)
  .followedBy(
    'taken',
    ({ type, amount }, { refused }) =>
      type === 'payment.succeeded' && refused.every((attempt) => amount > attempt.amount),
  )
  .within(600_000);

const suspicions = (payments: Stream<Payment>): Stream<PatternMatch<Payment, 'refused' | 'taken'>> =>
  payments.pipe(
    pattern('card-testing', {
      pattern: cardTesting,
      keyOf: ({ card }) => card,
      timeOf: ({ time_ms }) => time_ms,
      skip: 'skipPastLast',
    }),
  );

export default async function example(): Promise<unknown[]> {
  const payments = await TestDriver.start(suspicions);
  // Out of order: what counts is event time.
  await payments.push(
    { card: '4711', type: 'payment.succeeded', amount: 90_000, time_ms: 200_000 },
    { card: '4711', type: 'payment.failed', amount: 100, time_ms: 0 },
    { card: '4711', type: 'payment.failed', amount: 500, time_ms: 60_000 },
    { card: '1234', type: 'payment.failed', amount: 2_500, time_ms: 0 },
    { card: '1234', type: 'payment.succeeded', amount: 2_500, time_ms: 30_000 },
  );
  await payments.advanceTo(300_000);
  return payments.out.map(({ key, start_ms, end_ms, events }) => ({
    card: key,
    tried: events.refused.map(({ amount }) => amount),
    taken: events.taken.map(({ amount }) => amount),
    took_ms: end_ms - start_ms,
  }));
}

export const expected: unknown[] = [{ card: '4711', tried: [100, 500], taken: [90_000], took_ms: 200_000 }];
