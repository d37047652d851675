import { dedupEvents, type IdentifiedColumns, identify, type Stream, TestDriver } from '../../index.ts';

/** Payments as columns. */
class Payments implements IdentifiedColumns {
  readonly ids: readonly string[];
  readonly id0: Int32Array;
  readonly id1: Int32Array;
  readonly id2: Int32Array;
  readonly payload: Int32Array;
  readonly live: Uint8Array;
  readonly own: { readonly time_ms: Float64Array };

  constructor(
    payments: readonly { readonly id: string; readonly cents: number; readonly time_ms: number }[],
  ) {
    const hashes = payments.map(({ id, cents }) => identify(id, cents));
    this.ids = payments.map(({ id }) => id);
    this.id0 = Int32Array.from(hashes, ({ id0 }) => id0);
    this.id1 = Int32Array.from(hashes, ({ id1 }) => id1);
    this.id2 = Int32Array.from(hashes, ({ id2 }) => id2);
    this.payload = Int32Array.from(hashes, ({ payload }) => payload);
    this.live = new Uint8Array(payments.length).fill(1);
    this.own = { time_ms: Float64Array.from(payments, ({ time_ms }) => time_ms) };
  }

  get length(): number {
    return this.ids.length;
  }
}

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start((payments: Stream<Payments>) =>
    payments.pipe(
      dedupEvents<Payments>('payments', {
        // The same payment again is dropped; another amount under its id is a conflict.
        conflict: ({ ids }, row) => ({
          id: `conflict-${ids[row]}`,
          subject: 'deadletter.shop',
          headers: { Reason: 'conflict' },
          payload: new Uint8Array(0),
        }),
      }),
    ),
  );
  const payment = (id: string, cents: number) => ({ id, cents, time_ms: 0 });
  await driver.push(new Payments([payment('p1', 5), payment('p1', 5), payment('p1', 7), payment('p2', 9)]));
  driver.commit();
  const live = driver.out.flatMap((batch) => batch.ids.filter((_, row) => batch.live[row] === 1));
  return [...live, ...driver.sent.map(({ id }) => id)];
}

export const expected: unknown[] = ['p1', 'p2', 'conflict-p1'];
