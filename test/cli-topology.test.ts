import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectNats, EventPublisher, type NatsLink, openManager, streamFacts } from '../connectors/index.ts';
import { binary, environment, MAIN, millrace, type Run } from './command.ts';
import { startTestNats, type TestNats } from './nats.ts';
import { until } from './process.ts';
import { Scratch } from './scratch.ts';

/** The package as it was built, as a user's module imports it. */
const PACKAGE = pathToFileURL(resolve(import.meta.dirname, '../dist/bundle/index.js')).href;
const TIMEOUT_MS = 120_000;

/** A module that keeps the last amount of each order in a table of this name, and sends each order on. */
const moduleOf = (table: string): string => `
import { jetstream, json, toJetStream, topology, toTable } from ${JSON.stringify(PACKAGE)};

export const orders = topology('orders', (t) => {
  const parsed = t
    .source(jetstream('ORDERS', { subjects: ['orders.>'] }))
    .pipe(json('parse', { parse: (order) => order }));
  parsed.pipe(toTable('${table}', { keyOf: ({ id }) => id, value: ({ cents }) => cents }));
  parsed.pipe(toJetStream('seen', { subject: 'seen' }));
});
export const empty = topology('empty', (t) => void t.source('nothing'));
`;

/** What of its subjects and its streams does not fit. */
const UNFIT = `
import { jetstream, toJetStream, topology } from ${JSON.stringify(PACKAGE)};

export default topology('unfit', (t) => {
  const loops = t.source(jetstream('LOOPS', { subjects: ['loops.>'] }));
  loops.pipe(toJetStream('out', { subject: 'loops.x' }));
  loops.pipe(toJetStream('lost', { subject: 'lost.x' }));
  t.source(jetstream('APART', { subjects: ['apart.>'], filter: ['a-part.x'] }));
});
`;

/** A process that runs a topology. */
class Service {
  readonly #child: ChildProcess;
  readonly exited: Promise<number | null>;
  output = '';

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(process.execPath, [MAIN, 'start', ...args], { env: environment(env) });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    this.exited = once(this.#child, 'exit').then(([code]) => code as number | null);
  }

  untilSaid(text: string): Promise<true> {
    return until(
      () => (this.output.includes(text) ? true : undefined),
      () => `the service says "${text}"; it said ${this.output}`,
      TIMEOUT_MS,
    );
  }

  end(signal: NodeJS.Signals): Promise<number | null> {
    this.#child.kill(signal);
    return this.exited;
  }
}

const scratch = new Scratch();
const services: Service[] = [];
let dir: string;
let nats: TestNats;
let link: NatsLink;

const file = (name: string): string => join(dir, name);
const topologyOf = (name: string): string[] => [
  '--topology',
  `${file(name)}#orders`,
  '--data-dir',
  file('data'),
];
const run = (...args: string[]): Promise<Run> => millrace([...args, ...topologyOf('orders.mjs')]);
const start = (name: string, env: Readonly<Record<string, string>> = {}): Service => {
  const args = [...topologyOf(name), '--nats-url', nats.url, '--stream', 'SEEN=seen'];
  const service = new Service(args, env);
  services.push(service);
  return service;
};
const rows = async (table = 'latest'): Promise<string[]> =>
  (await run('state', 'get', `${table}/rows`)).out.split('\n').filter((line) => line !== '');
/** Until the command shows so many rows. It is not asked before `sent` messages are in SEEN: each time is a process. */
async function untilRows(count: number, sent: number): Promise<void> {
  const manager = await openManager(link);
  await until(
    async () => ((await streamFacts(manager, 'SEEN')).lastSequence >= sent ? true : undefined),
    () => `${sent} messages are sent`,
    TIMEOUT_MS,
  );
  await until(
    async () => ((await rows()).length === count ? true : undefined),
    () => `${count} rows`,
    TIMEOUT_MS,
  );
}
const order = (...ids: string[]) =>
  new EventPublisher(link).publishAll(
    ids.map((id) => ({ subject: 'orders.x', payload: Buffer.from(JSON.stringify({ id, cents: 100 })) })),
  );

beforeAll(async () => {
  dir = await scratch.dir('cli-topology');
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'cli-topology-test' });
  await writeFile(file('orders.mjs'), moduleOf('latest'));
  await writeFile(file('renamed.mjs'), moduleOf('newest'));
});
afterAll(async () => {
  for (const service of services) await service.end('SIGKILL');
  await link.close();
  await nats.stop();
  await scratch.clean();
});

describe('a topology of the user, from the command line', () => {
  it('runs until SIGTERM, goes on after a kill, and shows its state', async () => {
    expect((await run('doctor', '--nats-url', nats.url)).out).toMatch(/ok +state +none yet/);
    const first = start('orders.mjs');
    await first.untilSaid('running');
    expect(first.output).toContain('reads   ORDERS (orders.>)');
    await order('a', 'b');
    await untilRows(2, 2);
    await first.end('SIGKILL');
    await order('c', 'b', 'd');
    const second = start('orders.mjs');
    await untilRows(4, 5);
    expect(await second.end('SIGTERM')).toBe(0);
    expect(second.output).toContain('stopped at ORDERS 5 of 5');

    expect(JSON.parse((await rows())[0] ?? '')).toEqual({
      scope: '',
      key: 'a',
      value: expect.objectContaining({ value: 100 }),
    });
    const { out } = await run('state', 'ls');
    expect(out).toMatch(/^latest\/rows +map +4 rows/m);
    expect(out).toContain('position: ORDERS 5 of 5');
    expect(await run('state', 'verify')).toMatchObject({ code: 0, err: '' });
    expect(JSON.parse((await run('state', 'digest')).out)).toMatchObject({
      tables: { 'latest/rows': { rows: 4 } },
    });
    expect((await streamFacts(await openManager(link), 'SEEN')).lastSequence).toBe(5);
  });

  it('is named by an environment variable, too, and is not taken for the order analytics', async () => {
    const env = { DATA_DIR: file('data'), MILLRACE_TOPOLOGY: `${file('orders.mjs')}#orders` };
    expect((await millrace(['state', 'ls'], env)).out).toContain('latest/rows');
    expect((await millrace(['topology', 'draw'], env)).out).toContain('latest');
    const { code, err } = await millrace(['state', 'ls'], { DATA_DIR: file('data') });
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/state of "orders" there.*--topology.*\[no_state\]/),
    ]);
  });

  it('is rebuilt from its stream to the same state', async () => {
    const { code, out } = await run('replay', '--nats-url', nats.url, '--json');
    expect(JSON.parse(out)).toMatchObject({ same: true, records: 5, position: { ORDERS: 5 } });
    expect(code).toBe(0);
  });

  it('goes on with a state that was rebuilt while it runs, and sends nothing twice', async () => {
    const service = start('orders.mjs');
    await service.untilSaid('running');
    const root = join(file('data'), 'state', 'orders');
    const { code, err } = await run('replay', '--nats-url', nats.url, '--make-current');
    expect([code, err]).toEqual([
      0,
      expect.stringMatching(/Generation 2 is current, and the process \d+ answers/),
    ]);
    expect(readFileSync(join(root, 'CURRENT'), 'utf8')).toBe('2');
    expect(existsSync(join(root, 'NEXT'))).toBe(false);
    await order('a', 'f');
    await untilRows(5, 7);
    await service.end('SIGKILL');
    const again = start('orders.mjs');
    await order('g');
    await untilRows(6, 8);
    expect(await again.end('SIGTERM')).toBe(0);
    expect((await streamFacts(await openManager(link), 'SEEN')).lastSequence).toBe(8);
    expect(existsSync(join(root, 'g1'))).toBe(false);
  });

  it('refuses a change that loses state until it is allowed', async () => {
    const diff = await millrace(['topology', 'diff', ...topologyOf('renamed.mjs')]);
    expect([diff.code, diff.out]).toEqual([1, expect.stringMatching(/^refused +Operator "latest"/m)]);
    const refused = start('renamed.mjs');
    expect(await refused.exited).toBe(1);
    expect(refused.output).toContain('[topology_changed]');
    const allowed = start('renamed.mjs', { ALLOW_TOPOLOGY_CHANGE: '1' });
    await allowed.untilSaid('the topology changed: Operator "latest"');
    await allowed.untilSaid('running');
    await order('e');
    await allowed.untilSaid('ORDERS 9 of 9');
    expect(await allowed.end('SIGTERM')).toBe(0);
    const after = await millrace(['topology', 'diff', ...topologyOf('renamed.mjs')]);
    expect([after.code, after.out]).toEqual([0, 'The topology is the one that wrote the state.\n']);
  });

  it('stops one of two processes on one data folder', async () => {
    const both = [start('renamed.mjs'), start('renamed.mjs')];
    for (const service of both) await service.untilSaid('running');
    await order('f', 'g');
    expect(await Promise.race(both.map(({ exited }) => exited))).toBe(1);
    const said = both.map(({ output }) => output).join('');
    expect(said).toContain('[state_has_another_writer]');
  });
});

it('calls the callbacks that the module exports, and refuses where it exports none', async () => {
  const calls = (publisher: string): string => `
import { writeFileSync } from 'node:fs';
import { CallbackPublisher, jetstream, json, toCallback, topology } from ${JSON.stringify(PACKAGE)};
export const calls = topology('calls', (t) => {
  t.source(jetstream('CALLS', { subjects: ['calls'] })).pipe(
    json('parse', { parse: (value) => value }),
    toCallback('mail'),
  );
});
${publisher}`;
  await writeFile(file('silent.mjs'), calls(''));
  const told = file('mail.json');
  const register = `register('mail', async (mail) => writeFileSync(${JSON.stringify(told)}, JSON.stringify(mail.json())))`;
  await writeFile(
    file('calls.mjs'),
    calls(`export const publisher = (next) => new CallbackPublisher(next).${register};`),
  );
  const of = (name: string) => [
    '--topology',
    file(name),
    '--data-dir',
    file('calls'),
    '--nats-url',
    nats.url,
  ];
  const { code, err } = await binary(['start', ...of('silent.mjs')]);
  expect([code, err]).toEqual([1, expect.stringMatching(/"mail".*export const publisher.*\[no_callbacks\]/)]);
  const service = new Service(of('calls.mjs'));
  services.push(service);
  await service.untilSaid('running');
  await new EventPublisher(link).publishAll([{ subject: 'calls', payload: Buffer.from('{"to":"a"}') }]);
  await until(
    () => (existsSync(told) ? true : undefined),
    () => 'the callback is called',
    TIMEOUT_MS,
  );
  expect(readFileSync(told, 'utf8')).toBe('{"to":"a"}');
  expect(await service.end('SIGTERM')).toBe(0);
});

it('says whose function failed and where, and for which subject there is no stream', async () => {
  await writeFile(
    file('fails.mjs'),
    `import { jetstream, json, map, toJetStream, topology } from ${JSON.stringify(PACKAGE)};
export const fails = topology('fails', (t) => {
  t.source(jetstream('FAILS', { subjects: ['fails.>'] })).pipe(
    json('parse', { parse: (value) => value }),
    map('picky', (value) => {
      if (value === 'bad') throw new TypeError('cannot take it');
      return value;
    }),
    toJetStream('nowhere', { subject: 'nowhere.to.go' }),
  );
});`,
  );
  const service = new Service([
    '--topology',
    file('fails.mjs'),
    '--data-dir',
    file('fails'),
    '--nats-url',
    nats.url,
  ]);
  services.push(service);
  await service.untilSaid('running');
  const publisher = new EventPublisher(link);
  await publisher.publishAll([{ subject: 'fails.x', payload: Buffer.from('1') }]);
  await service.untilSaid('No stream takes the subject "nowhere.to.go"');
  await publisher.publishAll([{ subject: 'fails.x', payload: Buffer.from('"bad"') }]);
  expect(await service.exited).toBe(1);
  expect(service.output).toContain(
    'millrace: cannot take it (record 2 of "fails", subject "fails.x") [internal]',
  );
  expect(service.output).toContain('It came from a function of the operator "picky"');
  expect(service.output).toMatch(/TypeError: cannot take it\n +at .*fails\.mjs:6/);
  expect(service.output).toContain('--failing-records deadletters');
});

describe('what keeps a topology from being loaded', () => {
  it.each([
    ['missing.mjs', /missing.mjs is not there.*\[topology_not_found\]/],
    ['orders.mjs', /several topologies: empty, orders\..*\[topology_ambiguous\]/],
    ['orders.mjs#none', /no topology "none". Its topologies are empty, orders.*\[topology_not_found\]/],
    ['orders.mjs#empty', /says? which stream it reads.*\[no_source\]/],
  ])('%s', async (name, message) => {
    const { code, err } = await binary(['start', '--topology', file(name), '--data-dir', file('none')]);
    expect([code, err]).toEqual([1, expect.stringMatching(message)]);
  });

  it('TypeScript, where node does not run it', async () => {
    await writeFile(file('orders.ts'), 'export const a: number = 1;');
    const { err } = await binary(['topology', 'draw', '--topology', file('orders.ts')]);
    const runsIt = 'typescript' in process.features && process.features.typescript !== false;
    expect(err).toContain(runsIt ? '[topology_not_found]' : 'Build it first');
  });

  it('TypeScript is run as it stands where its project has tsx', async () => {
    const example = resolve(import.meta.dirname, '../examples/word-count/topology.ts');
    const { code, out } = await binary(['topology', 'describe', '--topology', example]);
    expect([code, out]).toEqual([0, expect.stringContaining('counts (window) <- words')]);
  });

  it('doctor prints what a start refuses, and what would only wait, each with its code', async () => {
    await writeFile(file('unfit.mjs'), UNFIT);
    const args = ['--topology', file('unfit.mjs'), '--data-dir', file('none'), '--nats-url', nats.url];
    const { code, out } = await millrace(['doctor', ...args]);
    const failed = out.split('\n').filter((line) => line.startsWith('failed'));
    expect([code, failed]).toEqual([
      1,
      [
        expect.stringMatching(/source "apart".*a-part\.x.*\[filter_outside_stream\]$/),
        expect.stringMatching(/operator "out".*loops\.x.*\[subject_loop\]$/),
        expect.stringMatching(/operator "lost".*lost\.x.*--stream NAME=lost\.x.*\[no_stream_for_subject\]$/),
      ],
    ]);
    expect((await millrace(['doctor', ...args, '--stream', 'LOST=lost.>'])).out).not.toContain('lost.x');
    expect(await binary(['start', ...args])).toMatchObject({
      code: 1,
      err: expect.stringContaining('[filter_outside_stream]'),
    });
  });

  it('doctor says it among the other findings', async () => {
    const args = ['doctor', '--json', '--topology', file('missing.mjs'), '--data-dir', file('data')];
    const { code, out } = await millrace([...args, '--nats-url', nats.url]);
    const findings = JSON.parse(out) as { check: string; ok: boolean }[];
    expect([code, findings.filter(({ ok }) => !ok).map(({ check }) => check)]).toEqual([1, ['topology']]);
  });
});
