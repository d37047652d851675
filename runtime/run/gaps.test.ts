import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type JetStreamInputOptions, jetstream, openManager } from '../../connectors/index.ts';
import { META_TABLE, readNotices, topology } from '../../engine/index.ts';
import { json, toTable } from '../../operators/index.ts';
import { startTestNats, type TestNats } from '../../test/nats.ts';
import { WhyBench } from './fixture-why.ts';
import type { RunOptions } from './run-options.ts';

const TIMEOUT_MS = 60_000;
const MESSAGES = 300;
const KEPT = 100;

let nats: TestNats;
let bench: WhyBench;
let scratch = '';
beforeAll(async () => {
  nats = await startTestNats();
  bench = await WhyBench.on(nats.url);
  scratch = await mkdtemp(join(tmpdir(), 'millrace-test-gaps-'));
});
afterAll(async () => {
  await bench?.close();
  await nats?.stop();
  await rm(scratch, { recursive: true, force: true });
});

const reading = (stream: string, options: Partial<JetStreamInputOptions> = {}) =>
  topology(stream.toLowerCase(), (t) => {
    t.source(jetstream(stream, { subjects: [`${stream.toLowerCase()}.>`], ...options })).pipe(
      json('parse', { parse: (value) => value as { readonly id: number } }),
      toTable('kept', { keyOf: ({ id }) => `${id}` }),
    );
  });

async function publish(subject: string, from: number, count: number): Promise<void> {
  const ids = Array.from({ length: count }, (_, at) => JSON.stringify({ id: from + at }));
  await bench.publish(subject, ...ids);
}

describe('a stream that is full', () => {
  it('is begun on while it is published to', { timeout: TIMEOUT_MS }, async () => {
    const manager = await openManager(bench.link);
    await manager.streams.add({ name: 'FULL', subjects: ['full.>'], max_msgs: KEPT });
    await publish('full.a', 0, 2 * KEPT);
    let isOver = false;
    const publishing = (async () => {
      for (let at = 2 * KEPT; !isOver; at += 5) await publish('full.a', at, 5);
    })();
    for (let start = 0; start < 3; start++) {
      const app = await bench.start(reading('FULL'));
      await app.caughtUp(TIMEOUT_MS);
      expect(app.facts()).not.toHaveProperty('error');
      await app.stop();
    }
    isOver = true;
    await publishing;
  });
});

describe('messages that are removed before they were read', () => {
  const cases: readonly (readonly [
    stream: string,
    source: Partial<JetStreamInputOptions>,
    run: Partial<RunOptions>,
    limits: { readonly max_msgs?: number; readonly max_msgs_per_subject?: number },
    skipped: number | 'stops',
  ])[] = [
    ['STOPS', {}, {}, { max_msgs: KEPT }, 'stops'],
    ['STOPS_ITSELF', { onGap: 'stop' }, { onGap: 'skip' }, { max_msgs: KEPT }, 'stops'],
    ['SKIPS', { onGap: 'skip' }, {}, { max_msgs: KEPT }, MESSAGES - KEPT],
    ['SKIPS_ALL', {}, { onGap: 'skip' }, { max_msgs: KEPT }, MESSAGES - KEPT],
    ['LATEST', { compacted: true }, {}, { max_msgs_per_subject: 1 }, 0],
  ];

  it.each(cases)('%s: %o, %o', { timeout: TIMEOUT_MS }, async (stream, source, options, limits, skipped) => {
    const manager = await openManager(bench.link);
    const subject = `${stream.toLowerCase()}.a`;
    await manager.streams.add({ name: stream, subjects: [subject.replace('.a', '.>')], ...limits });
    const dataDir = join(scratch, stream);
    const first = await bench.start(reading(stream, source), { ...options, dataDir });
    await publish(subject, 0, 10);
    await first.caughtUp(TIMEOUT_MS);
    await first.stop();
    await publish(subject, 10, MESSAGES);
    const app = await bench.start(reading(stream, source), { ...options, dataDir });
    if (skipped === 'stops') {
      await expect(app.ended).rejects.toMatchObject({
        code: 'position_before_stream',
        message: expect.stringContaining('onGap: "skip"'),
      });
      return;
    }
    await app.caughtUp(TIMEOUT_MS);
    const counted = app.metrics().find(({ name }) => name === 'millrace.task.skipped');
    const notices = app.reader.snapshot((table) => readNotices(table(META_TABLE), stream, 'gap_skipped', 10));
    const causes = (await app.why()).map(({ code }) => code);
    expect([counted?.value, notices.map(({ detail }) => detail.messages), causes]).toEqual([
      skipped,
      skipped === 0 ? [] : [skipped],
      skipped === 0 ? [] : ['messages_skipped'],
    ]);
    await app.stop();
  });

  it('are of one meaning for a source', () => {
    expect(() => jetstream('X', { subjects: ['x'], compacted: true, onGap: 'skip' })).toThrow('compacted');
  });
});
