import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../cli/index.ts';
import { connectNats, EventPublisher, type NatsLink, openManager, streamFacts } from '../connectors/index.ts';
import { binary, millrace, type Run } from './command.ts';
import { type Millrace, until } from './process.ts';
import { Scratch } from './scratch.ts';

const CLOUD_EVENT = {
  'ce-specversion': '1.0',
  'ce-id': 'd',
  'ce-type': 'order.created',
  'ce-source': '/shop',
  'ce-time': 'never',
  tag: ['ä', 'b'],
};

const scratch = new Scratch();
afterAll(() => scratch.clean());

describe('the binary without a server', () => {
  it('has help for every command', async () => {
    const { code, out } = await binary(['--help']);
    expect(code).toBe(0);
    for (const { name } of COMMANDS) expect(out).toContain(name);
    const help = await binary(['topology', 'draw', '--help']);
    expect([help.code, help.out]).toEqual([0, expect.stringContaining('Usage: millrace topology draw')]);
  });

  it('ends with 2 for what it does not know', async () => {
    expect(await binary(['stat', 'ls'])).toMatchObject({ code: 2, out: '' });
    expect(await binary(['state', 'ls', '--nonsense'])).toMatchObject({ code: 2, out: '' });
  });

  it('describes and draws the topology', async () => {
    const described = await binary(['topology', 'describe', '--json']);
    expect(JSON.parse(described.out)).toMatchObject({ name: 'order-analytics' });
    expect((await binary(['topology', 'draw'])).out).toMatch(/^flowchart LR\n/);
  });

  it('says that there is no state, and makes none by looking', async () => {
    const dir = await scratch.dir('cli-empty');
    for (const words of [['ls'], ['verify']]) {
      const { code, err } = await millrace(['state', ...words, '--data-dir', dir]);
      expect([code, err]).toEqual([1, expect.stringContaining('[no_state]')]);
    }
    for (const words of [['deadletters', 'ls'], ['deadletters', 'retry', '1'], ['replay']]) {
      const { code, err } = await millrace([...words, '--data-dir', dir]);
      expect([code, err]).toEqual([1, expect.stringContaining('[no_streams]')]);
    }
    expect(await readdir(dir)).toEqual([]);
  });

  it('doctor names what fails and what to do', async () => {
    const dir = await scratch.dir('cli-doctor');
    const { code, out } = await millrace(['doctor', '--json', '--data-dir', dir], {
      NATS_URL: 'nats://127.0.0.1:9',
      PORT: '0',
    });
    const findings = JSON.parse(out) as { check: string; ok: boolean; text: string }[];
    expect(code).toBe(1);
    expect(findings.filter(({ ok }) => !ok).map(({ check }) => check)).toEqual(['jetstream']);
    expect(findings.find(({ check }) => check === 'jetstream')?.text).toContain('NATS_URL');
  });
});

describe('the binary beside a running service', () => {
  let dir: string;
  let service: Millrace;
  let link: NatsLink;
  const run = (...args: string[]): Promise<Run> => millrace([...args, '--data-dir', dir], { PORT: '0' });

  beforeAll(async () => {
    dir = await scratch.dir('cli');
    service = await scratch.start({ dataDir: dir });
    link = await connectNats({ ...(await service.listening).nats, name: 'cli-test' });
    const event = (event_id: string, extra: object = {}): string =>
      JSON.stringify({
        event_id,
        type: 'order.created',
        time: '2025-03-10T10:00:00Z',
        amount: 100,
        order_id: 'o1',
        ...extra,
      });
    const texts = [event('a'), event('b'), '{"broken', event('c', { time: null })];
    await new EventPublisher(link).publishAll([
      ...texts.map((text) => ({ subject: 'events.acme.x', payload: Buffer.from(text) })),
      // A CloudEvent whose attributes are in its headers.
      { subject: 'events.acme.x', payload: Buffer.from('{"amount":5}'), headers: CLOUD_EVENT },
    ]);
    await untilLetters(3);
  });
  afterAll(() => link.close());

  async function letters(): Promise<{ sequence: number; reason: string; retry?: object }[]> {
    const { out } = await run('deadletters', 'ls', '--json', '--topology', 'any.js');
    return out
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { sequence: number; reason: string });
  }
  /** The command is asked once they are in their stream: each time is a process. */
  async function untilLetters(count: number): Promise<void> {
    const manager = await openManager(link);
    await until(
      async () => ((await streamFacts(manager, 'DEADLETTER')).lastSequence >= count ? true : undefined),
      () => `${count} dead letters`,
      20_000,
    );
    expect(await letters()).toHaveLength(count);
  }

  it('lists dead letters with their reasons, and sends one again, once', async () => {
    expect((await letters()).map(({ reason }) => reason)).toEqual([
      'malformed_json',
      'missing_field',
      'bad_time',
    ]);
    const retried = await run('deadletters', 'retry', '--all', '--reason', 'missing_field');
    expect(retried).toMatchObject({ code: 0, out: '2 -> events.acme.x\n' });
    await untilLetters(4);
    const all = await letters();
    expect(all.map(({ reason }) => reason).slice(2)).toEqual(['bad_time', 'missing_field']);
    expect(all[1]?.retry).toMatchObject({ attempts: 1, message_id: 'deadletter-retry-2-1' });
    const again = await run('deadletters', 'retry', '--all', '--reason', 'missing_field', '--dry-run');
    expect(again.out).toBe('4 -> events.acme.x\n');
    expect((await run('deadletters', 'retry', '99')).code).toBe(1);
    expect((await run('deadletters', 'retry')).code).toBe(2);
  });

  it('sends a dead letter again with the headers that it had', async () => {
    expect((await run('deadletters', 'retry', '3')).code).toBe(0);
    await untilLetters(5);
    const manager = await openManager(link);
    const { lastSequence } = await streamFacts(manager, 'EVENTS');
    const message = await manager.streams.getMessage('EVENTS', { seq: lastSequence });
    const sent = message?.header;
    const found = Object.keys(CLOUD_EVENT).map((name) => [name, sent?.values(name)]);
    expect(found).toEqual(Object.entries(CLOUD_EVENT).map(([name, value]) => [name, [value].flat()]));
    expect(sent?.get('Nats-Msg-Id')).toBe('deadletter-retry-3-1');
    // Without them it would lack its id and its time.
    expect((await letters()).at(-1)?.reason).toBe('bad_time');
  });

  it('shows, verifies and compares the state', async () => {
    const listed = JSON.parse((await run('state', 'ls', '--json')).out) as { tables: { table: string }[] };
    expect(listed.tables.map(({ table }) => table)).toContain('meta');
    const segment = (await run('state', 'get', 'log/segments', '--scope', 'acme', '--limit', '1')).out;
    expect(JSON.parse(segment)).toMatchObject({
      scope: 'acme',
      value: { rows: expect.any(Number), first_day: '2025-03-10' },
    });
    const cells = (await run('state', 'get', 'cubes/cells', '--scope', 'acme', '--limit', '1')).out;
    expect(JSON.parse(cells)).toMatchObject({ scope: 'acme', value: { size_bytes: expect.any(Number) } });
    expect(await run('state', 'get', 'cubes/cells', '--scope', 'nobody')).toMatchObject({ code: 0, out: '' });
    const { out } = await run('state', 'get', 'meta', '--key', 'engine/progress');
    expect(JSON.parse(out)).toMatchObject({ value: { stream: 'EVENTS' } });
    expect(await run('state', 'get', 'meta', '--key', 'nothing')).toMatchObject({ code: 1, out: '' });
    expect((await run('state', 'get', 'nothing')).err).toContain('[unknown_table]');
    expect(await run('state', 'verify')).toMatchObject({ code: 0, err: '' });
    expect((await run('topology', 'diff')).code).toBe(0);
    const findings = JSON.parse((await run('doctor', '--json')).out) as { check: string; text: string }[];
    expect(findings.find(({ check }) => check === 'jetstream')?.text).toContain('answers');
  });

  it('replays the stream to the same state, and makes it current when it is told to', async () => {
    const compared = await run('replay', '--json');
    expect(JSON.parse(compared.out)).toMatchObject({ generation: 2, same: true, different: [] });
    expect(await service.terminate()).toMatchObject({ code: 0 });
    const made = await run('replay', '--make-current');
    expect(made).toMatchObject({ code: 0, err: expect.stringContaining('Generation 2 is current') });
    expect((await run('state', 'verify')).code).toBe(0);
  });
});
