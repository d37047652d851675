import { setTimeout as sleep } from 'node:timers/promises';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OutMessage } from '../../../engine/index.ts';
import { startTestNats, type TestNats } from '../../../test/nats.ts';
import { runningTime } from '../../../test/running-time.ts';
import { connectNats, type NatsLink } from '../client/index.ts';
import { type EventMessage, EventPublisher, JetStreamPublisher } from './publisher.ts';

let nats: TestNats;
let link: NatsLink;
let manager: JetStreamManager;

beforeAll(async () => {
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'test' });
  manager = await jetstreamManager(link.connection);
});

afterAll(async () => {
  await link?.close();
  await nats?.stop();
});

const messages = (subject: string, count: number, id = 'm'): EventMessage[] =>
  Array.from({ length: count }, (_, n) => ({ subject, payload: Buffer.from(`${n}`), id: `${id}${n}` }));

describe('JetStreamPublisher', () => {
  it('stores a message once, with its id and headers, however often it is sent', async () => {
    await manager.streams.add({ name: 'OUT', subjects: ['out.>'] });
    const publisher = new JetStreamPublisher(link);
    const message = {
      id: 'a-1',
      subject: 'out.x',
      headers: { Reason: 'broken\r\nline', 'Original-Seq': '7' },
      payload: Buffer.from('{}'),
    };
    await publisher.publish(message);
    await publisher.publish(message);
    const { state } = await manager.streams.info('OUT');
    expect(state.messages).toBe(1);
    const stored = await manager.streams.getMessage('OUT', { seq: 1 });
    expect(stored?.header.get('Nats-Msg-Id')).toBe('a-1');
    expect(stored?.header.get('Reason')).toBe('broken line');
    expect(stored?.header.get('Original-Seq')).toBe('7');
  });

  it('takes the message that an EventPublisher takes, and nothing with a member that it does not know', async () => {
    await manager.streams.add({ name: 'SAME', subjects: ['same.>'] });
    const [one, all] = [new JetStreamPublisher(link), new EventPublisher(link)];
    const message = { id: 's-1', subject: 'same.x', headers: {}, payload: Buffer.from('1') };
    await one.publish(message);
    expect(await all.publishAll([message])).toMatchObject({ duplicates: 1, lastSequence: 1 });
    // What an id was called before: it would be stored each time.
    const former: object = { subject: 'same.x', headers: {}, payload: Buffer.from('1'), msgId: 's-1' };
    const bad = { code: 'bad_message', message: expect.stringContaining('no member "msgId"') as unknown };
    await expect(one.publish(former as OutMessage)).rejects.toMatchObject(bad);
    await expect(all.publishAll([former as EventMessage])).rejects.toMatchObject(bad);
    expect((await manager.streams.info('SAME')).state.messages).toBe(1);
  });

  it('rejects when nobody confirms', async () => {
    const publisher = new JetStreamPublisher(link, 200);
    await expect(
      publisher.publish({ id: 'x', subject: 'nowhere', headers: {}, payload: new Uint8Array(0) }),
    ).rejects.toThrow();
  });

  it('gives up at once what no message can have', async () => {
    const publisher = new JetStreamPublisher(link);
    for (const odd of [{ id: 'a\nb' }, { headers: { 'a b': 'c' } }]) {
      const message = { id: 'x', subject: 'nowhere', headers: {}, payload: new Uint8Array(0), ...odd };
      await expect(publisher.publish(message)).rejects.toMatchObject({
        code: 'message_invalid',
        retriable: false,
      });
    }
  });
});

describe('EventPublisher', () => {
  it('gives the sequence of each message, and says what was there already', async () => {
    await manager.streams.add({ name: 'EV', subjects: ['ev.>'] });
    // One attempt each: a repeat after a slow answer would be a duplicate.
    const publisher = new EventPublisher(link, { attempt_timeout_ms: 60_000, total_timeout_ms: 120_000 });
    const first = await publisher.publishAll(messages('ev.a', 2_000));
    expect(first).toEqual({
      lastSequence: 2_000,
      sequences: Array.from({ length: 2_000 }, (_, n) => n + 1),
      duplicates: 0,
    });
    const again = await publisher.publishAll([
      ...messages('ev.a', 3),
      { subject: 'ev.a', payload: Buffer.from('n') },
    ]);
    expect(again).toEqual({ lastSequence: 2_001, sequences: [1, 2, 3, 2_001], duplicates: 3 });
    expect(await publisher.publishAll([])).toEqual({ lastSequence: 0, sequences: [], duplicates: 0 });
    expect(publisher.inFlight).toBe(0);
  });

  it('keeps its window over all calls', async () => {
    await manager.streams.add({ name: 'WIN', subjects: ['win.>'] });
    const publisher = new EventPublisher(link, { window_messages: 16 });
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, publisher.inFlight);
    }, 1);
    const results = await Promise.all(
      Array.from({ length: 5 }, (_, n) => publisher.publishAll(messages('win.a', 300, `c${n}-`))),
    );
    clearInterval(watch);
    expect(most).toBeLessThanOrEqual(16);
    expect(publisher.inFlight).toBe(0);
    expect(new Set(results.flatMap(({ sequences }) => sequences)).size).toBe(1_500);
  });

  it('names a full stream and a message that is too large, without trying for long', async () => {
    await manager.streams.add({
      name: 'SMALL',
      subjects: ['small.>'],
      max_msgs: 10,
      discard: 'new',
      max_msg_size: 1_000,
    });
    const publisher = new EventPublisher(link);
    const took_ms = runningTime();
    await expect(publisher.publishAll(messages('small.a', 50))).rejects.toMatchObject({
      code: 'stream_full',
      retriable: true,
      message: expect.stringContaining('10 of 50'),
    });
    const large = (size: number): EventMessage[] => [{ subject: 'small.a', payload: new Uint8Array(size) }];
    await expect(publisher.publishAll(large(2_000))).rejects.toMatchObject({ code: 'message_too_large' });
    const overMaxPayload = (link.connection.info?.max_payload ?? 0) + 1;
    await expect(publisher.publishAll(large(overMaxPayload))).rejects.toMatchObject({
      code: 'message_too_large',
    });
    await expect(publisher.publishAll([{ subject: 'a b', payload: Buffer.from('x') }])).rejects.toMatchObject(
      {
        code: 'subject_invalid',
      },
    );
    expect(took_ms()).toBeLessThan(2_000);
    expect(publisher.inFlight).toBe(0);
  });

  it('gives up after its time, and says so', async () => {
    const publisher = new EventPublisher(link, { total_timeout_ms: 400 });
    const took_ms = runningTime();
    await expect(publisher.publishAll(messages('nowhere.a', 5))).rejects.toMatchObject({
      code: 'stream_missing',
      retriable: true,
    });
    expect(took_ms()).toBeLessThan(3_000);
  });

  it('publishes each message once through a server that is killed meanwhile', async () => {
    let server = await startTestNats();
    const { port, storeDir } = server;
    const own = await connectNats({ url: server.url, name: 'test' });
    try {
      const ownManager = await jetstreamManager(own.connection);
      await ownManager.streams.add({ name: 'K', subjects: ['k.>'] });
      const publisher = new EventPublisher(own, {
        total_timeout_ms: 60_000,
        attempt_timeout_ms: 500,
        window_messages: 64,
      });
      const publishing = publisher.publishAll(messages('k.a', 5_000));
      await sleep(60);
      await server.kill();
      await sleep(200);
      server = await startTestNats({ port, storeDir });
      const { sequences, lastSequence } = await publishing;
      expect(lastSequence).toBe(5_000);
      expect(new Set(sequences).size).toBe(5_000);
      expect((await ownManager.streams.info('K')).state.messages).toBe(5_000);
    } finally {
      await own.close();
      await server.stop();
    }
  });
});
