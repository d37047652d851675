import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { errors, type NatsConnection } from 'nats';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTestNats } from '../../../test/nats.ts';
import { runningTime } from '../../../test/running-time.ts';
import { connectNats, type NatsLink } from '../client/index.ts';
import { EventPublisher } from '../publish/index.ts';
import { range, readTo, SourceFixture, takeForLong, text, until } from './fixture-source.ts';
import { JetStreamSource } from './jetstream-source.ts';

let fixture: SourceFixture;

beforeAll(async () => {
  fixture = await SourceFixture.start();
});

afterEach(() => fixture.stopSources());

afterAll(() => fixture?.stop());

describe('changes from outside', () => {
  it('goes on when its consumer is deleted', async () => {
    const { stream, subject } = await fixture.newStream();
    const source = fixture.open({ stream, limits: { pull_max_messages: 100, buffer_max_messages: 300 } });
    await source.start(0);
    await fixture.fill(subject, 5_000);
    const { manager } = fixture;
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

  it('takes another consumer where one was given to a server that has ended, which never answers for it', async () => {
    const { stream, subject } = await fixture.newStream();
    await fixture.fill(subject, 10);
    const names: string[] = [];
    // The second consumer that is asked for lies on such a server.
    const request: NatsConnection['request'] = (to, ...rest) => {
      const name = to.includes('.CONSUMER.CREATE.') ? to.split('.').at(-1) : undefined;
      if (name !== undefined) names.push(name);
      const [, second] = new Set(names);
      if (name !== undefined && name === second) return Promise.reject(new errors.TimeoutError());
      return fixture.link.connection.request(to, ...rest);
    };
    const connection = new Proxy(fixture.link.connection, {
      get: (target, member) => {
        if (member === 'request') return request;
        const value: unknown = Reflect.get(target, member);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const link: NatsLink = {
      ...{ connection, url: fixture.link.url, access: fixture.link.access, connected: true },
      onStatus: (listener) => fixture.link.onStatus(listener),
      close: () => Promise.resolve(),
    };
    const source = fixture.open({ stream, link });
    await source.start(0);
    let isLost = false;
    const read = await readTo(source, 20, {
      onTake: async (sequence) => {
        if (isLost || sequence < 10) return;
        isLost = true;
        for await (const { name } of fixture.manager.consumers.list(stream)) {
          await fixture.manager.consumers.delete(stream, name);
        }
        await fixture.fill(subject, 10);
      },
    });
    expect(read).toEqual(range(1, 20));
    expect(new Set(names).size).toBe(3);
  });

  it('counts what a purge removed before it was read', async () => {
    const { stream, subject } = await fixture.newStream();
    const limits = { pull_max_messages: 100, buffer_max_messages: 200 };
    const source = fixture.open({ stream, limits });
    await source.start(0);
    await fixture.fill(subject, 1_000);
    await readTo(source, 10, { max: () => 10 });
    const { manager } = fixture;
    await manager.streams.purge(stream, { seq: 901 });
    const rest = await readTo(source, 1_000, { max: () => 10 });
    const read = [...range(1, 10), ...rest];
    expect(read).toEqual([...new Set(read)]);
    expect(read.slice(-100)).toEqual(range(901, 1_000));
    expect(source.state().skipped).toBe(1_000 - read.length);
    expect(source.state().skipped).toBeGreaterThan(500);
  });

  it('is caught up when a purge removed all that was announced', async () => {
    const { stream, subject } = await fixture.newStream();
    const limits = { pull_max_messages: 10, buffer_max_messages: 20, idle_heartbeat_ms: 100 };
    const source = fixture.open({ stream, limits });
    await source.start(0);
    await fixture.fill(subject, 200);
    await until(() => source.diagnostics().buffered_messages >= 15, 'the buffer fills');
    await fixture.manager.streams.purge(stream);
    while ((await source.take({ max: 50, wait_ms: 50 })).length > 0);
    await until(() => source.state().caughtUp, 'the source is idle');
    await until(() => source.passed() === 200, 'what was removed is passed');
    await fixture.publish(subject, 'x');
    expect(await readTo(source, 201, { after: 200 })).toEqual([201]);
    expect(source.state().skipped).toBeGreaterThan(150);
  });

  it('rejects with stream_recreated when the stream is deleted and made again', async () => {
    const { stream, subject } = await fixture.newStream();
    const source = fixture.open({ stream });
    await source.start(0);
    await fixture.fill(subject, 10);
    expect(await readTo(source, 10)).toEqual(range(1, 10));
    const { manager } = fixture;
    await manager.streams.delete(stream);
    await until(() => !source.state().connected, 'the source notices');
    expect(source.state().caughtUp).toBe(false);
    await manager.streams.add({ name: stream, subjects: [subject] });
    await expect(takeForLong(source)).rejects.toMatchObject({ code: 'stream_recreated' });
  });

  it('refuses to start on a stream that is not there', async () => {
    const source = fixture.open({ stream: 'NOWHERE' });
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
    const publisher = new EventPublisher(own, { total_timeout_ms: 100_000, attempt_timeout_ms: 500 });
    const total = 6_000;
    const publish = (async () => {
      for (let i = 0; i < total; i += 500) {
        const messages = range(i, i + 499).map((n) => ({
          subject: 'k.a',
          payload: Buffer.from(String(n)),
          id: `m${n}`,
        }));
        await publisher.publishAll(messages);
      }
    })();
    const payloads: string[] = [];
    const sequences: number[] = [];
    let kills = 0;
    try {
      const deadline = performance.now() + 120_000;
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
  });

  it('notices a server that has stopped answering, and goes on when it answers again', async () => {
    const server = await startTestNats();
    const own = await connectNats({ url: server.url, name: 'test' });
    const source = new JetStreamSource({ link: own, stream: 'K', limits: { idle_heartbeat_ms: 100 } });
    try {
      await (await jetstreamManager(own.connection)).streams.add({ name: 'K', subjects: ['k.>'] });
      const publisher = new EventPublisher(own);
      const publish = (id: string) =>
        publisher.publishAll([{ subject: 'k.a', payload: Buffer.from(id), id }]);
      await publish('a');
      await source.start(0);
      expect(await readTo(source, 1)).toEqual([1]);
      process.kill(server.pid, 'SIGSTOP');
      await until(() => !source.state().connected, 'the silence is noticed');
      expect(source.state().caughtUp).toBe(false);
      expect(source.diagnostics().lastProblem).toContain('not heard');
      process.kill(server.pid, 'SIGCONT');
      await publish('b');
      expect(await readTo(source, 2, { after: 1 })).toEqual([2]);
    } finally {
      process.kill(server.pid, 'SIGCONT');
      await source.stop();
      await own.close();
      await server.stop();
    }
  });

  it('rejects when the stream is another one afterwards, and stops in bounded time while it is away', async () => {
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
      const took_ms = runningTime();
      await spare.stop();
      expect(took_ms()).toBeLessThan(2_000);
      // Another store: the same name, another stream.
      await server.stop();
      server = await startTestNats({ port });
      await until(() => own.connected, 'the connection comes back');
      await manager.streams.add({ name: 'K', subjects: ['k.>'] });
      await expect(takeForLong(source)).rejects.toMatchObject({ code: 'stream_recreated' });
    } finally {
      await source.stop();
      await own.close();
      await server.stop();
    }
  });
});
