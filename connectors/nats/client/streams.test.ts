import { type JetStreamManager, jetstream } from '@nats-io/jetstream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestNats, type TestNats } from '../../../test/nats.ts';
import { connectNats, type NatsLink } from './connection.ts';
import { checkServerVersion, ensureStreams, openManager, streamFacts } from './streams.ts';
import { covers } from './subjects.ts';

let nats: TestNats;
let link: NatsLink;
let manager: JetStreamManager;

beforeAll(async () => {
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'test' });
  manager = await openManager(link);
});

beforeEach(async () => {
  for await (const { config } of manager.streams.list()) await manager.streams.delete(config.name);
});

afterAll(async () => {
  await link?.close();
  await nats?.stop();
});

describe('ensureStreams', () => {
  it('creates both, once', async () => {
    const first = await ensureStreams(link);
    expect(first).toMatchObject({
      events: { stream: 'EVENTS', firstSequence: 1, lastSequence: 0 },
      deadletter: { stream: 'DEADLETTER' },
      warnings: [],
    });
    const { config } = await manager.streams.info('EVENTS');
    expect(config).toMatchObject({
      subjects: ['events.>'],
      storage: 'file',
      retention: 'limits',
      duplicate_window: 120e9,
      max_age: 400 * 86_400e9,
      allow_direct: true,
    });
    expect((await manager.streams.info('DEADLETTER')).config).toMatchObject({ max_bytes: 1024 ** 3 });
    expect(await ensureStreams(link)).toEqual(first);
  });

  it('can be called by many processes at once', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => ensureStreams(link)));
    expect(new Set(all.map(({ events }) => events.incarnation)).size).toBe(1);
  });

  it('leaves an existing one as it is, and warns of what is risky', async () => {
    await manager.streams.add({
      name: 'EVENTS',
      subjects: ['events.>', 'more.*'],
      storage: 'memory',
      max_age: 60e9,
      max_msgs_per_subject: 5,
    });
    const { warnings } = await ensureStreams(link);
    expect(warnings).toEqual([
      expect.stringContaining('in memory'),
      expect.stringContaining('5 messages a subject'),
      expect.stringContaining('60 s'),
    ]);
    expect((await manager.streams.info('EVENTS')).config.subjects).toEqual(['events.>', 'more.*']);
    const forEver = await ensureStreams(link, { events: { max_age_ms: 0 } });
    expect(forEver.warnings.at(-1)).toContain('after 60 s, and they were to be kept for ever');
  });

  it.each([
    ['does not cover the subjects', { subjects: ['events.default.>'] }],
    ['removes what was read', { subjects: ['events.>'], retention: 'workqueue' as const }],
    ['removes what nobody waits for', { subjects: ['events.>'], retention: 'interest' as const }],
  ])('refuses one that %s', async (_, config) => {
    await manager.streams.add({ name: 'EVENTS', ...config });
    await expect(ensureStreams(link)).rejects.toMatchObject({
      code: 'stream_conflict',
      message: expect.stringContaining('"EVENTS"'),
    });
  });

  it('refuses when another stream takes the subjects', async () => {
    await manager.streams.add({ name: 'OTHER', subjects: ['events.x'] });
    await expect(ensureStreams(link)).rejects.toMatchObject({ code: 'stream_conflict' });
  });
});

it('streamFacts says where a stream begins and ends, empty or not', async () => {
  await manager.streams.add({ name: 'F', subjects: ['f'] });
  for (let i = 0; i < 5; i++) await jetstream(link.connection).publish('f', 'x');
  await manager.streams.purge('F', { seq: 3 });
  expect(await streamFacts(manager, 'F')).toMatchObject({ firstSequence: 3, lastSequence: 5 });
  await manager.streams.purge('F');
  expect(await streamFacts(manager, 'F')).toMatchObject({ firstSequence: 6, lastSequence: 5 });
  await expect(streamFacts(manager, 'NONE')).rejects.toMatchObject({ code: 'stream_missing' });
});

it('checkServerVersion refuses servers before 2.10', () => {
  for (const version of ['2.10.0', '2.10.27-RC.1', '2.15.0', '3.0.0']) checkServerVersion(version, 'u');
  for (const version of ['2.9.25', '1.99.0', '0.0.0']) {
    expect(() => checkServerVersion(version, 'u')).toThrow(
      expect.objectContaining({ code: 'nats_server_too_old' }),
    );
  }
});

it.each([
  ['events.>', 'events.>', true],
  ['>', 'events.>', true],
  ['events.*', 'events.>', false],
  ['events.*.>', 'events.>', false],
  ['*.>', 'events.>', true],
  ['events.a', 'events.a', true],
  ['events.*', 'events.a', true],
  ['events.a', 'events.*', false],
  ['events.>', 'events', false],
  ['events.a.b', 'events.a', false],
])('covers(%o, %o) is %o', (outer, inner, expected) => {
  expect(covers(outer, inner)).toBe(expected);
});
