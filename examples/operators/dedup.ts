import { dedup, fnv1aOfString, hashJson, mix32, TestDriver } from '../../index.ts';

interface Payment {
  readonly id: string;
  readonly cents: number;
  readonly time_ms: number;
}

/** An id as three words of hash, and a hash of the rest. */
const identified = (payment: Payment) => ({
  ...payment,
  id0: mix32(fnv1aOfString(payment.id)),
  id1: mix32(fnv1aOfString(`${payment.id}/1`)),
  id2: mix32(fnv1aOfString(`${payment.id}/2`)),
  payload: hashJson(payment.cents),
});
type Identified = ReturnType<typeof identified>;

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start<Identified, Identified>((payments) =>
    payments.pipe(
      dedup('payments', {
        memory_ids: 100_000,
        retain_ms: 7 * 86_400_000,
        describe: ({ id }) => ({ scope: 'shop', sequence: 0, detail: { id } }),
        conflict: ({ id, cents }) => ({
          id: `conflict-${id}-${cents}`,
          subject: 'deadletter.shop',
          headers: { Reason: 'conflict' },
          payload: Buffer.from(`${cents}`),
        }),
      }),
    ),
  );
  const payments = [5, 5, 7].map((cents) => identified({ id: 'p1', cents, time_ms: 0 }));
  await driver.push(...payments, identified({ id: 'p2', cents: 9, time_ms: 0 }));
  driver.commit();
  return [...driver.out.map(({ id, cents }) => `${id} ${cents}`), ...driver.sent.map(({ id }) => id)];
}

export const expected: unknown[] = ['p1 5', 'p2 9', 'conflict-p1-7'];
