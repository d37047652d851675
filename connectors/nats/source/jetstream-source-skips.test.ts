import { jetstream } from '@nats-io/jetstream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestNats, type TestNats } from '../../../test/nats.ts';
import { connectNats, type NatsLink, openManager } from '../client/index.ts';
import { until } from './fixture-source.ts';
import { JetStreamSource } from './jetstream-source.ts';

const STREAM = 'SKIPS';

let nats: TestNats;
let link: NatsLink;

beforeEach(async () => {
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'test' });
});

afterEach(async () => {
  await link.close();
  await nats.stop();
});

describe('a source that the server may pass something over', () => {
  it('reads several subjects through one pattern, so that a purge of one takes nothing of the others', async () => {
    const manager = await openManager(link);
    await manager.streams.add({ name: STREAM, subjects: ['h.>'] });
    const client = jetstream(link.connection);
    for (let n = 1; n <= 60; n++) await client.publish(n % 2 === 0 ? 'h.b.2' : 'h.a.1', '.');
    const limits = {
      pull_max_messages: 4,
      buffer_max_messages: 8,
      idle_heartbeat_ms: 50,
      pull_expires_ms: 500,
    };
    const source = new JetStreamSource({
      link,
      stream: STREAM,
      filter_subjects: ['h.a.1', 'h.b.2'],
      limits,
    });
    await source.start(0);
    await until(() => source.diagnostics().buffered_messages === 8, 'the buffer fills');
    await manager.streams.purge(STREAM, { filter: 'h.a.1' });
    const taken: number[] = [];
    for (let empty = 0; empty < 20; ) {
      const records = await source.take({ max: 3, wait_ms: 50 });
      for (const { sequence } of records) taken.push(sequence);
      empty = records.length > 0 ? 0 : empty + 1;
    }
    // What was sent already, and all of the other subject.
    const rest = Array.from({ length: 30 }, (_, index) => 2 * (index + 1)).filter((sequence) => sequence > 8);
    expect(taken).toEqual([1, 2, 3, 4, 5, 6, 7, 8, ...rest]);
    expect(source.passed()).toBe(60);
    expect(source.state()).toMatchObject({ caughtUp: true, headSequence: 60, skipped: 0 });
    await source.stop();
  });

  it('may be begun again when the server goes away while it is begun', async () => {
    const manager = await openManager(link);
    await manager.streams.add({ name: STREAM, subjects: ['h.>'] });
    const begun = new JetStreamSource({ link, stream: STREAM });
    await begun.facts();
    const { port, storeDir } = nats;
    await nats.kill();
    await until(() => !link.connected, 'the connection is lost');
    const unavailable = { code: 'stream_unavailable', retriable: true };
    await Promise.all([
      expect(begun.start(0)).rejects.toMatchObject(unavailable),
      expect(new JetStreamSource({ link, stream: STREAM }).facts()).rejects.toMatchObject(unavailable),
    ]);
    nats = await startTestNats({ port, storeDir });
  });

  it('ends with an error when a message comes that was to be over', async () => {
    const manager = await openManager(link);
    await manager.streams.add({ name: STREAM, subjects: ['h.>'] });
    const client = jetstream(link.connection);
    for (let n = 1; n <= 10; n++) await client.publish('h.c', '.');
    const source = new JetStreamSource({ link: beginningAnew(link), stream: STREAM });
    await source.start(5);
    const taking = (async () => {
      for (;;) expect(await source.take({ max: 10, wait_ms: 100 })).toEqual([]);
    })();
    await expect(taking).rejects.toMatchObject({ code: 'stream_went_back', retriable: false });
    await source.stop();
  });
});

/** The server is asked for the stream from its first message on, whatever the source wants. */
function beginningAnew(real: NatsLink): NatsLink {
  const connection = new Proxy(real.connection, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (name !== 'request' || typeof value !== 'function')
        return typeof value === 'function' ? value.bind(target) : value;
      return (subject: string, payload: Uint8Array | string, options: object) => {
        const text = Buffer.from(payload)
          .toString()
          .replace(/"opt_start_seq":\d+/, '"opt_start_seq":1');
        return target.request(subject, text, options as { timeout: number });
      };
    },
  });
  return new Proxy(real, {
    get: (target, name) => {
      if (name === 'connection') return connection;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
