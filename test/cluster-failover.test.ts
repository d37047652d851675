import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { editPlan } from '../runtime/index.ts';
import { ClusterRig } from './cluster-members.ts';
import { itLong } from './it-long.ts';
import { isLong } from './long.ts';
import { until } from './process.ts';
import { Scratch } from './scratch.ts';

const NAMES = ['a', 'b', 'c'];
const PER_SECOND = 200;
const TEST_MS = 300_000;

let scratch: Scratch;
let rig: ClusterRig;

beforeEach(async () => {
  scratch = new Scratch();
  rig = await ClusterRig.start(await scratch.dir('failover'));
  for (const [at, name] of NAMES.entries()) rig.join(name, at);
  await rig.rest(NAMES);
});

afterEach(async () => {
  await rig.end();
  await scratch.clean();
});

/** Each message once and in order; the longest that one took, ms. */
async function longest(): Promise<number> {
  await rig.stopPublishing();
  const found = await rig.passed();
  for (const { sent, passed } of found) {
    expect(sent.length).toBeGreaterThan(0);
    expect(passed.map(({ row }) => row)).toEqual(sent);
  }
  return Math.max(...found.flatMap(({ passed }) => passed.map(({ delay_ms }) => delay_ms)));
}

it(
  'an owner that is killed: its standbys go on, each message once and in order, in the long run within eight seconds',
  async () => {
    rig.publish(PER_SECOND);
    await sleep(1_000);
    rig.members.get('b')?.kill('SIGKILL');
    await until(
      () => (rig.owned('b').length === 0 ? true : undefined),
      () => `its tasks are taken: ${rig.lines.join('\n')}`,
      30_000,
    );
    await sleep(500);
    const longest_ms = await longest();
    // How soon is measured where nothing else has the machine.
    if (isLong) expect(longest_ms).toBeLessThan(8_000);
  },
  TEST_MS,
);

itLong(
  'a member that is drained gives its tasks away one after the other, and each stands still for less than a second',
  async () => {
    rig.publish(PER_SECOND);
    await sleep(1_000);
    await editPlan(rig.store, { kind: 'drain', member: 'b' });
    await rig.rest(['a', 'c']);
    expect(rig.owned('b')).toEqual([]);
    expect(await longest()).toBeLessThan(1_000);
  },
  TEST_MS,
);

itLong(
  'an owner that stands still for ten seconds and wakes: nothing that it sends then is stored',
  async () => {
    rig.publish(PER_SECOND);
    await sleep(1_000);
    rig.members.get('b')?.kill('SIGSTOP');
    await sleep(10_000);
    expect(rig.owned('b')).toEqual([]);
    rig.members.get('b')?.kill('SIGCONT');
    await rig.rest(NAMES);
    expect(await longest()).toBeLessThan(8_000);
  },
  TEST_MS,
);

itLong(
  'all servers stand still for thirty seconds: nobody takes anything over',
  async () => {
    const before = NAMES.map((name) => rig.owned(name));
    for (const { process: server } of rig.servers) server.kill('SIGSTOP');
    await sleep(30_000);
    for (const { process: server } of rig.servers) server.kill('SIGCONT');
    await sleep(15_000);
    await rig.rest(NAMES);
    expect(NAMES.map((name) => rig.owned(name))).toEqual(before);
    expect(rig.lines.filter((line) => /owner, epoch/.test(line))).toHaveLength(6);
    rig.publish(PER_SECOND);
    await sleep(1_000);
    expect(await longest()).toBeLessThan(8_000);
  },
  TEST_MS,
);

itLong(
  'a member that ends leaves at once, and one that is started again has its name and its share',
  async () => {
    rig.publish(PER_SECOND);
    await sleep(500);
    rig.members.get('c')?.kill('SIGTERM');
    await rig.rest(['a', 'b']);
    rig.join('c', 2);
    await rig.rest(NAMES);
    expect(await longest()).toBeLessThan(1_500);
  },
  TEST_MS,
);
