import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectNats, type NatsLink } from '../../connectors/index.ts';
import { type KvStore, openLmdbReader, openLmdbStore, SeededRandom } from '../../engine/index.ts';
import { startTestNats, type TestNats } from '../../test/nats.ts';
import { COPY_LIMITS, copySubject, fetchState, StateGiver } from './state-copy.ts';

const ROWS = 4_000;
const NEVER = new AbortController().signal;

let nats: TestNats;
let [from, to]: NatsLink[] = [];
let dir = '';
let store: KvStore;
let giver: StateGiver;

beforeAll(async () => {
  nats = await startTestNats();
  from = await connectNats({ url: nats.url, name: 'from' });
  to = await connectNats({ url: nats.url, name: 'to' });
  dir = await mkdtemp(join(tmpdir(), 'millrace-test-copy-'));
  store = openLmdbStore(join(dir, 'from'));
  fill(1);
  giver = new StateGiver({
    ...{ link: from, topology: 'shop', member: 'a', scratch: join(dir, 'scratch') },
    statePath: (task) => (task === '0.3' ? join(dir, 'from') : undefined),
    log: () => undefined,
  });
  await giver.start();
});

afterAll(async () => {
  await giver.stop();
  await store.close();
  await Promise.all([from?.close(), to?.close()]);
  await nats.stop();
  await rm(dir, { recursive: true, force: true });
});

/** Each row says by which commit it was written. */
function fill(commit: number): void {
  const random = new SeededRandom(7);
  store.transaction(() => {
    for (let row = 0; row < ROWS; row++) {
      const bytes = Uint8Array.from({ length: 600 }, () => random.int(0, 255));
      store.table('rows').put(Buffer.from(`row-${row}`), Buffer.from([commit, ...bytes]));
    }
  });
}

const fetched = (name: string, options: { member?: string; task?: string; signal?: AbortSignal } = {}) => {
  if (to === undefined) throw new Error('it is connected');
  return fetchState({
    ...{ link: to, topology: 'shop', member: 'a', task: '0.3', to: join(dir, name), signal: NEVER },
    ...options,
  });
};

/** What a failed copy must not leave: anything of the name. */
const leftOf = (name: string): readonly string[] => readdirSync(dir).filter((file) => file.startsWith(name));

it('copies a state as one commit left it, in several messages, while its writer goes on', async () => {
  const copying = fetched('first');
  fill(2);
  const { bytes } = await copying;
  expect(bytes).toBeGreaterThan(3 * COPY_LIMITS.chunk_bytes);
  const reader = openLmdbReader(join(dir, 'first'));
  const commits = new Set(
    reader.snapshot((table) =>
      Array.from({ length: ROWS }, (_, row) => table('rows').get(Buffer.from(`row-${row}`))?.[0]),
    ),
  );
  await reader.close();
  expect([...commits]).toEqual([expect.toSatisfy((commit) => commit === 1 || commit === 2)]);
  // It can be written to, as any other state.
  const own = openLmdbStore(join(dir, 'first'));
  own.transaction(() => own.table('rows').put(Buffer.from('row-0'), Buffer.from('mine')));
  await own.close();
  expect(readdirSync(join(dir, 'scratch'))).toEqual([]);
});

it('says why there is no copy, and leaves nothing', async () => {
  await expect(fetched('none', { task: '0.4' })).rejects.toMatchObject({ code: 'copy_no_state' });
  await expect(fetched('none', { member: 'b' })).rejects.toMatchObject({
    code: 'copy_unanswered',
    retriable: true,
  });
  const stop = new AbortController();
  stop.abort();
  await expect(fetched('none', { signal: stop.signal })).rejects.toMatchObject({ code: 'copy_cancelled' });
  expect(leftOf('none')).toEqual([]);
});

it('takes rubbish for what it is', async () => {
  for (const text of [
    '',
    'rubbish',
    '{}',
    '{"kind":"read","copy":"x","offset":-1}',
    '{"kind":"begin","task":1}',
  ]) {
    const answer = await to?.connection.request(copySubject('shop', 'a'), text, { timeout: 5_000 });
    expect(Buffer.from(answer?.data ?? '').toString()).toContain('copy_request_invalid');
  }
  const gone = JSON.stringify({ kind: 'read', copy: 'x', offset: 0 });
  const answer = await to?.connection.request(copySubject('shop', 'a'), gone, { timeout: 5_000 });
  expect(Buffer.from(answer?.data ?? '').toString()).toContain('copy_gone');
});

it('gives two copies at once, and a third later', async () => {
  const begin = JSON.stringify({ kind: 'begin', task: '0.3' });
  const ask = () => to?.connection.request(copySubject('shop', 'a'), begin, { timeout: 60_000 });
  const held = [await ask(), await ask()].map((answer) => {
    const text = Buffer.from(answer?.data.subarray(1) ?? '').toString();
    return (JSON.parse(text) as { readonly copy: string }).copy;
  });
  await expect(fetched('third')).rejects.toMatchObject({ code: 'copies_busy', retriable: true });
  for (const copy of held) {
    const end = JSON.stringify({ kind: 'end', copy });
    await to?.connection.request(copySubject('shop', 'a'), end, { timeout: 5_000 });
  }
  await fetched('third');
  expect(existsSync(join(dir, 'third', 'data.mdb'))).toBe(true);
});

it('a copy whose bytes are others on their way is not taken', async () => {
  if (to === undefined || from === undefined) throw new Error('they are connected');
  // Another member, between the two, that changes one byte.
  const between = from.connection.subscribe(copySubject('shop', 'liar'), {
    callback: (_, message) => {
      const told = from?.connection.request(copySubject('shop', 'a'), message.data, { timeout: 60_000 });
      void told?.then(({ data }) => {
        const isChunk = data.length > 100_000;
        message.respond(
          isChunk ? Uint8Array.from(data, (byte, at) => (at === 70_000 ? byte ^ 1 : byte)) : data,
        );
      });
    },
  });
  await from.connection.flush();
  await expect(fetched('liar', { member: 'liar' })).rejects.toMatchObject({ code: 'copy_damaged' });
  expect(leftOf('liar')).toEqual([]);
  between.unsubscribe();
});
