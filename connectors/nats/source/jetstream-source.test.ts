import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { headers } from 'nats';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fc } from '../../../test/property.ts';
import { range, readTo, SourceFixture, text, until } from './fixture-source.ts';

let fixture: SourceFixture;

beforeAll(async () => {
  fixture = await SourceFixture.start();
});

afterEach(() => fixture.stopSources());

afterAll(() => fixture?.stop());

describe('reading', () => {
  it('gives 50,000 messages in order, with their content', async () => {
    const { stream, subject } = await fixture.newStream();
    await fixture.fill(subject, 50_000);
    const source = fixture.open({ stream });
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
    expect(source.state()).toMatchObject({
      headSequence: 50_000,
      caughtUp: true,
      connected: true,
      skipped: 0,
    });
  });

  it('gives every record once and in order, whatever the sizes of the takes', async () => {
    const { stream, subject } = await fixture.newStream();
    await fixture.fill(subject, 3_000);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 0, max: 2_990 }),
        fc.integer({ min: 1, max: 500 }),
        async (sizes, after, batch) => {
          const limits = { pull_max_messages: batch, buffer_max_messages: 2 * batch };
          const source = fixture.open({ stream, limits });
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
    const { stream, subject } = await fixture.newStream();
    await fixture.fill(subject, 100);
    const source = fixture.open({ stream });
    await source.start(60);
    expect(await readTo(source, 100, { after: 60 })).toEqual(range(61, 100));
  });

  it('gives subject and headers, whatever the case of their names', async () => {
    const { stream, subject } = await fixture.newStream();
    const set = headers();
    set.set('Content-Type', 'application/x-ndjson');
    fixture.link.connection.publish(subject, 'x', { headers: set });
    fixture.link.connection.publish(subject, 'y');
    await fixture.link.connection.flush();
    const source = fixture.open({ stream });
    await source.start(0);
    const [first, second] = [
      ...(await source.take({ max: 1, wait_ms: 2_000 })),
      ...(await source.take({ max: 1, wait_ms: 2_000 })),
    ];
    expect(first).toMatchObject({ subject, hasHeaders: true });
    expect(second?.hasHeaders).toBe(false);
    expect(first?.header('content-type')).toBe('application/x-ndjson');
    expect(first?.header('Reason')).toBeUndefined();
    expect(text(first?.data)).toBe('x');
    expect(second?.header('content-type')).toBeUndefined();
  });

  it('survives headers that another publisher malformed', async () => {
    const { stream, subject } = await fixture.newStream();
    const block = 'NATS/1.0\r\nbad name\u0001: x\r\nReason: y\r\n\r\n';
    const size = Buffer.byteLength(block);
    const socket = connect(fixture.nats.port, '127.0.0.1');
    socket.write(
      `CONNECT {"verbose":false,"headers":true}\r\nHPUB ${subject} ${size} ${size + 2}\r\n${block}ok\r\n`,
    );
    const source = fixture.open({ stream });
    await source.start(0);
    const [record] = await source.take({ max: 1, wait_ms: 3_000 });
    socket.destroy();
    expect(text(record?.data)).toBe('ok');
    expect(record?.header('reason')).toBe('y');
  });

  it('reads only the filtered subjects, and counts nothing as skipped', async () => {
    const { stream, subject } = await fixture.newStream();
    const other = subject.replace('.a', '.b');
    for (let i = 0; i < 10; i++) fixture.link.connection.publish(i % 2 === 0 ? subject : other, 'x');
    await fixture.link.connection.flush();
    const source = fixture.open({ stream, filter_subjects: [other] });
    await source.start(0);
    expect(await readTo(source, 10)).toEqual([2, 4, 6, 8, 10]);
    expect(source.state()).toMatchObject({ skipped: 0, caughtUp: true });
  });

  it('passes messages of other subjects once it has received what came before them', async () => {
    const { stream, subject } = await fixture.newStream();
    const other = subject.replace('.a', '.b');
    const source = fixture.open({ stream, filter_subjects: [other] });
    await source.start(0);
    for (const each of [subject, other, subject, subject]) await fixture.publish(each, 'x');
    await until(() => source.diagnostics().buffered_messages === 1, 'the record comes');
    expect(source.passed()).toBeUndefined();
    expect(await readTo(source, 2)).toEqual([2]);
    await until(() => source.passed() === 4, 'the others are passed');
    expect(source.state()).toMatchObject({ skipped: 0, caughtUp: true, headSequence: 4 });
    await fixture.publish(other, 'x');
    expect(await readTo(source, 5, { after: 4 })).toEqual([5]);
    expect(source.passed()).toBe(5);
  });

  it('passes messages that are larger than its buffer', async () => {
    const { stream, subject } = await fixture.newStream();
    const payload = new Uint8Array(1024 * 1024);
    for (let i = 0; i < 24; i++) {
      payload[0] = i;
      await fixture.publish(subject, payload);
    }
    const limits = { buffer_max_bytes: 1024, pull_max_bytes: 1024 };
    const source = fixture.open({ stream, limits });
    await source.start(0);
    let taken = 0;
    while (taken < 24) {
      const records = await source.take({ max: 100, wait_ms: 1_000 });
      for (const { data } of records) {
        expect(data.length).toBe(payload.length);
        expect(data[0]).toBe(taken++);
      }
    }
  });
});

describe('bounds', () => {
  it('holds no more messages than its limit while nobody takes', async () => {
    const { stream, subject } = await fixture.newStream();
    const limits = { buffer_max_messages: 5_000, pull_max_messages: 1_000 };
    const source = fixture.open({ stream, limits });
    await source.start(0);
    await fixture.fill(subject, 100_000);
    await until(() => source.diagnostics().buffered_messages > 3_000, 'the buffer fills');
    await sleep(300);
    const { buffered_messages } = source.diagnostics();
    expect(buffered_messages).toBeGreaterThan(3_000);
    expect(buffered_messages).toBeLessThanOrEqual(5_000);
    expect(source.state().caughtUp).toBe(false);
    expect(await readTo(source, 100_000)).toEqual(range(1, 100_000));
  });

  it('holds no more bytes than its limit', async () => {
    const { stream, subject } = await fixture.newStream();
    const limit = 24 * 1024 * 1024;
    const source = fixture.open({ stream, limits: { buffer_max_bytes: limit, pull_max_bytes: limit / 2 } });
    await source.start(0);
    const payload = new Uint8Array(512 * 1024);
    for (let i = 0; i < 80; i++) await fixture.publish(subject, payload);
    await until(() => source.diagnostics().buffered_messages > 10, 'the buffer fills');
    await sleep(200);
    expect(source.diagnostics().buffered_bytes).toBeLessThanOrEqual(limit);
    expect(source.diagnostics().buffered_messages).toBeGreaterThan(10);
    expect(await readTo(source, 80)).toEqual(range(1, 80));
  });

  it('does not keep the event loop from timers while it serves from its buffer', async () => {
    const { stream, subject } = await fixture.newStream();
    await fixture.fill(subject, 10_000);
    const source = fixture.open({ stream, limits: { buffer_max_messages: 16_384 } });
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
    const { stream, subject } = await fixture.newStream();
    const source = fixture.open({ stream });
    expect(await source.facts()).toMatchObject({ firstSequence: 1, lastSequence: 0 });
    await source.start(0);
    expect(source.state()).toMatchObject({ caughtUp: true, headSequence: 0 });
    const began = performance.now();
    expect(await source.take({ max: 10, wait_ms: 80 })).toEqual([]);
    expect(performance.now() - began).toBeGreaterThan(70);
    await fixture.fill(subject, 10);
    await until(() => source.state().headSequence === 10, 'the messages are announced');
    expect(source.state().caughtUp).toBe(false);
    expect(await readTo(source, 10)).toEqual(range(1, 10));
    expect(source.state().caughtUp).toBe(true);
  });

  it('is not caught up before the first message of a backlog has come', async () => {
    const { stream, subject } = await fixture.newStream();
    await fixture.fill(subject, 100);
    const source = fixture.open({ stream });
    await source.start(0);
    expect(source.state()).toMatchObject({ caughtUp: false, headSequence: 100 });
  });

  it('outlives many expired pulls', async () => {
    const { stream, subject } = await fixture.newStream();
    const source = fixture.open({ stream, limits: { pull_expires_ms: 1_000, idle_heartbeat_ms: 500 } });
    await source.start(0);
    for (let i = 1; i <= 5; i++) {
      expect(await source.take({ max: 10, wait_ms: 1_500 })).toEqual([]);
      await fixture.publish(subject, 'x');
      expect(await readTo(source, i, { after: i - 1 })).toEqual([i]);
    }
    expect(source.diagnostics().recreations).toBe(0);
    expect(source.state()).toMatchObject({ caughtUp: true, connected: true });
  });

  it('ends a waiting take when it is stopped, and removes its consumer', async () => {
    const { stream } = await fixture.newStream();
    const source = fixture.open({ stream });
    await source.start(0);
    const waiting = source.take({ max: 10, wait_ms: 60_000 });
    const { manager } = fixture;
    expect((await manager.streams.info(stream)).state.consumer_count).toBe(1);
    await source.stop();
    expect(await waiting).toEqual([]);
    expect(await source.take({ max: 10, wait_ms: 60_000 })).toEqual([]);
    expect((await manager.streams.info(stream)).state.consumer_count).toBe(0);
  });
});
