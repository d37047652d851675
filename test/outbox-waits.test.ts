import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectNats, EventPublisher, type NatsLink, openManager } from '../connectors/index.ts';
import type { Topology } from '../engine/index.ts';
import { type RunningTopology, run } from '../runtime/index.ts';
import { binary as millrace } from './command.ts';
import { startTestNats, type TestNats } from './nats.ts';

const TIMEOUT_MS = 60_000;
/** As many as may be in flight at once. */
const WINDOW = 256;
const PACKAGE = resolve(import.meta.dirname, '../dist/bundle/index.js');
const TOPOLOGY = `
import { jetstream, json, toJetStream, topology } from ${JSON.stringify(PACKAGE)};
export default topology('waiting', (t) => {
  t.source(jetstream('KEYS', { subjects: ['keys.>'] })).pipe(
    json('parse', { parse: (value) => { if (value.key === undefined) throw new Error('no key'); return value; } }),
    toJetStream('out', { subject: ({ key }) => 'out.' + key }),
  );
});
`;

let nats: TestNats;
let link: NatsLink;
let scratch = '';
beforeAll(async () => {
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'test' });
  scratch = await mkdtemp(join(tmpdir(), 'millrace-test-waits-'));
});
afterAll(async () => {
  await link?.close();
  await nats?.stop();
  await rm(scratch, { recursive: true, force: true });
});

const publish = (values: readonly object[]) =>
  new EventPublisher(link).publishAll(
    values.map((value) => ({ subject: 'keys.x', payload: Buffer.from(JSON.stringify(value)) })),
  );

async function until(done: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await done())) await new Promise((resume) => setTimeout(resume, 20));
}

it('messages that no stream takes hold up no other, and a command ends them', {
  timeout: TIMEOUT_MS,
}, async () => {
  const file = join(scratch, 'waiting.js');
  await writeFile(file, TOPOLOGY);
  const { default: topology } = (await import(file)) as { readonly default: Topology };
  const dataDir = join(scratch, 'data');
  const options = { dataDir, natsUrl: nats.url, streams: { OUT: ['out.*'] } };
  const manager = await openManager(link);
  const stored = async (stream: string): Promise<number> =>
    (await manager.streams.info(stream)).state.messages;
  const levelOf = (app: RunningTopology, name: string): number =>
    app.metrics().find((sample) => sample.name === name)?.value ?? 0;

  const first = await run(topology, options);
  await publish(Array.from({ length: WINDOW }, (_, at) => ({ key: `has.dots-${at}` })));
  await first.caughtUp(TIMEOUT_MS);
  await until(() => levelOf(first, 'millrace.outbox.failing') === WINDOW);
  await publish([{ key: 'one' }, {}, { key: 'two' }]);
  await until(async () => (await stored('OUT')) === 2 && (await stored('DEADLETTER')) === 1);
  await first.stop();

  const second = await run(topology, options);
  await publish([{ key: 'three' }]);
  await until(async () => (await stored('OUT')) === 3);
  const env = { DATA_DIR: dataDir, MILLRACE_TOPOLOGY: file };
  const listed = await millrace(['outbox', 'ls', '--limit', '3'], env);
  expect([listed.code, listed.out.trim().split('\n').length, listed.err]).toEqual([
    0,
    3,
    expect.stringContaining(`${WINDOW} of ${WINDOW}`),
  ]);
  expect((await second.why()).map(({ code }) => code)).toContain('no_stream_for_subject');
  const aside = await millrace(['outbox', 'drop', '--subject', 'out.has.dots-7', '--deadletters'], env);
  expect([aside.code, aside.out.trim().split('\n').length]).toEqual([0, 1]);
  // It becomes a message for another subject at its next try; the process need not be started again.
  await until(async () => (await stored('DEADLETTER')) === 2);
  expect((await millrace(['outbox', 'drop'], env)).code).toBe(2);
  const dropped = await millrace(['outbox', 'drop', '--all'], env);
  expect([dropped.code, dropped.out.trim().split('\n').length]).toEqual([0, WINDOW - 1]);
  await second.stop();

  const third = await run(topology, options);
  await third.caughtUp(TIMEOUT_MS);
  expect([levelOf(third, 'millrace.outbox.owed'), await stored('OUT')]).toEqual([0, 3]);
  await third.stop();
});
