import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import fc from 'fast-check';
import { headers } from 'nats';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTestNats, type TestNats } from '../../test/nats.ts';
import { connectNats, type NatsLink } from './connection.ts';
import { EventPublisher } from './publisher.ts';
import { JetStreamSource, type JetStreamSourceOptions } from './source.ts';

let nats: TestNats;
let link: NatsLink;
let streams = 0;
const sources: JetStreamSource[] = [];

beforeAll(async () => {
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'test' });
});

afterEach(async () => {
  await Promise.all(sources.splice(0).map((source) => source.stop()));
});

afterAll(async () => {
  await link?.close();
  await nats?.stop();
});

/** A stream of its own for a test: `S<n>` on `s<n>.>`. */
async function newStream(): Promise<{ stream: string; subject: string }> {
  const stream = `S${++streams}`;
  const subject = `s${streams}.a`;
  const manager = await jetstreamManager(link.connection);
  await manager.streams.add({ name: stream, subjects: [`s${streams}.>`] });
  return { stream, subject };
}

function open(options: Omit<JetStreamSourceOptions, 'link'>): JetStreamSource {
  const source = new JetStreamSource({ link, ...options });
  sources.push(source);
  return source;
}

/** Publishes without waiting for each; resolves when the stream has all. */
async function fill(subject: string, count: number, from = 0, payload = ''): Promise<void> {
  for (let i = 0; i < count; i++) {
    link.connection.publish(subject, `${from + i}${payload}`);
    if (i % 2_000 === 1_999) await link.connection.flush();
  }
  await jetstream(link.connection).publish(subject, 'last');
}

const text = (data: Uint8Array): string => Buffer.from(data).toString();

/** Takes until `last` was taken; every sequence once, in order, is checked on the way. */
async function readTo(
  source: JetStreamSource,
  last: number,
  options: { max?: () => number; after?: number; onTake?: (sequence: number) => Promise<void> | void } = {},
): Promise<number[]> {
  const sequences: number[] = [];
  const deadline = performance.now() + 30_000;
  while ((sequences.at(-1) ?? options.after ?? 0) < last) {
    expect(performance.now(), `read ${sequences.length} records in time`).toBeLessThan(deadline);
    const max = options.max?.() ?? 1_000;
    const records = await source.take({ max, wait_ms: 200 });
    expect(records.length).toBeLessThanOrEqual(max);
    for (const { sequence } of records) sequences.push(sequence);
    await options.onTake?.(sequences.at(-1) ?? 0);
  }
  return sequences;
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const deadline = performance.now() + 15_000; !(await condition()); await sleep(20)) {
    if (performance.now() > deadline) throw new Error(`It did not happen: ${what}`);
  }
}

describe('reading', () => {
  it('gives 50,000 messages in order, with their content', async () => {
    const { stream, subject } = await newStream();
    await fill(subject, 49_999);
    const source = open({ stream });
    expect(await source.facts()).toMatchObject({ stream, firstSequence: 1, lastSequence: 50_000 });
    await source.start(0);
    let next = 1;
    while (next <= 50_000) {
      for (const record of await source.take({ max: 4_096, wait_ms: 1_000 })) {
        expect(record.sequence).toBe(next);
        if (next < 50_000) expect(text(record.data)).toBe(String(next - 1));
        next++;
      }
    }
    expect(source.state()).toEqual({ headSequence: 50_000, caughtUp: true, connected: true, skipped: 0 });
  });

  it('gives every record once and in order, whatever the sizes of the takes', async () => {
    const { stream, subject } = await newStream();
    await fill(subject, 2_999);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 0, max: 2_990 }),
        fc.integer({ min: 1, max: 500 }),
        async (sizes, after, batch) => {
          const limits = { pull_max_messages: batch, buffer_max_messages: 2 * batch };
          const source = open({ stream, limits });
          await source.start(after);
          let take = 0;
          const max = (): number => sizes[take++ % sizes.length] ?? 1;
          expect(await readTo(source, 3_000, { after, max })).toEqual(range(after + 1, 3_000));
          await source.stop();
        },
      ),
      { numRuns: 25, seed: 20_241 },
    );
  });

  it('starts after the position', async () => {
    const { stream, subject } = await newStream();
    await fill(subject, 99);
    const source = open({ stream });
    await source.start(60);
    expect(await readTo(source, 100, { after: 60 })).toEqual(range(61, 100));
  });

  it('gives subject and headers, whatever the case of their names, and survives malformed ones', async () => {
    const { stream, subject } = await newStream();
    const set = headers();
    set.set('Content-Type', 'application/x-ndjson');
    link.connection.publish(subject, 'x', { headers: set });
    link.connection.publish(subject, 'y');
    await link.connection.flush();
    const source = open({ stream });
    await source.start(0);
    const [first, second] = [
      ...(await source.take({ max: 1, wait_ms: 2_000 })),
      ...(await source.take({ max: 1, wait_ms: 2_000 })),
    ];
    expect(first?.subject).toBe(subject);
    expect(first?.header('content-type')).toBe('application/x-ndjson');
    expect(first?.header('Reason')).toBeUndefined();
    expect(text(first?.data ?? new Uint8Array())).toBe('x');
    expect(second?.header('content-type')).toBeUndefined();
  });

  it('reads only the filtered subjects, and counts nothing as skipped', async () => {
    const { stream, subject } = await newStream();
    const other = subject.replace('.a', '.b');
    for (let i = 0; i < 10; i++) link.connection.publish(i % 2 === 0 ? subject : other, 'x');
    await link.connection.flush();
    const source = open({ stream, filter_subjects: [other] });
    await source.start(0);
    expect(await readTo(source, 10)).toEqual([2, 4, 6, 8, 10]);
    expect(source.state()).toMatchObject({ skipped: 0, caughtUp: true });
  });

  it('passes messages that are larger than its buffer', async () => {
    const { stream, subject } = await newStream();
    const publisher = jetstream(link.connection);
    const payload = new Uint8Array(1024 * 1024);
    for (let i = 0; i < 24; i++) {
      payload[0] = i;
      await publisher.publish(subject, payload);
    }
    const limits = { buffer_max_bytes: 1024, pull_max_bytes: 1024 };
    const source = open({ stream, limits });
    await source.start(0);
    const largest = 0;
    let taken = 0;
    while (taken < 24) {
      const records = await source.take({ max: 100, wait_ms: 1_000 });
      for (const { data } of records) {
        expect(data.length).toBe(payload.length);
        expect(data[0]).toBe(taken++);
      }
    }
    expect(largest).toBeLessThan(64 * 1024 * 1024);
  });
});

describe('bounds', () => {
  it('holds no more messages than its limit while nobody takes', async () => {
    const { stream, subject } = await newStream();
    const limits = { buffer_max_messages: 5_000, pull_max_messages: 1_000 };
    const source = open({ stream, limits });
    await source.start(0);
    await fill(subject, 99_999);
    await sleep(300);
    const { buffered_messages } = source.diagnostics();
    expect(buffered_messages).toBeGreaterThan(3_000);
    expect(buffered_messages).toBeLessThanOrEqual(5_000);
    expect(source.state().caughtUp).toBe(false);
    expect(await readTo(source, 100_000)).toEqual(range(1, 100_000));
  });

  it('holds no more bytes than its limit', async () => {
    const { stream, subject } = await newStream();
    const limit = 24 * 1024 * 1024;
    const source = open({ stream, limits: { buffer_max_bytes: limit, pull_max_bytes: limit / 2 } });
    await source.start(0);
    const publisher = jetstream(link.connection);
    const payload = new Uint8Array(512 * 1024);
    for (let i = 0; i < 80; i++) await publisher.publish(subject, payload);
    await sleep(200);
    expect(source.diagnostics().buffered_bytes).toBeLessThanOrEqual(limit);
    expect(source.diagnostics().buffered_messages).toBeGreaterThan(10);
    expect(await readTo(source, 80)).toEqual(range(1, 80));
  });

  it('does not keep the event loop from timers while it serves from its buffer', async () => {
    const { stream, subject } = await newStream();
    await fill(subject, 9_999);
    const source = open({ stream });
    await source.start(0);
    await until(() => source.diagnostics().buffered_messages === 10_000, 'the buffer fills');
    let fired = 0;
    const timer = setInterval(() => fired++, 1);
    let taken = 0;
    while (taken < 10_000) {
      taken += (await source.take({ max: 10, wait_ms: 100 })).length;
      for (const end = performance.now() + 0.1; performance.now() < end; );
    }
    clearInterval(timer);
    expect(fired).toBeGreaterThan(5);
  });
});

describe('idleness', () => {
  it('is caught up when the stream is empty, and not while something waits to be taken', async () => {
    const { stream, subject } = await newStream();
    const source = open({ stream });
    expect(await source.facts()).toMatchObject({ firstSequence: 1, lastSequence: 0 });
    await source.start(0);
    expect(source.state()).toMatchObject({ caughtUp: true, headSequence: 0 });
    const began = performance.now();
    expect(await source.take({ max: 10, wait_ms: 80 })).toEqual([]);
    expect(performance.now() - began).toBeGreaterThan(70);
    await fill(subject, 9);
    await until(() => source.state().headSequence === 10, 'the messages are announced');
    expect(source.state().caughtUp).toBe(false);
    expect(await readTo(source, 10)).toEqual(range(1, 10));
    expect(source.state().caughtUp).toBe(true);
  });

  it('is not caught up before the first message of a backlog has come', async () => {
    const { stream, subject } = await newStream();
    await fill(subject, 99);
    const source = open({ stream });
    await source.start(0);
    expect(source.state()).toMatchObject({ caughtUp: false, headSequence: 100 });
  });

  it('outlives many expired pulls', async () => {
    const { stream, subject } = await newStream();
    const source = open({ stream, limits: { pull_expires_ms: 200, idle_heartbeat_ms: 100 } });
    await source.start(0);
    for (let i = 1; i <= 5; i++) {
      expect(await source.take({ max: 10, wait_ms: 300 })).toEqual([]);
      await jetstream(link.connection).publish(subject, 'x');
      expect(await readTo(source, i, { after: i - 1 })).toEqual([i]);
    }
    expect(source.diagnostics().recreations).toBe(0);
    expect(source.state()).toMatchObject({ caughtUp: true, connected: true });
  });

  it('ends a waiting take when it is stopped, and removes its consumer', async () => {
    const { stream } = await newStream();
    const source = open({ stream });
    await source.start(0);
    const waiting = source.take({ max: 10, wait_ms: 60_000 });
    const manager = await jetstreamManager(link.connection);
    expect((await manager.streams.info(stream)).state.consumer_count).toBe(1);
    await source.stop();
    expect(await waiting).toEqual([]);
    expect(await source.take({ max: 10, wait_ms: 60_000 })).toEqual([]);
    expect((await manager.streams.info(stream)).state.consumer_count).toBe(0);
  });
});

describe('changes from outside', () => {
  it('goes on when its consumer is deleted', async () => {
    const { stream, subject } = await newStream();
    const source = open({ stream, limits: { pull_max_messages: 100, buffer_max_messages: 300 } });
    await source.start(0);
    await fill(subject, 4_999);
    const manager = await jetstreamManager(link.connection);
    let deletions = 0;
    const read = await readTo(source, 5_000, {
      max: () => 50,
      onTake: async (sequence) => {
        if (sequence < 1_000 * (deletions + 1)) return;
        deletions++;
        for await (const { name } of manager.consumers.list(stream)) {
          await manager.consumers.delete(stream, name);
        }
      },
    });
    expect(read).toEqual(range(1, 5_000));
    expect(deletions).toBe(5);
    expect(source.diagnostics().recreations).toBeGreaterThan(2);
  });

  it('counts what a purge removed before it was read', async () => {
    const { stream, subject } = await newStream();
    const limits = { pull_max_messages: 100, buffer_max_messages: 200 };
    const source = open({ stream, limits });
    await source.start(0);
    await fill(subject, 999);
    await readTo(source, 10, { max: () => 10 });
    const manager = await jetstreamManager(link.connection);
    await manager.streams.purge(stream, { seq: 901 });
    const rest = await readTo(source, 1_000, { max: () => 10 });
    const read = [...range(1, 10), ...rest];
    expect(read).toEqual([...new Set(read)]);
    expect(read.slice(-100)).toEqual(range(901, 1_000));
    expect(source.state().skipped).toBe(1_000 - read.length);
    expect(source.state().skipped).toBeGreaterThan(500);
  });

  it('is caught up when a purge removed all that was announced', async () => {
    const { stream, subject } = await newStream();
    const limits = { pull_max_messages: 10, buffer_max_messages: 20, idle_heartbeat_ms: 100 };
    const source = open({ stream, limits });
    await source.start(0);
    await fill(subject, 199);
    await until(() => source.diagnostics().buffered_messages >= 15, 'the buffer fills');
    await (await jetstreamManager(link.connection)).streams.purge(stream);
    while ((await source.take({ max: 50, wait_ms: 50 })).length > 0);
    await until(() => source.state().caughtUp, 'the source is idle');
    await jetstream(link.connection).publish(subject, 'x');
    expect(await readTo(source, 201, { after: 200 })).toEqual([201]);
    expect(source.state().skipped).toBeGreaterThan(150);
  });

  it('rejects with stream_recreated when the stream is deleted and made again', async () => {
    const { stream, subject } = await newStream();
    const source = open({ stream });
    await source.start(0);
    await fill(subject, 9);
    expect(await readTo(source, 10)).toEqual(range(1, 10));
    const manager = await jetstreamManager(link.connection);
    await manager.streams.delete(stream);
    await until(() => !source.state().connected, 'the source notices');
    expect(source.state().caughtUp).toBe(false);
    await manager.streams.add({ name: stream, subjects: [subject] });
    await expect(
      (async () => {
        for (let i = 0; i < 100; i++) await source.take({ max: 10, wait_ms: 100 });
      })(),
    ).rejects.toMatchObject({ code: 'stream_recreated' });
  });

  it('refuses to start on a stream that is not there', async () => {
    const source = open({ stream: 'NOWHERE' });
    await expect(source.facts()).rejects.toMatchObject({ code: 'stream_missing' });
    await expect(source.start(0)).rejects.toMatchObject({ code: 'stream_missing' });
  });
});

describe('a server that is killed', () => {
  it('loses and doubles nothing while publishers go on', async () => {
    let server = await startTestNats();
    const { port, storeDir } = server;
    const own = await connectNats({ url: server.url, name: 'test' });
    const manager = await jetstreamManager(own.connection);
    await manager.streams.add({ name: 'K', subjects: ['k.>'] });
    const source = new JetStreamSource({
      link: own,
      stream: 'K',
      limits: { pull_max_messages: 200, buffer_max_messages: 600 },
    });
    await source.start(0);
    const publisher = new EventPublisher(own, { total_timeout_ms: 30_000, attempt_timeout_ms: 500 });
    const total = 6_000;
    const publish = (async () => {
      for (let i = 0; i < total; i += 500) {
        const messages = range(i, i + 499).map((n) => ({
          subject: 'k.a',
          payload: Buffer.from(String(n)),
          msgId: `m${n}`,
        }));
        await publisher.publishAll(messages);
      }
    })();
    const payloads: string[] = [];
    const sequences: number[] = [];
    let kills = 0;
    try {
      const deadline = performance.now() + 40_000;
      while (sequences.length < total && performance.now() < deadline) {
        for (const record of await source.take({ max: 70, wait_ms: 200 })) {
          sequences.push(record.sequence);
          payloads.push(text(record.data));
        }
        if (kills < 2 && sequences.length >= (kills + 1) * 1_500) {
          kills++;
          await server.kill();
          await sleep(300);
          server = await startTestNats({ port, storeDir });
        }
      }
      await publish;
      expect(kills).toBe(2);
      expect(sequences).toEqual(range(1, total));
      // The server's memory of message ids outlives a restart, so a repeat is recognised.
      expect(new Set(payloads).size).toBe(total);
      await until(() => source.state().caughtUp, 'the source is idle');
      expect(source.diagnostics().recreations).toBeGreaterThanOrEqual(2);
    } finally {
      await source.stop();
      await publish.catch(() => undefined);
      await own.close();
      await server.stop();
    }
  }, 60_000);

  it('rejects when the stream came back shorter, and stops in bounded time while it is away', async () => {
    let server = await startTestNats();
    const { port } = server;
    const own = await connectNats({ url: server.url, name: 'test' });
    const source = new JetStreamSource({ link: own, stream: 'K' });
    try {
      const manager = await jetstreamManager(own.connection);
      await manager.streams.add({ name: 'K', subjects: ['k.>'] });
      await jetstream(own.connection).publish('k.a', 'x');
      await source.start(0);
      expect(await readTo(source, 1)).toEqual([1]);
      await server.kill();
      await until(() => !source.state().connected, 'the source notices');
      expect(source.state().caughtUp).toBe(false);
      const spare = new JetStreamSource({ link: own, stream: 'K' });
      const began = performance.now();
      await spare.stop();
      expect(performance.now() - began).toBeLessThan(2_000);
      // Another store: the same name, another stream.
      await server.stop();
      server = await startTestNats({ port });
      await until(() => own.connected, 'the connection comes back');
      await manager.streams.add({ name: 'K', subjects: ['k.>'] });
      await expect(
        (async () => {
          for (let i = 0; i < 100; i++) await source.take({ max: 10, wait_ms: 100 });
        })(),
      ).rejects.toMatchObject({ code: 'stream_recreated' });
    } finally {
      await source.stop();
      await own.close();
      await server.stop();
    }
  }, 40_000);
});
