import { setTimeout as sleep } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { MemoryDisk, OUTBOX_TABLE, Outbox } from '../../../engine/index.ts';
import { startTestNats, type TestNats } from '../../../test/nats.ts';
import { connectNats, type NatsLink } from '../client/index.ts';
import { JetStreamPublisher } from './publisher.ts';

let nats: TestNats;
let link: NatsLink;

beforeAll(async () => {
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'test' });
});

afterAll(async () => {
  await link?.close();
  await nats?.stop();
});

const SUBJECTS = ['out.a', 'out.b', 'out.c'];
const MESSAGES = 90;

it('messages of a subject are stored in order, though the stream is full most of the time', async () => {
  const manager = await jetstreamManager(link.connection);
  await manager.streams.add({ name: 'OUT', subjects: ['out.>'], max_msgs: 4, discard: 'new' });
  const store = new MemoryDisk().open();
  const limits = { max_rows: 1_000, window: 256, retry_ms: 5 };
  const refused: string[] = [];
  const outbox = new Outbox(store.table(OUTBOX_TABLE), new JetStreamPublisher(link), 0, limits, {
    refused: ({ id }) => void refused.push(id),
  });
  const staged = Array.from({ length: MESSAGES }, (_, n) => `${SUBJECTS[n % SUBJECTS.length]} ${n}`);
  for (const id of staged) {
    outbox.stage({ id, subject: id.slice(0, 5), headers: {}, payload: new Uint8Array(0) });
  }
  store.transaction(() => outbox.flush()).sendCommitted();

  const stored: string[] = [];
  for (let sequence = 1; stored.length < MESSAGES; ) {
    const message = await manager.streams.getMessage('OUT', { seq: sequence });
    if (message === null) {
      await sleep(1);
      continue;
    }
    stored.push(message.header.get('Nats-Msg-Id'));
    // Makes room for one, whichever comes first.
    await manager.streams.deleteMessage('OUT', sequence++);
  }
  for (const subject of SUBJECTS) {
    const of = (ids: readonly string[]): string[] => ids.filter((id) => id.startsWith(subject));
    expect(of(stored)).toEqual(of(staged));
  }
  expect([refused, outbox.retries > 0]).toEqual([[], true]);
  outbox.stop();
});
