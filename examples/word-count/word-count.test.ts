import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { JetStreamPublisher, queryTable, run, windowTableOf } from '../../index.ts';
import { startTestNats, type TestNats } from '../../test/nats.ts';
import { wordCount } from './topology.ts';

let nats: TestNats;
let dataDir: string;
beforeAll(async () => {
  nats = await startTestNats();
  dataDir = await mkdtemp(join(tmpdir(), 'millrace-test-words-'));
});
afterAll(async () => {
  await nats.stop();
  await rm(dataDir, { recursive: true, force: true });
});

const MINUTE_MS = 60_000;

it('counts the words of a minute from JetStream to the table, over a restart, beside a malformed message', async () => {
  const start_ms = Math.floor(Date.now() / MINUTE_MS - 2) * MINUTE_MS;
  const say = async (publisher: JetStreamPublisher, id: string, text: string, at: number): Promise<void> => {
    const payload = Buffer.from(text.startsWith('{') ? text : JSON.stringify({ text, at }));
    await publisher.publish({ id, subject: 'sentences.test', headers: {}, payload });
  };
  const options = { dataDir, natsUrl: nats.url };
  const first = await run(wordCount, options);
  const publisher = new JetStreamPublisher(first.link);
  await say(publisher, '1', 'the cat sat on the mat', start_ms + 1);
  await say(publisher, '2', '{malformed', 0);
  await say(publisher, '3', 'The CAT, again', start_ms + 59_999);
  await first.caughtUp(60_000);
  await first.stop();

  const second = await run(wordCount, options);
  await say(new JetStreamPublisher(second.link), '4', 'a later cat', start_ms + 60_000);
  await second.caughtUp(60_000);
  const timesOf = (key: string): unknown => {
    const query = { kind: 'window', key, start_ms, end_ms: start_ms + 2 * MINUTE_MS } as const;
    const answer = queryTable(second.reader, windowTableOf<number>('by-word'), query);
    return answer.ok ? answer.values.map((found) => [found.start_ms - start_ms, found.value]) : answer.reason;
  };
  // The stream is quiet: the watermark follows the clock, and the windows close.
  await expect.poll(() => timesOf('later'), { timeout: 60_000 }).toEqual([[60_000, 1]]);
  expect([timesOf('the'), timesOf('cat'), timesOf('dog')]).toEqual([
    [[0, 3]],
    [
      [0, 2],
      [60_000, 1],
    ],
    [],
  ]);
  await second.stop();
});
