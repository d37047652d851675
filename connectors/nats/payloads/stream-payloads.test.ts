import { jetstream } from '@nats-io/jetstream';
import { headers } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configured } from '../../../test/configured-nats.ts';
import { startTestNats, type TestNats } from '../../../test/nats.ts';
import { connectNats, ensureStreams, type NatsLink, openManager } from '../client/index.ts';
import { StreamPayloads } from './stream-payloads.ts';

const SIGNAL = new AbortController().signal;
const COUNT = 6_000;

let nats: TestNats;
let link: NatsLink;
let payloads: StreamPayloads;

beforeAll(async () => {
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'test' });
  await ensureStreams(link);
  payloads = new StreamPayloads({ link, stream: 'EVENTS', subjectOf: (tenant) => `events.${tenant}.>` });
  // Every hundredth message is of another tenant, and has headers.
  for (let at = 1; at <= COUNT; at++) {
    if (at % 100 === 0) {
      const head = headers();
      head.set('Content-Type', 'application/x-ndjson');
      link.connection.publish('events.small.x', String(at), { headers: head });
    } else link.connection.publish('events.large.x', String(at));
  }
  await link.connection.flush();
  const manager = await openManager(link);
  while ((await manager.streams.info('EVENTS')).state.last_seq < COUNT);
});
afterAll(async () => {
  await link.close();
  await nats.stop();
});

const textOf = (data: Uint8Array | undefined): string => Buffer.from(data ?? []).toString();

async function sequencesOf(read: AsyncIterable<{ sequence: number; data: Uint8Array }>): Promise<number[]> {
  const sequences: number[] = [];
  for await (const { sequence, data } of read) {
    expect(textOf(data)).toBe(String(sequence));
    sequences.push(sequence);
  }
  return sequences;
}

const range = (from: number, to: number, step = 1): number[] =>
  Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => from + index * step);

describe('StreamPayloads', () => {
  it('fetches messages by sequence, more than may be asked for at once, in any order', async () => {
    const wanted = range(1, COUNT, 3).reverse();
    const found = await payloads.fetch(wanted, SIGNAL);
    expect(found.size).toBe(2_000);
    for (const sequence of wanted) expect(textOf(found.get(sequence)?.data)).toBe(String(sequence));
    const withHeaders = (await payloads.fetch([300], SIGNAL)).get(300);
    expect(withHeaders?.subject).toBeDefined();
    expect(withHeaders?.header('content-type')).toBe('application/x-ndjson');
  });

  it('reads a range in order, of all tenants or of one', async () => {
    expect(await sequencesOf(payloads.read(1_001, 5_000, undefined, SIGNAL))).toEqual(range(1_001, 5_000));
    expect(await sequencesOf(payloads.read(150, 1_000, 'small', SIGNAL))).toEqual(range(200, 1_000, 100));
    // Of a tenant that has nothing behind the range, and of one that has nothing at all.
    expect(await sequencesOf(payloads.read(5_950, COUNT, 'small', SIGNAL))).toEqual([COUNT]);
    expect(await sequencesOf(payloads.read(1, COUNT, 'nobody', SIGNAL))).toEqual([]);
  });

  it('reads where messages are removed, in the range and at its end', async () => {
    const manager = await openManager(link);
    await jetstream(link.connection).publish('events.large.x', String(COUNT + 1));
    await jetstream(link.connection).publish('events.large.x', String(COUNT + 2));
    await manager.streams.deleteMessage('EVENTS', COUNT + 1);
    await manager.streams.deleteMessage('EVENTS', COUNT + 2);
    await manager.streams.deleteMessage('EVENTS', 5_500);
    expect(await sequencesOf(payloads.read(5_499, 5_501, undefined, SIGNAL))).toEqual([5_499, 5_501]);
    expect(await sequencesOf(payloads.read(COUNT, COUNT + 2, undefined, SIGNAL))).toEqual([COUNT]);
    const found = await payloads.fetch([5_499, 5_500, COUNT + 2, COUNT + 100], SIGNAL);
    expect([...found].map(([sequence, record]) => [sequence, record === null])).toEqual([
      [5_499, false],
      [5_500, true],
      [COUNT + 2, true],
      [COUNT + 100, true],
    ]);
  });

  it('stops when its signal does', async () => {
    const leaving = new AbortController();
    let read = 0;
    const reading = async (): Promise<void> => {
      for await (const _ of payloads.read(1, COUNT, undefined, leaving.signal)) {
        if (++read === 100) leaving.abort(new Error('the client left'));
      }
    };
    await expect(reading()).rejects.toThrow('the client left');
    expect(read).toBeLessThan(2_000);
    await expect(payloads.fetch([1], leaving.signal)).rejects.toThrow('the client left');
  });

  it('fetches from a stream that allows no direct requests', async () => {
    const manager = await openManager(link);
    await manager.streams.add({ name: 'CLOSED', subjects: ['closed.>'], allow_direct: false });
    await jetstream(link.connection).publish('closed.a', 'one');
    const closed = new StreamPayloads({ link, stream: 'CLOSED', subjectOf: (tenant) => `closed.${tenant}` });
    for (let round = 0; round < 2; round++) {
      const found = await closed.fetch([1, 2], SIGNAL);
      expect(textOf(found.get(1)?.data)).toBe('one');
      expect(found.get(2)).toBeNull();
    }
  });

  it('says what the stream still has, and that there is none', async () => {
    const manager = await openManager(link);
    await manager.streams.purge('EVENTS', { seq: 101 });
    const fresh = new StreamPayloads({ link, stream: 'EVENTS', subjectOf: (tenant) => `events.${tenant}.>` });
    expect(await fresh.firstSequence()).toBe(101);
    const found = await fresh.fetch([100, 101], SIGNAL);
    expect(found.get(100)).toBeNull();
    expect(found.get(101)?.sequence).toBe(101);
    expect(await sequencesOf(fresh.read(50, 110, undefined, SIGNAL))).toEqual(range(101, 110));
    const missing = new StreamPayloads({ link, stream: 'NONE', subjectOf: () => 'none' });
    await expect(missing.fetch([1], SIGNAL)).rejects.toMatchObject({ code: 'stream_missing' });
  });
});

it('what may not be deleted is refused by name', async () => {
  const subjects = ['"events.>"', '"$JS.API.INFO"', '"$JS.API.STREAM.INFO.>"'].join(', ');
  const few = `{ user: few, password: p, permissions: { publish: [${subjects}], subscribe: "_INBOX.>" } }`;
  const url = await configured(`authorization { users: [{ user: all, password: p }, ${few}] }`);
  const linkOf = (user: string): Promise<NatsLink> =>
    connectNats({ url, name: 'test', credentials: { kind: 'user', user, password: 'p' } });
  const [all, some] = [await linkOf('all'), await linkOf('few')];
  await ensureStreams(all);
  const subjectOf = (): string => 'events.>';
  const erasing = new StreamPayloads({ link: some, stream: 'EVENTS', subjectOf });
  await expect(erasing.erase(1)).rejects.toMatchObject({ code: 'nats_permission_denied', retriable: false });
  expect(await new StreamPayloads({ link: all, stream: 'EVENTS', subjectOf }).erase(1)).toBe(false);
  await all.close();
  await some.close();
});
