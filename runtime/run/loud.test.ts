import { afterAll, beforeAll, expect, it } from 'vitest';
import { jetstream, openManager } from '../../connectors/index.ts';
import { topology } from '../../engine/index.ts';
import { json, toTable, watermark } from '../../operators/index.ts';
import { startTestNats, type TestNats } from '../../test/nats.ts';
import { WhyBench } from './fixture-why.ts';

const TIMEOUT_MS = 60_000;
const DAY_MS = 86_400_000;

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

it('a backfill that a quiet clock has made late is told, with the setting', {
  timeout: TIMEOUT_MS,
}, async () => {
  const lines: string[] = [];
  const late = topology('late', (t) => {
    t.source(jetstream('LATE', { subjects: ['late.>'] })).pipe(
      json('parse', { parse: (value) => value as { readonly at: number } }),
      watermark('time', { timeOf: ({ at }) => at, outOfOrderness_ms: 0, idle_ms: 1 }),
      toTable('kept', { keyOf: ({ at }) => `${at}` }),
    );
  });
  const limits = { idle_barrier_interval_ms: 20 };
  const app = await bench.start(late, { limits, log: (line) => void lines.push(line) });
  const watermarkOf = () => app.metrics().find(({ name }) => name === 'millrace.watermark.timestamp')?.value;
  while (watermarkOf() === undefined) await new Promise((resume) => setTimeout(resume, 20));
  const from_ms = Date.now() - DAY_MS;
  await bench.publish(
    'late.x',
    ...Array.from({ length: 50 }, (_, at) => JSON.stringify({ at: from_ms + at })),
  );
  await app.caughtUp(TIMEOUT_MS);
  const cause = await bench.named(app, 'late_by_idle');
  expect([cause.place, cause.next]).toEqual([
    'operator "time"',
    expect.stringContaining('idle_ms: Infinity'),
  ]);
  while (!lines.some((line) => line.includes('idle_ms')))
    await new Promise((resume) => setTimeout(resume, 20));
  await app.stop();
});

it('a dead letter is cut to what its stream takes', { timeout: TIMEOUT_MS }, async () => {
  const manager = await openManager(bench.link);
  const bad = topology('bad', (t) => {
    t.source(jetstream('BAD', { subjects: ['bad.>'] })).pipe(
      json('parse', { parse: (value) => value as { readonly at: number } }),
      toTable('kept', { keyOf: ({ at }) => `${at}` }),
    );
  });
  const app = await bench.start(bad);
  const { config } = await manager.streams.info('DEADLETTER');
  await manager.streams.update('DEADLETTER', { ...config, max_msg_size: 4_000 });
  await bench.publish('bad.x', 'x'.repeat(60_000));
  await app.caughtUp(TIMEOUT_MS);
  const stored = async () => (await manager.streams.info('DEADLETTER')).state.messages;
  while ((await stored()) === 0) await new Promise((resume) => setTimeout(resume, 20));
  const letter = await manager.streams.getMessage('DEADLETTER', { last_by_subj: 'deadletter.default' });
  const headers = ['Truncated-From', 'Original-Stream', 'Original-Seq'].map((name) =>
    letter?.header.get(name),
  );
  expect([headers, (letter?.data.length ?? 0) > 1_000]).toEqual([['60000', 'BAD', '1'], true]);
  await app.stop();
});
