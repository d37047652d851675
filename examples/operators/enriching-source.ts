import { setTimeout as sleep } from 'node:timers/promises';
import {
  enrichingSource,
  enrichmentOf,
  json,
  MemoryDisk,
  type Source,
  type SourceRecord,
  systemClock,
  Task,
  toJetStream,
  topology,
} from '../../index.ts';

/** A stream in memory; for JetStream give `enrichingSource` as `through` of `jetstream(…)`. */
function ordersIn(texts: readonly string[]): Source {
  const records = texts.map((text, index) => ({
    ...{ sequence: index + 1, subject: 'orders.oslo', data: Buffer.from(text) },
    ...{ hasHeaders: false, header: () => undefined },
  }));
  const facts = { stream: 'ORDERS', incarnation: 'memory', firstSequence: 1, lastSequence: texts.length };
  return {
    partition: '0',
    facts: () => Promise.resolve(facts),
    start: () => Promise.resolve(),
    take: ({ max }) => Promise.resolve(records.splice(0, max)),
    state: () => ({ headSequence: 3, caughtUp: records.length === 0, connected: true, skipped: 0 }),
    stop: () => Promise.resolve(),
  };
}

/** As a service would answer: one customer after 20 ms, one at once, and one never. */
async function customerOf({ data }: SourceRecord, signal: AbortSignal): Promise<string> {
  const customer = JSON.parse(Buffer.from(data).toString()) as string;
  await sleep({ ada: 20, bob: 0 }[customer] ?? 60_000, undefined, { signal });
  return `${customer} of Oslo`;
}

const withCustomers = topology('with-customers', (t) => {
  t.source('orders').pipe(
    json('parse', {
      parse: (value, record) => {
        const found = enrichmentOf<string>(record);
        return { order: String(value), customer: found?.status === 'done' ? found.value : found?.status };
      },
    }),
    toJetStream('enriched', {
      subject: 'enriched',
      encode: ({ order, customer }) => `${order}: ${customer}`,
    }),
  );
});

export default async function example(): Promise<unknown[]> {
  const source = enrichingSource(ordersIn(['"ada"', '"bob"', '"eve"']), {
    enrich: customerOf,
    max_in_flight: 64,
    timeout_ms: 200,
    onTimeout: 'pass',
  });
  const sent: string[] = [];
  const publisher = {
    publish: ({ payload }: { readonly payload: Uint8Array }) =>
      Promise.resolve(void sent.push(Buffer.from(payload).toString())),
  };
  const store = new MemoryDisk().open();
  const task = new Task({ topology: withCustomers, source, store, publisher, clock: systemClock });
  await task.open();
  for (let taken = 0; taken < 3; ) taken += await task.step(50);
  task.commit();
  while (sent.length < 3) await task.step(10);
  task.close();
  return sent;
}

/** In the order of the stream, however long each look-up took. */
export const expected: unknown[] = ['ada: ada of Oslo', 'bob: bob of Oslo', 'eve: timed_out'];
