import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectNats, type NatsLink, openKeyValueStore } from '../connectors/index.ts';
import { ClusterNode, clusterBucket, systemTime, type TaskHost } from '../runtime/index.ts';
import { startTestNats, type TestNats } from '../test/nats.ts';
import { type CommandContext, runCommand } from './command.ts';
import { COMMANDS } from './commands.ts';

const HANG_MS = 60_000;
const FILE = `${import.meta.dirname}/../examples/word-count/topology.ts`;

let nats: TestNats;
let link: NatsLink;
const nodes: ClusterNode[] = [];

beforeAll(async () => {
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'cluster-commands' });
});

afterAll(async () => {
  await Promise.all(nodes.map((node) => node.stop()));
  await link.close();
  await nats.stop();
});

/** A task that has nothing to do, and is ready at once. */
function idleTask(): TaskHost {
  let epoch: number | undefined;
  const hold = async (): Promise<void> => {
    epoch = undefined;
  };
  return {
    open: () => Promise.resolve(),
    activate: async (as) => {
      epoch = as;
    },
    standby: hold,
    release: hold,
    settle: () => undefined,
    close: hold,
    status: () => ({ state: 'ready', active_epoch: epoch, lag_ms: 0 }),
  };
}

async function join(member: string): Promise<void> {
  const node = new ClusterNode({
    store: await openKeyValueStore(link, clusterBucket('word-count')),
    ...{ member, incarnation: `${member}-1`, host: 'here', version: '9.9', started_at: '' },
    ...{ layout: [4], hosts: idleTask, time: systemTime },
    limits: { settle_ms: 500, beat_ms: 200 },
  });
  nodes.push(node);
  await node.start();
}

async function cluster(...argv: string[]) {
  const [printed, noted]: [string[], string[]] = [[], []];
  const context: CommandContext = {
    env: { NATS_URL: nats.url },
    print: (line) => void printed.push(line),
    note: (line) => void noted.push(line),
    interruptible: () => new AbortController().signal,
  };
  const code = await runCommand(COMMANDS, ['cluster', ...argv, '--topology', FILE], context);
  return { code, text: printed.join('\n'), noted: noted.join('\n') };
}

async function untilPlanned(expected: (text: string) => boolean): Promise<string> {
  for (const end_ms = performance.now() + HANG_MS; ; await sleep(100)) {
    const { text } = await cluster('plan');
    if (expected(text)) return text;
    if (performance.now() > end_ms) throw new Error(`it stays so: ${text}`);
  }
}

const ownedBy = (text: string, member: string): readonly string[] =>
  text.split('\n').flatMap((line) => (line.includes(`  ${member} (epoch`) ? [line.split(' ')[0] ?? ''] : []));

it('says who runs what, moves, pins and drains, and refuses what cannot be', async () => {
  expect(await cluster('status')).toMatchObject({
    code: 1,
    noted: expect.stringContaining('[cluster_without_plan]'),
  });
  await Promise.all([join('a'), join('b')]);
  const whole = (text: string) => ownedBy(text, 'a').length === 2 && ownedBy(text, 'b').length === 2;
  await untilPlanned((text) => whole(text) && !text.includes('not ready'));

  const { code, text } = await cluster('status', '--json');
  expect(code).toBe(0);
  expect(JSON.parse(text)).toMatchObject({
    planner: 'a',
    members: [
      { id: 'a', state: 'living', drained: false, host: 'here', version: '9.9', owned: 2, standby: 2 },
      { id: 'b', state: 'living', owned: 2, standby: 2 },
    ],
    problems: [],
  });
  const shown = await cluster('status');
  expect(shown.text.split('\n')).toEqual([
    'member  state              owned  standby  host  version',
    'a       living                 2        2  here  9.9',
    'b       living                 2        2  here  9.9',
    '4 tasks, 0 on their way; a plans',
  ]);

  const [task = ''] = ownedBy((await cluster('plan')).text, 'a');
  expect((await cluster('move', task, '--to', 'b')).code).toBe(0);
  const moved = await untilPlanned((now) => ownedBy(now, 'b').includes(task));
  expect(moved).toContain(`, pinned to b`);
  expect((await cluster('move', task, '--free')).text).toBe(`${task} goes where it is balanced.`);
  await untilPlanned(whole);

  for (const [words, why] of [
    [['move', '9.9', '--to', 'b'], 'unknown_task'],
    [['move', task, '--to', 'nobody'], 'unknown_member'],
    [['drain', 'nobody'], 'unknown_member'],
  ] as const) {
    expect(await cluster(...words)).toMatchObject({ code: 1, noted: expect.stringContaining(`[${why}]`) });
  }
  expect((await cluster('move', task)).code).toBe(2);

  expect(await cluster('drain', 'b')).toMatchObject({ code: 0, text: 'b has no tasks: it can be stopped.' });
  expect(ownedBy((await cluster('plan')).text, 'a')).toHaveLength(4);
  expect((await cluster('status')).text).toContain('b       living, drained        0        0');
  expect((await cluster('drain', 'a')).noted).toContain('[no_other_member]');
  for (const member of ['a', 'b']) await cluster('drain', member, '--undo');
  await untilPlanned(whole);
  expect(nodes.map((node) => node.view.owner({ stage: 0, partition: 0 })?.member)).toEqual([
    expect.stringMatching(/^[ab]$/),
    expect.stringMatching(/^[ab]$/),
  ]);
});
