import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cutStream, decodeBlock, encodeBlock, partitionOf, SeededRandom } from '../../../engine/index.ts';
import { startTestNats, type TestNats } from '../../../test/nats.ts';
import { connectNats, type NatsLink, openManager } from '../client/index.ts';
import { ensureCutStream, purgeChannels } from './cut-streams.ts';
import { NatsChainLog } from './nats-chain-log.ts';

let nats: TestNats;
let link: NatsLink;
beforeAll(async () => {
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'channels-test' });
});
afterAll(async () => {
  await link.close();
  await nats.stop();
});

const subjectOf = (cut: string, target = 0): string => `millrace.t.${cut}.${target}.0_0`;
const blockOf = (from: number, to: number, epoch = 1): Uint8Array =>
  encodeBlock({
    ...{ epoch, watermark_ms: null, from: { sequence: from, ahead: 0 }, to: { sequence: to, ahead: 0 } },
    rows: to > from ? [{ sequence: to, payload: Buffer.from(String(to)) }] : [],
  });

describe('channels in NATS', () => {
  it('store a block only behind the one that is expected, and show the last', async () => {
    await ensureCutStream(link, 't', 'a');
    const log = new NatsChainLog(link);
    const subject = subjectOf('a');
    expect(await log.last(subject)).toBeUndefined();
    const first = await log.append(subject, blockOf(0, 1), 0);
    expect(first).toEqual({ kind: 'stored', sequence: 1 });
    expect(await log.append(subject, blockOf(0, 1), 0)).toEqual({ kind: 'refused' });
    // Another channel of the same stream has an end of its own.
    expect(await log.append(subjectOf('a', 1), blockOf(0, 1), 0)).toEqual({ kind: 'stored', sequence: 2 });
    expect(await log.append(subject, blockOf(1, 2), 1)).toEqual({ kind: 'stored', sequence: 3 });
    const end = await log.last(subject);
    expect([end?.sequence, decodeBlock(end?.bytes ?? Buffer.of()).to.sequence]).toEqual([3, 2]);
  });

  it('of one chain with several producers at once stores exactly one at each place', async () => {
    await ensureCutStream(link, 't', 'b');
    const log = new NatsChainLog(link);
    const subject = subjectOf('b');
    let last = 0;
    for (let round = 0; round < 10; round++) {
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => log.append(subject, blockOf(round, round + 1), last)),
      );
      const stored = answers.filter(({ kind }) => kind === 'stored');
      expect([stored.length, answers.filter(({ kind }) => kind === 'refused').length]).toEqual([1, 7]);
      last = (await log.last(subject))?.sequence ?? 0;
    }
    const { state } = await (await openManager(link)).streams.info(cutStream('t', 'b'));
    expect(state.messages).toBe(10);
  });

  it('are full by themselves, lose nothing by that, and keep their ends when they are purged', async () => {
    await ensureCutStream(link, 't', 'c', { channel_max_messages: 3 });
    const log = new NatsChainLog(link);
    const manager = await openManager(link);
    let last = 0;
    for (let at = 0; at < 3; at++) {
      const appended = await log.append(subjectOf('c'), blockOf(at, at + 1), last);
      last = appended.kind === 'stored' ? appended.sequence : -1;
    }
    expect(await log.append(subjectOf('c'), blockOf(3, 4), last)).toEqual({ kind: 'full' });
    expect((await log.append(subjectOf('c', 1), blockOf(0, 1), 0)).kind).toBe('stored');
    // Nobody has a state yet: all stays.
    expect(await purgeChannels(manager, 't', 'c', 0, 0)).toBe(0);
    expect(await purgeChannels(manager, 't', 'c', 0, 1_000)).toBe(2);
    expect((await log.last(subjectOf('c')))?.sequence).toBe(last);
    expect((await log.append(subjectOf('c'), blockOf(3, 4), last)).kind).toBe('stored');
    expect((await log.last(subjectOf('c', 1)))?.sequence).toBe(4);
  });

  it('refuse a stream that would remove what was not read', async () => {
    const manager = await openManager(link);
    await manager.streams.add({
      name: cutStream('t', 'd'),
      subjects: ['millrace.t.d.*.*'],
      max_msgs_per_subject: 5,
    });
    await expect(ensureCutStream(link, 't', 'd')).rejects.toMatchObject({ code: 'cut_stream_conflict' });
  });

  it('say that it passes where the server or the stream is away', async () => {
    const log = new NatsChainLog(link);
    await expect(log.append(subjectOf('nowhere'), blockOf(0, 1), 0)).rejects.toMatchObject({
      retriable: true,
    });
    await expect(log.last(subjectOf('nowhere'))).rejects.toMatchObject({ retriable: true });
  });
});

it('keys have the partition that the transform of a stream gives them, 10,000 of them', async () => {
  const manager = await openManager(link);
  const n = 32;
  await manager.streams.add({
    name: 'KEYS',
    subjects: ['key.*'],
    subject_transform: { src: 'key.*', dest: `p.{{partition(${n},1)}}.{{wildcard(1)}}` },
  });
  const random = new SeededRandom(1);
  const letters = ['a', 'Z', '7', '-', '_', 'ß', 'é', '日', '本', '🛒', 'Ω', '%2E', '$'];
  const keys = Array.from({ length: 10_000 }, (_, at) => {
    const text = Array.from({ length: random.int(1, 12) }, () => random.pick(letters)).join('');
    return `${text}${at}`;
  });
  for (const key of keys) link.connection.publish(`key.${key}`, '');
  await link.connection.flush();
  await expect.poll(async () => (await manager.streams.info('KEYS')).state.messages).toBe(keys.length);
  const { state } = await manager.streams.info('KEYS', { subjects_filter: '>' });
  const expected = keys.map((key) => `p.${partitionOf(key, n)}.${key}`);
  expect(Object.keys(state.subjects ?? {}).sort()).toEqual(expected.sort());
});
