import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  MemoryMessageQueue,
  type MessageQueue,
  systemClock,
  type Work,
  type WorkSpec,
} from '../../../engine/index.ts';
import { startTestNats, type TestNats } from '../../../test/nats.ts';
import { connectNats, type NatsLink, openManager } from '../client/index.ts';
import { until } from '../embedded/fixture-embedded.ts';
import { openMessageQueue } from './nats-queue.ts';
import type { QueueStream } from './queue-streams.ts';

let nats: TestNats;
let link: NatsLink;
let streams = 0;

beforeAll(async () => {
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'test' });
});
afterAll(async () => {
  await link?.close();
  await nats?.stop();
});

const streamOf = (name: string): QueueStream => ({
  ...{ name, subjects: [`${name}.>`], max_age_ms: 3_600_000, max_bytes: 1_048_576, subject_max_messages: 5 },
});
const SPEC = { from_ms: 0, held_max: 3, unfinished_max: 10, lease_ms: 30_000 } as const;
const text = (data: Uint8Array): string => Buffer.from(data).toString();

describe.each([
  ['a stream of NATS', (name: string) => openMessageQueue(link, streamOf(name))],
  ['memory', async () => new MemoryMessageQueue(systemClock)],
] as const)('the contract of a queue, on %s', (_, open) => {
  async function opened(): Promise<{
    readonly queue: MessageQueue;
    readonly say: (subject: string, words: string, id?: string) => Promise<number>;
    readonly spec: (more?: Partial<WorkSpec>) => WorkSpec;
  }> {
    const name = `Q${++streams}`;
    const queue = await open(name);
    return {
      queue,
      say: async (subject, words, id = `${subject}:${words}`) =>
        (await queue.append({ subject: `${name}.${subject}`, id, data: Buffer.from(words) })).sequence,
      spec: (more = {}) => ({ ...SPEC, name: 'w', subjects: [`${name}.a.>`], ...more }),
    };
  }

  it('keeps messages, one of an id, and tells of them by sequence and subject', async () => {
    const { queue, say } = await opened();
    const first = await say('a.x', 'one');
    expect(await say('a.x', 'one')).toBe(first);
    await say('a.x', 'two');
    await say('a.y', 'three');
    const read = await queue.read(first);
    expect([read?.sequence, text(read?.data ?? new Uint8Array())]).toEqual([first, 'one']);
    expect(read?.stored_at_ms).toBeGreaterThan(1_700_000_000_000);
    const subject = String(read?.subject);
    expect((await queue.list(subject)).map(({ data }) => text(data))).toEqual(['one', 'two']);
    expect((await queue.subjects(subject.replace('.x', '.*'))).length).toBe(2);
    await queue.purge(subject);
    expect(await queue.list(subject)).toEqual([]);
    expect(await queue.read(first)).toBeUndefined();
  });

  it('tells the newest of a pattern, before a sequence too, and the oldest of all', async () => {
    const { queue, say } = await opened();
    expect([await queue.oldest(), await queue.newest('nothing.>', 5)]).toEqual([undefined, []]);
    const rare = [await say('rare.x', 'first')];
    const first = rare[0] ?? 0;
    // Each subject keeps few messages.
    for (let at = 0; at < 900; at++) await say(`often.${at}`, 'one');
    rare.push(await say('rare.y', 'second'), await say('rare.x', 'third'));
    const pattern = String((await queue.read(first))?.subject).replace('.x', '.*');
    const found = async (max: number, before?: number): Promise<number[]> =>
      (await queue.newest(pattern, max, before)).map(({ sequence }) => sequence);
    expect(await found(10)).toEqual([...rare].reverse());
    expect(await found(2)).toEqual([...rare].reverse().slice(0, 2));
    expect(await found(2, rare[2])).toEqual([rare[1], first]);
    expect(await found(5, first)).toEqual([]);
    const often = await queue.newest(pattern.replace('.rare.', '.often.'), 300, 700);
    expect(often.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 300 }, (_, at) => 699 - at));
    expect((await queue.oldest())?.sequence).toBe(first);
  });

  it('hands each message of its subjects to one of those who work, again until it is done', async () => {
    const { queue, say, spec } = await opened();
    const seen: string[] = [];
    const done: string[] = [];
    const work = (who: string): Work =>
      queue.work(spec(), async ({ data, attempt }) => {
        seen.push(`${text(data)} ${attempt}`);
        if (text(data) === 'bad' && attempt < 3) return { again_ms: 5 };
        done.push(text(data));
        return who === '' ? { again_ms: 1 } : 'done';
      });
    await say('a.x', 'before');
    const works = [work('one'), work('two')];
    await say('b.x', 'other');
    for (let at = 0; at < 20; at++) await say(`a.${at}`, `m${at}`);
    await say('a.x', 'bad');
    await until('all is done', () => done.length === 22);
    await Promise.all(works.map((one) => one.stop()));
    expect([...new Set(done)].length).toBe(22);
    expect(seen.filter((one) => one.startsWith('bad'))).toEqual(['bad 1', 'bad 2', 'bad 3']);
    expect(seen.length).toBe(24);
  });

  it('holds no more than it may, hands out again what fails, and nothing when it is stopped', async () => {
    const { queue, say, spec } = await opened();
    let most = 0;
    let held = 0;
    let fails = 3;
    const done = new Set<string>();
    const work = queue.work(spec({ held_max: 2, unfinished_max: 4 }), async ({ data }) => {
      held += 1;
      most = Math.max(most, held);
      await new Promise((resolve) => setTimeout(resolve, 5));
      held -= 1;
      if (fails-- > 0) return { again_ms: 1 };
      done.add(text(data));
      return 'done';
    });
    for (let at = 0; at < 12; at++) await say(`a.${at}`, `m${at}`);
    await until('all is done', () => done.size === 12);
    expect(most).toBe(2);
    await work.stop();
    await say('a.x', 'late');
    expect(held).toBe(0);
    const [found] = await Promise.all([
      new Promise<string>((resolve) => {
        const next = queue.work(spec(), async ({ data }) => {
          resolve(text(data));
          return 'done';
        });
        void next;
      }),
    ]);
    expect(found).toBe('late');
  });

  it('begins anew when it was forgotten, and takes other subjects', async () => {
    const { queue, say, spec } = await opened();
    const done: string[] = [];
    const handle = async ({ data }: { readonly data: Uint8Array }): Promise<'done'> => {
      done.push(text(data));
      return 'done';
    };
    const first = queue.work(spec(), handle);
    await say('a.x', 'one');
    await until('it is done', () => done.length === 1);
    await first.stop();
    await queue.forget('w');
    const second = queue.work(spec(), handle);
    await until('it is done again', () => done.length === 2);
    second.change(spec({ subjects: spec().subjects.map((one) => one.replace('.a.', '.b.')) }).subjects);
    // Whoever looks for the change finds it in a moment.
    for (let at = 0; done.length === 2; at++) {
      await say('b.x', `b${at}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(done.slice(0, 3)).toEqual(['one', 'one', expect.stringMatching(/^b/)]);
    await second.stop();
    await queue.forget('w');
    await queue.forget('w');
  });
});

describe('a queue on NATS', () => {
  it('that only grows: the server refuses to delete and to purge', async () => {
    const { subject_max_messages: _, ...stream } = streamOf('GROWS');
    const queue = await openMessageQueue(link, { ...stream, isAppendOnly: true });
    const { sequence } = await queue.append({ subject: 'GROWS.a', id: '1', data: Buffer.from('one') });
    await expect(queue.purge('GROWS.a')).rejects.toMatchObject({ code: 'queue_unavailable' });
    await expect((await openManager(link)).streams.deleteMessage('GROWS', sequence)).rejects.toThrow();
    expect(text((await queue.read(sequence))?.data ?? new Uint8Array())).toBe('one');
  });

  it('forgets the oldest of a subject, and is made again where it was deleted', async () => {
    const queue = await openMessageQueue(link, streamOf('LOST'));
    for (let at = 0; at < 8; at++) {
      await queue.append({ subject: 'LOST.a', id: `m${at}`, data: Buffer.from(`m${at}`) });
    }
    expect((await queue.list('LOST.a')).map(({ data }) => text(data))).toEqual([
      'm3',
      'm4',
      'm5',
      'm6',
      'm7',
    ]);
    const done: string[] = [];
    const work = queue.work({ ...SPEC, name: 'w', subjects: ['LOST.>'] }, async ({ data }) => {
      done.push(text(data));
      return 'done';
    });
    await until('all is done', () => done.length === 5);
    await (await openManager(link)).streams.delete('LOST');
    await queue.append({ subject: 'LOST.a', id: 'again', data: Buffer.from('again') });
    await until('the work goes on', () => done.includes('again'));
    await work.stop();
  });

  it('goes on when the server was away', async () => {
    const server = await startTestNats();
    const own = await connectNats({ url: server.url, name: 'test' });
    let again: TestNats | undefined;
    try {
      const queue = await openMessageQueue(own, streamOf('AWAY'));
      const done: string[] = [];
      const work = queue.work({ ...SPEC, name: 'w', subjects: ['AWAY.>'] }, async ({ data }) => {
        done.push(text(data));
        return 'done';
      });
      await queue.append({ subject: 'AWAY.a', id: '1', data: Buffer.from('one') });
      await until('it is done', () => done.length === 1);
      await server.kill();
      await until('the server is missed', () => !own.connected);
      await expect(queue.read(1)).rejects.toMatchObject({ code: 'queue_unavailable', retriable: true });
      again = await startTestNats({ port: server.port, storeDir: server.storeDir });
      await until('the server is back', () => own.connected);
      await queue.append({ subject: 'AWAY.a', id: '2', data: Buffer.from('two') });
      await until('the work goes on', () => done.includes('two'));
      await work.stop();
    } finally {
      await own.close();
      await again?.stop();
    }
  });
});
