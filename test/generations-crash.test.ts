import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { orderAnalytics } from '../analytics/index.ts';
import {
  connectNats,
  EventPublisher,
  ensureStreams,
  type NatsLink,
  openManager,
} from '../connectors/index.ts';
import { openLmdbReader, SeededRandom, stateDigest } from '../engine/index.ts';
import { Generations, readSettings } from '../runtime/index.ts';
import { sizes } from './long.ts';
import { startTestNats, type TestNats } from './nats.ts';

const CHILD = resolve(import.meta.dirname, '../dist/test/generations-child.js');
const EVENTS = 4_000;
const MALFORMED = 20;
/** What a child is killed at, and how long after it at most, ms. */
const MOMENTS = [
  ['phase reading', 300],
  ['phase changing', 5],
  ['phase changing', 400],
  ['phase comparing', 50],
] as const;
const KILLS = Array.from(
  { length: sizes.generation_kills },
  (_, index) => MOMENTS[index % MOMENTS.length] as (typeof MOMENTS)[number],
);

const children = new Set<ChildProcess>();
let nats: TestNats;
let link: NatsLink;
let dataDir = '';

beforeAll(async () => {
  nats = await startTestNats();
  dataDir = await mkdtemp(join(tmpdir(), 'millrace-test-generations-'));
  link = await connectNats({ url: nats.url, name: 'generations-crash' });
  await ensureStreams(link);
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await link.close();
  await nats.stop();
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
});

const eventOf = (index: number): string =>
  index % (EVENTS / MALFORMED) === 0
    ? `{"broken ${index}`
    : JSON.stringify({
        event_id: `e${index}`,
        type: 'order.created',
        time: new Date(Date.UTC(2025, 2, 10) + index * 60_000).toISOString(),
        order_id: `o${index}`,
        amount: index,
        currency: 'EUR',
        data: { store: `s${index % 5}` },
      });

async function publish(from: number, to: number): Promise<void> {
  const messages = Array.from({ length: to - from }, (_, index) => ({
    subject: 'events.acme.x',
    payload: Buffer.from(eventOf(from + index)),
  }));
  await new EventPublisher(link).publishAll(messages);
}

/** Kills the child some time after it has said `line`, or lets it come to the end. Gives what it said. */
async function runUntil(line: string, delay_ms: number | undefined): Promise<readonly string[]> {
  const child = spawn(process.execPath, [CHILD, dataDir, nats.url], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  const exited = new Promise<void>((done) => child.once('exit', () => done()));
  let text = '';
  child.stdout.setEncoding('utf8');
  await new Promise<void>((done, fail) => {
    child.stdout.on('data', (more: string) => {
      text += more;
      if (text.split('\n').some((said) => said.startsWith(line) || said.startsWith('current'))) done();
    });
    void exited.then(() => fail(new Error(`The child ended before "${line}": ${text}`)));
  });
  if (delay_ms !== undefined) await sleep(delay_ms);
  child.kill(delay_ms === undefined ? 'SIGTERM' : 'SIGKILL');
  await exited;
  children.delete(child);
  return text.split('\n').filter((said) => said !== '');
}

it('leaves one current generation through kills in every phase of a build, and ends with the right state', async () => {
  const random = new SeededRandom(7);
  const root = join(dataDir, 'state', 'order-analytics');
  await publish(0, EVENTS / 2);
  let published = EVENTS / 2;
  const share = Math.floor(EVENTS / 2 / KILLS.length);
  for (const [line, delay_ms] of KILLS) {
    await runUntil(line, random.int(0, delay_ms));
    const current = await readFile(join(root, 'CURRENT'), 'utf8');
    expect(await readdir(root)).toContain(`g${current}`);
    await publish(published, published + share);
    published += share;
  }
  const said = await runUntil('current', undefined);
  // Every build that was interrupted went on in its own folder.
  expect(said.at(-1)).toBe('current 2');
  expect((await readdir(root)).sort()).toEqual(['CURRENT', 'g2']);

  // The state is what a state has that was built with these settings from the beginning; each dead letter was sent once.
  const fresh = await mkdtemp(join(tmpdir(), 'millrace-test-generations-fresh-'));
  const digestOf = async (folder: string): Promise<unknown> => {
    const settings = readSettings({ DATA_DIR: folder, CUSTOM_DIMENSIONS: 'store', DEDUP_MEMORY_IDS: '1000' });
    const generations = new Generations({
      settings,
      nats: { url: nats.url },
      link,
      released: () => Promise.resolve(),
    });
    generations.start();
    await generations.host.committed([['EVENTS', published]], 120_000);
    const { statePath } = generations.host;
    await generations.close();
    const reader = openLmdbReader(statePath);
    const digest = stateDigest(orderAnalytics({ custom: ['store'] }), reader);
    await reader.close();
    return digest;
  };
  expect(await digestOf(dataDir)).toEqual(await digestOf(fresh));
  await rm(fresh, { recursive: true, force: true });
  const manager = await openManager(link);
  expect((await manager.streams.info('DEADLETTER')).state.messages).toBe(
    Math.ceil((published * MALFORMED) / EVENTS),
  );
});
