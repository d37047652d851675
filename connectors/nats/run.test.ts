import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  defineOperator,
  intCodec,
  mapTable,
  type SourceRecord,
  stringKey,
  topology,
} from '../../engine/index.ts';
import { startTestNats, type TestNats } from '../../test/nats.ts';
import { JetStreamPublisher } from './publisher.ts';
import { jetstream, type RunningTopology, run } from './run.ts';

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

describe('run', () => {
  it('makes the streams, keeps the state, and goes on after a stop', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'millrace-test-run-'));
    const options = { dataDir, natsUrl: nats.url, streams: { TALLIED: ['tallied'] } };
    const first = await run(counting, options);
    const publisher = new JetStreamPublisher(first.link);
    const tick = (subject: string, id: string): Promise<void> =>
      publisher.publish({ id, subject, headers: {}, payload: Buffer.from('.') });
    await tick('ticks.a', '1');
    await tick('ticks.b', '2');
    await tick('ticks.a', '3');
    await first.caughtUp(10_000);
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
    await second.caughtUp(10_000);
    expect(countsOf(second)).toEqual([2, 2]);
    expect(log).toContain('running');
    await expect(second.caughtUp(10_000)).resolves.toBeUndefined();
    await second.stop();
    await rm(dataDir, { recursive: true, force: true });
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
    await app.caughtUp(10_000);
    expect(countsOf(app)).toEqual([2, 1]);
    await app.stop();
    await rm(dataDir, { recursive: true, force: true });
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
