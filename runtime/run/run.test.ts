import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EventPublisher, JetStreamPublisher, JetStreamSource, jetstream } from '../../connectors/index.ts';
import {
  defineOperator,
  enrichingSource,
  enrichmentOf,
  intCodec,
  mapTable,
  type Source,
  type SourceRecord,
  stringKey,
  topology,
} from '../../engine/index.ts';
import { startTestNats, type TestNats } from '../../test/nats.ts';
import { type RunningTopology, run } from './run.ts';

const tables = () => ({
  counts: mapTable<string, number>({ key: stringKey, value: intCodec, version: 1 }),
});

/** Counts messages by subject, and sends each new count out. */
const tally = defineOperator<SourceRecord, never, undefined, ReturnType<typeof tables>>({
  kind: 'tally',
  summary: 'Messages by subject',
  state: tables,
  start: ({ state, send }) => ({
    onBatch: (records) => {
      const counts = state.counts.scope('');
      for (const { subject, sequence } of records) {
        const count = (counts.get(subject) ?? 0) + 1;
        counts.set(subject, count);
        send({
          id: `tally-${sequence}`,
          subject: 'tallied',
          headers: {},
          payload: Buffer.from(`${subject} ${count}`),
        });
      }
    },
  }),
});

const counting = topology('counting', (t) => {
  t.source(jetstream('TICKS', { subjects: ['ticks.>'] })).pipe(tally('tally', undefined));
});

const countsOf = ({ reader }: RunningTopology): number[] =>
  reader.snapshot((table) => [...table('tally/counts').scan()].map(({ value }) => (value[0] as number) >> 1));

let nats: TestNats;
beforeAll(async () => {
  nats = await startTestNats();
});
afterAll(() => nats.stop());

/** Refuses one message, after it has counted it. */
const picky = defineOperator<SourceRecord, SourceRecord, undefined, ReturnType<typeof tables>>({
  kind: 'picky',
  summary: 'Messages by subject',
  state: tables,
  start: ({ state, emit }) => ({
    onBatch: (records) => {
      const counts = state.counts.scope('');
      for (const { subject, data } of records) {
        counts.set(subject, (counts.get(subject) ?? 0) + 1);
        if (Buffer.from(data).toString() === 'bad') throw new TypeError('cannot take it');
      }
      emit(records);
    },
  }),
});

describe('run', () => {
  it('stops at a record that fails, or makes a dead letter of it and goes on exactly', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'millrace-test-run-'));
    const failing = topology('failing', (t) => {
      t.source(jetstream('PICKY', { subjects: ['picky.>'] })).pipe(picky('tally', undefined));
    });
    const options = { dataDir, natsUrl: nats.url };
    const first = await run(failing, options);
    const publisher = new JetStreamPublisher(first.link);
    for (const [index, text] of ['a', 'b', 'bad', 'c', 'd'].entries()) {
      await publisher.publish({
        id: `picky-${index}`,
        subject: 'picky.x',
        headers: {},
        payload: Buffer.from(text),
      });
    }
    await expect(first.ended).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringMatching(/^cannot take it \(.*record.*, subject "picky.x"/) as unknown,
    });
    await first.stop();
    const second = await run(failing, { ...options, failingRecords: 'deadLetter' });
    await second.caughtUp(60_000);
    expect(countsOf(second)).toEqual([4]);
    const letters = new JetStreamSource({ link: second.link, stream: 'DEADLETTER' });
    const { firstSequence } = await letters.facts();
    await letters.start(firstSequence - 1);
    const [letter] = await letters.take({ max: 1, wait_ms: 5_000 });
    expect(Buffer.from(letter?.data ?? []).toString()).toBe('bad');
    expect(
      ['Reason', 'Reason-Detail', 'Original-Subject', 'Original-Seq'].map((name) => letter?.header(name)),
    ).toEqual(['processing_failed', 'tally: cannot take it', 'picky.x', '3']);
    await letters.stop();
    await second.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('lets records through what stands between the stream and the graph', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'millrace-test-run-'));
    const seen: string[] = [];
    const enriched = topology('enriched', (t) => {
      const through = (source: Source): Source =>
        enrichingSource(source, {
          enrich: async ({ subject }) => subject.toUpperCase(),
          max_in_flight: 4,
          timeout_ms: 60_000,
          onTimeout: 'fail',
        });
      t.source(jetstream('ENRICHED', { subjects: ['enriched.>'], through })).pipe(
        defineOperator<SourceRecord, never>({
          kind: 'see',
          summary: 'What was looked up',
          start: () => ({
            onBatch: (records) => {
              for (const record of records) seen.push(JSON.stringify(enrichmentOf<string>(record)));
            },
          }),
        })('see', undefined),
      );
    });
    const running = await run(enriched, { dataDir, natsUrl: nats.url });
    await new JetStreamPublisher(running.link).publish({
      id: 'enriched-1',
      subject: 'enriched.a',
      headers: {},
      payload: Buffer.from('.'),
    });
    await running.caughtUp(60_000);
    expect(seen).toEqual(['{"status":"done","value":"ENRICHED.A"}']);
    await running.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('makes the streams, keeps the state, and goes on after a stop', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'millrace-test-run-'));
    const options = { dataDir, natsUrl: nats.url, streams: { TALLIED: ['tallied'] } };
    const first = await run(counting, options);
    const publisher = new JetStreamPublisher(first.link);
    const tick = (subject: string, id: string): Promise<unknown> =>
      publisher.publish({ id, subject, headers: {}, payload: Buffer.from('.') });
    await tick('ticks.a', '1');
    await tick('ticks.b', '2');
    await tick('ticks.a', '3');
    await first.caughtUp(60_000);
    expect(countsOf(first)).toEqual([2, 1]);
    await first.stop();

    const log: string[] = [];
    const second = await run(counting, { ...options, log: (line) => log.push(line) });
    await new JetStreamPublisher(second.link).publish({
      id: '4',
      subject: 'ticks.b',
      headers: {},
      payload: Buffer.from('.'),
    });
    await second.caughtUp(60_000);
    expect(countsOf(second)).toEqual([2, 2]);
    const { lastSequence } = await new EventPublisher(second.link).publishAll([
      { subject: 'ticks.b', payload: Buffer.from('.') },
    ]);
    await second.applied('TICKS', lastSequence, 60_000);
    expect(countsOf(second)).toEqual([2, 3]);
    await expect(second.applied('TICKS', lastSequence + 1, 1)).rejects.toMatchObject({
      code: 'not_caught_up',
    });
    await expect(second.applied('TOCKS', 1, 1)).rejects.toMatchObject({ code: 'unknown_stream' });
    expect(log).toContain('running');
    await expect(second.caughtUp(60_000)).resolves.toBeUndefined();
    await second.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('says that NATS is away, and goes on when it is back', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'millrace-test-run-'));
    let server = await startTestNats();
    const { url, port, storeDir } = server;
    const log: string[] = [];
    const options = {
      dataDir,
      natsUrl: url,
      streams: { TALLIED: ['tallied'] },
      log: (line: string) => log.push(line),
    };
    const app = await run(counting, options);
    try {
      await server.kill();
      await expect.poll(() => log.some((line) => line.includes('is away')), { timeout: 60_000 }).toBe(true);
      server = await startTestNats({ port, storeDir });
      await expect.poll(() => log.some((line) => line.includes('is back')), { timeout: 60_000 }).toBe(true);
      const { lastSequence } = await new EventPublisher(app.link).publishAll([
        { subject: 'ticks.a', payload: Buffer.from('.') },
      ]);
      await app.applied('TICKS', lastSequence, 60_000);
      expect(countsOf(app)).toEqual([1]);
    } finally {
      await app.stop();
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    }
  });

  it('reads several streams as one', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'millrace-test-run-'));
    const both = topology('both', (t) => {
      const left = t.source(jetstream('LEFT', { subjects: ['left.>'] }));
      const right = t.source(jetstream('RIGHT', { subjects: ['right.>'] }));
      t.merge('all', left, right).pipe(tally('tally', undefined));
    });
    const app = await run(both, { dataDir, natsUrl: nats.url, streams: { TALLIED: ['tallied'] } });
    const publisher = new JetStreamPublisher(app.link);
    for (const [id, subject] of ['left.a', 'right.a', 'left.a'].entries()) {
      await publisher.publish({ id: `both-${id}`, subject, headers: {}, payload: Buffer.from('.') });
    }
    await app.caughtUp(60_000);
    expect(countsOf(app)).toEqual([2, 1]);
    await app.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('reads different subjects of one stream with a filter each, and passes what nobody reads', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'millrace-test-run-'));
    const subjects = ['shared.>'];
    const reading = (...filter: string[]) =>
      topology('shared', (t) => {
        const orders = t.source(jetstream('SHARED', { name: 'orders', subjects, filter }));
        const clicks = t.source(
          jetstream('SHARED', { name: 'clicks', subjects, filter: ['shared.clicks.*'] }),
        );
        t.merge('all', orders, clicks).pipe(tally('tally', undefined));
      });
    const options = { dataDir, natsUrl: nats.url, streams: { TALLIED: ['tallied'] } };
    const app = await run(reading('shared.orders'), options);
    const publisher = new JetStreamPublisher(app.link);
    const names = ['clicks.a', 'orders', 'clicks.a', 'other', 'orders', 'clicks.b', 'other', 'other'];
    for (const [id, name] of names.entries()) {
      const message = {
        id: `shared-${id}`,
        subject: `shared.${name}`,
        headers: {},
        payload: Buffer.from('.'),
      };
      await publisher.publish(message);
    }
    await app.caughtUp(60_000);
    // By key: clicks.a, clicks.b, orders.
    expect(countsOf(app)).toEqual([2, 1, 2]);
    await app.stop();
    const wider = await run(reading('shared.orders', 'shared.other'), options);
    await expect(wider.ended).rejects.toMatchObject({
      code: 'topology_changed',
      message: expect.stringContaining('Source "orders" read filter "shared.orders" and now reads'),
    });
    await wider.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('refuses a topology that would lose state, says so in `ended`, and goes on when it may', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'millrace-test-run-'));
    const named = (name: string) =>
      topology('renaming', (t) => {
        t.source(jetstream('NAMES', { subjects: ['names.>'] })).pipe(tally(name, undefined));
      });
    const options = { dataDir, natsUrl: nats.url, streams: { TALLIED: ['tallied'] } };
    const first = await run(named('before'), options);
    const message = { id: 'n-1', subject: 'names.a', headers: {}, payload: Buffer.from('.') };
    await new JetStreamPublisher(first.link).publish(message);
    await first.caughtUp(60_000);
    expect(first.metrics()).toContainEqual(
      expect.objectContaining({ name: 'millrace.task.records', value: 1 }),
    );
    await first.stop();
    await expect(first.ended).resolves.toBeUndefined();

    const refused = await run(named('after'), options);
    await expect(refused.ended).rejects.toMatchObject({ code: 'topology_changed' });
    await refused.stop();

    const log: string[] = [];
    const changes: string[] = [];
    const allowed = await run(named('after'), {
      ...options,
      allowTopologyChange: true,
      onTopologyChange: (found) => changes.push(...found.map(({ kind }) => kind)),
      log: (line) => log.push(line),
    });
    await allowed.caughtUp(60_000);
    await expect.poll(() => changes, { timeout: 60_000 }).toEqual(['operator_renamed']);
    expect(log.some((line) => line.startsWith('the topology changed: Operator "before"'))).toBe(true);
    await allowed.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('names a data folder that cannot be', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'millrace-test-run-')), 'file');
    await writeFile(file, '');
    await expect(run(counting, { dataDir: join(file, 'x'), natsUrl: nats.url })).rejects.toMatchObject({
      code: 'data_dir_unusable',
    });
    await rm(dirname(file), { recursive: true, force: true });
  });

  it('refuses a topology that does not say what it reads', async () => {
    const nowhere = topology('nowhere', (t) => {
      t.source('records').pipe(tally('tally', undefined));
    });
    await expect(run(nowhere, { dataDir: 'unused', natsUrl: nats.url })).rejects.toMatchObject({
      code: 'no_source',
    });
  });
});
