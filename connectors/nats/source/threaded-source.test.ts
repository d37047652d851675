import { jetstream } from '@nats-io/jetstream';
import { headers } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SourceRecord } from '../../../engine/index.ts';
import { startTestNats, type TestNats } from '../../../test/nats.ts';
import { connectNats, EVENTS_STREAM, ensureStreams, type NatsLink, openManager } from '../client/index.ts';
import { RING_BYTES } from './record-ring.ts';
import { ThreadedSource } from './threaded-source.ts';

let nats: TestNats;
let link: NatsLink;

beforeAll(async () => {
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'test' });
  await ensureStreams(link);
});

afterAll(async () => {
  await link.close();
  await nats.stop();
});

interface Seen {
  readonly sequence: number;
  readonly subject: string;
  readonly text: string;
  readonly tag: string | undefined;
}

const seen = (record: SourceRecord): Seen => ({
  sequence: record.sequence,
  subject: record.subject,
  text: Buffer.from(record.data).toString('latin1'),
  tag: record.header('x-tag'),
});

/** Takes until `count` records came; each is looked at before the next take, as the contract says. */
async function read(source: ThreadedSource, count: number, max = 1_000): Promise<Seen[]> {
  const all: Seen[] = [];
  while (all.length < count) all.push(...(await source.take({ max, wait_ms: 1_000 })).map(seen));
  return all;
}

async function purge(): Promise<void> {
  await (await openManager(link)).streams.purge(EVENTS_STREAM.name);
}

const open = (): ThreadedSource => new ThreadedSource({ url: nats.url, stream: EVENTS_STREAM.name });

describe('ThreadedSource', () => {
  it('gives sequences, subjects, payloads and headers in order', async () => {
    const client = jetstream(link.connection);
    const first = (await client.publish('events.a.1', 'zero')).seq;
    for (let index = 1; index < 500; index++) {
      const tagged = headers();
      tagged.set('X-Tag', `t${index}`);
      const options = index % 7 === 0 ? { headers: tagged } : {};
      await client.publish(`events.${index % 3 === 0 ? 'a' : 'b'}.1`, `payload ${index}`, options);
    }
    const source = open();
    const facts = await source.facts();
    expect(facts.lastSequence).toBe(first + 499);
    await source.start(first - 1);
    const all = await read(source, 500, 64);
    expect(all.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: 500 }, (_, index) => first + index),
    );
    expect(all[6]).toEqual({ sequence: first + 6, subject: 'events.a.1', text: 'payload 6', tag: undefined });
    expect(all[7]?.tag).toBe('t7');
    await expect.poll(() => source.state().caughtUp, { timeout: 60_000 }).toBe(true);
    expect(source.state()).toMatchObject({ connected: true, skipped: 0, headSequence: first + 499 });
    await source.stop();
    expect(await source.take({ max: 1, wait_ms: 10 })).toEqual([]);
  });

  it('goes round the ring several times, with a reader slower than the writer', async () => {
    await purge();
    const size_bytes = 1_000_003;
    const count = Math.ceil((RING_BYTES * 2.5) / size_bytes);
    const client = jetstream(link.connection);
    const body = Buffer.alloc(size_bytes, 'x');
    let last = 0;
    for (let index = 0; index < count; index++) {
      body.write(`#${index}#`);
      last = (await client.publish('events.big.1', body)).seq;
    }
    const source = open();
    await source.facts();
    await source.start(last - count);
    for (let index = 0; index < count; ) {
      for (const record of await source.take({ max: 3, wait_ms: 1_000 })) {
        expect(record.data.length).toBe(size_bytes);
        expect(Buffer.from(record.data.subarray(0, 12)).toString()).toMatch(new RegExp(`^#${index}#`));
        expect(record.data.at(-1)).toBe('x'.charCodeAt(0));
        index++;
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await source.stop();
  });

  it('never passes what it has received and the ring does not hold', async () => {
    await purge();
    const size_bytes = 1_000_000;
    // One more than it holds: the thread has the last one in its hands, and nothing else is to come.
    const count = Math.floor(RING_BYTES / size_bytes) + 1;
    const client = jetstream(link.connection);
    const first = (await client.publish('events.big.1', Buffer.alloc(size_bytes))).seq;
    for (let index = 1; index < count; index++)
      await client.publish('events.big.1', Buffer.alloc(size_bytes));
    const source = open();
    await source.facts();
    await source.start(first - 1);
    await expect.poll(() => source.state().headSequence, { timeout: 60_000 }).toBe(first + count - 1);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    let [last, passed] = [first - 1, 0];
    while (last < first + count - 1) {
      for (const { sequence } of await source.take({ max: 100, wait_ms: 20 })) {
        expect(sequence).toBe(last + 1);
        expect(sequence).toBeGreaterThan(passed);
        last = sequence;
      }
      passed = Math.max(passed, source.passed() ?? 0);
    }
    await expect.poll(() => source.passed(), { timeout: 60_000 }).toBe(last);
    await source.stop();
  });

  it('reads only the filtered subjects, and never passes what it has still to give', async () => {
    await purge();
    const client = jetstream(link.connection);
    const first = (await client.publish('events.a.1', 'x')).seq;
    const filter_subjects = ['events.b.>'];
    const source = new ThreadedSource({ url: nats.url, stream: EVENTS_STREAM.name, filter_subjects });
    await source.facts();
    await source.start(first);
    const total = 3_000;
    const publishing = (async () => {
      for (let index = 1; index <= total; index++) {
        link.connection.publish(`events.${index % 3 === 0 ? 'b' : 'a'}.1`, 'x');
        if (index % 10 === 0) await link.connection.flush();
      }
    })();
    const taken: number[] = [];
    let passed = first;
    let moves = 0;
    while (passed < first + total) {
      const records = await source.take({ max: 7, wait_ms: 1 });
      for (const { sequence } of records) {
        expect(sequence).toBeGreaterThan(passed);
        taken.push(sequence);
      }
      const next = records.length > 0 ? passed : (source.passed() ?? passed);
      if (next > passed) moves++;
      passed = next;
    }
    await publishing;
    expect(taken).toEqual(Array.from({ length: total / 3 }, (_, n) => first + 3 * (n + 1)));
    expect(moves).toBeGreaterThan(0);
    await source.stop();
  });

  it('says why it ends', async () => {
    const source = new ThreadedSource({ url: nats.url, stream: 'ABSENT' });
    await expect(source.facts()).rejects.toMatchObject({ code: 'stream_missing' });
    await source.stop();
  });

  it('survives the server: every sequence once', async () => {
    await purge();
    const client = jetstream(link.connection);
    const first = (await client.publish('events.a.1', 'start')).seq;
    const source = open();
    await source.facts();
    await source.start(first - 1);
    const { port, storeDir } = nats;
    const reading = read(source, 2_001, 100);
    for (let index = 0; index < 1_000; index++) await client.publish('events.a.1', `before ${index}`);
    await nats.kill();
    nats = await startTestNats({ port, storeDir });
    for (let sent = 0; sent < 1_000; ) {
      // The connection of the test itself has to come back first.
      const stored = await client
        .publish('events.a.1', `after ${sent}`, { msgID: `after-${sent}`, timeout: 2_000 })
        .catch(() => undefined);
      if (stored !== undefined) sent++;
    }
    const all = await reading;
    expect(all.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: 2_001 }, (_, index) => first + index),
    );
    await source.stop();
  });
});
