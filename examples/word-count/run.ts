import { JetStreamPublisher, queryTable, run, windowTableOf } from '../../index.ts';
import { wordCount } from './topology.ts';

const TEXTS = [
  'the cat sat on the mat',
  'the dog sat on the cat',
  'the mat is flat',
  'not a sentence of JSON',
];
const MINUTE_MS = 60_000;

/** Publishes the texts as said in one minute, waits for their counts, and prints them. */
async function main(): Promise<void> {
  const app = await run(wordCount, {
    dataDir: process.argv[2] ?? 'data/word-count',
    ...(process.env.NATS_URL === undefined ? {} : { natsUrl: process.env.NATS_URL }),
    log: (line) => process.stderr.write(`${line}\n`),
  });
  const publisher = new JetStreamPublisher(app.link);
  // A minute that is over: the watermark passes its end as soon as the stream is quiet.
  const start_ms = Math.floor(Date.now() / MINUTE_MS - 1) * MINUTE_MS;
  for (const [index, text] of TEXTS.entries()) {
    const payload = text.startsWith('not') ? text : JSON.stringify({ text, at: start_ms + index * 1_000 });
    // The id makes a second run within two minutes a repeat, which the server stores once.
    const id = `${start_ms}-${index}`;
    await publisher.publish({ id, subject: 'sentences.demo', headers: {}, payload: Buffer.from(payload) });
  }
  await app.caughtUp(10_000);
  const words = [...new Set(TEXTS.slice(0, -1).join(' ').split(' '))].sort();
  const table = windowTableOf<number>('by-word');
  const timesOf = (key: string): number | undefined => {
    const answer = queryTable(app.reader, table, { kind: 'window', key, start_ms, end_ms: start_ms + 1 });
    return answer.ok ? answer.values[0]?.value : undefined;
  };
  while (timesOf('the') === undefined) await new Promise((resolve) => setTimeout(resolve, 100));
  process.stdout.write(`${new Date(start_ms).toISOString()}\n`);
  for (const word of words) process.stdout.write(`${word.padEnd(6)} ${timesOf(word)}\n`);
  await app.stop();
}

await main();
