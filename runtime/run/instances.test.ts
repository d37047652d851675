import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jetstream, openManager } from '../../connectors/index.ts';
import { topology } from '../../engine/index.ts';
import { count, json, toJetStream, tumbling, watermark, window } from '../../operators/index.ts';
import { startTestNats, type TestNats } from '../../test/nats.ts';
import { WhyBench } from './fixture-why.ts';
import type { RunningTopology } from './run.ts';

const TIMEOUT_MS = 60_000;
const HOUR_MS = 3_600_000;

interface Part {
  readonly at: number;
  readonly name: string;
}

let nats: TestNats;
let bench: WhyBench;
beforeAll(async () => {
  nats = await startTestNats();
  bench = await WhyBench.on(nats.url);
});
afterAll(async () => {
  await bench?.close();
  await nats?.stop();
});

/** Each message and each hour as a result; both the same in every instance. */
const parts = (filter: string, name = 'parts') =>
  topology(name, (t) => {
    const all = t.source(jetstream('PARTS', { subjects: ['parts.>'], filter: [filter] })).pipe(
      json('parse', {
        parse: (value) => {
          const { at, name } = value as Partial<Part>;
          if (at === undefined || name === undefined) throw new Error('no part');
          return { at, name };
        },
      }),
    );
    all.pipe(toJetStream('each', { subject: 'results.each' }));
    all
      .pipe(
        watermark('time', { timeOf: ({ at }) => at, outOfOrderness_ms: 0 }),
        window('hourly', {
          keyOf: () => 'all',
          timeOf: ({ at }) => at,
          window: tumbling({ size_ms: HOUR_MS }),
          aggregate: { n: count() },
        }),
      )
      .pipe(toJetStream('closed', { subject: 'results.closed' }));
  });

const start = (filter: string, name?: string): Promise<RunningTopology> =>
  bench.start(parts(filter, name), { streams: { RESULTS: ['results.>'] } });

const countOf = (app: RunningTopology, name: string): number =>
  app.metrics().find((sample) => sample.name === name)?.value ?? 0;

/** Until nothing is owed any more: all of it is stored, or was there. */
async function settled(...apps: readonly RunningTopology[]): Promise<void> {
  for (const app of apps) {
    await app.caughtUp(TIMEOUT_MS);
    while (countOf(app, 'millrace.outbox.owed') > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function stored(stream: string, filter: string): Promise<number> {
  const { state } = await (await openManager(bench.link)).streams.info(stream, { subjects_filter: filter });
  return Object.values(state.subjects ?? {}).reduce((sum, each) => sum + each, 0);
}

const part = (hour: number): string => JSON.stringify({ at: hour * HOUR_MS, name: 'one' });

describe('instances that send to one stream', () => {
  it('keep their results apart where they read different subjects', { timeout: TIMEOUT_MS }, async () => {
    const apps = [await start('parts.0'), await start('parts.1')];
    for (const hour of [1, 2, 3]) {
      for (const at of [0, 1]) await bench.publish(`parts.${at}`, part(hour));
    }
    await settled(...apps);
    expect([await stored('RESULTS', 'results.each'), await stored('RESULTS', 'results.closed')]).toEqual([
      6, 4,
    ]);
    for (const app of apps) await app.stop();
  });

  it('say so where one sends what another has sent', { timeout: TIMEOUT_MS }, async () => {
    const first = await start('parts.0');
    await settled(first);
    const second = await start('parts.0');
    await settled(second);
    expect(countOf(second, 'millrace.outbox.duplicates')).toBe(5);
    expect((await second.why()).map(({ code }) => code)).toContain('outbox_duplicates');
    expect(await stored('RESULTS', 'results.each')).toBe(6);
    for (const app of [first, second]) await app.stop();
  });

  it('leave a dead letter each for one record', { timeout: TIMEOUT_MS }, async () => {
    const apps = [await start('parts.2', 'one'), await start('parts.2', 'two')];
    await bench.publish('parts.2', '{}');
    await settled(...apps);
    expect(await stored('DEADLETTER', 'deadletter.>')).toBe(2);
    for (const app of apps) await app.stop();
  });
});
