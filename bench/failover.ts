import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { editPlan } from '../runtime/index.ts';
import { ClusterRig, PARTITIONS } from '../test/cluster-members.ts';

const NAMES = ['a', 'b', 'c'];
const PER_SECOND = 500;

const FAULTS: Readonly<Record<string, (rig: ClusterRig) => Promise<void>>> = {
  'kill -9 of an owner with warm standbys': async (rig) => {
    rig.members.get('b')?.kill('SIGKILL');
    while (rig.owned('b').length > 0) await sleep(50);
  },
  'an owner that stands still for 10 s': async (rig) => {
    rig.members.get('b')?.kill('SIGSTOP');
    await sleep(10_000);
    rig.members.get('b')?.kill('SIGCONT');
    await rig.rest(NAMES);
  },
  'planned moves: a member is drained': async (rig) => {
    await editPlan(rig.store, { kind: 'drain', member: 'b' });
    while (rig.owned('b').length > 0) await sleep(50);
  },
  'a member ends (SIGTERM)': async (rig) => {
    rig.members.get('b')?.kill('SIGTERM');
    while (rig.owned('b').length > 0) await sleep(50);
  },
};

/**
 * Three nats-servers and three processes on this machine, each with a task of its own for each partition that passes
 * messages on by a chain; from a message's storing to its result's, while something happens to one process.
 */
export async function failoverBench(): Promise<object> {
  const results: Record<string, object> = {};
  for (const [name, strike] of Object.entries(FAULTS)) {
    const dir = await mkdtemp(join(tmpdir(), 'millrace-bench-failover-'));
    const rig = await ClusterRig.start(dir);
    try {
      for (const [at, member] of NAMES.entries()) rig.join(member, at);
      await rig.rest(NAMES);
      rig.publish(PER_SECOND);
      await sleep(3_000);
      await strike(rig);
      await sleep(2_000);
      await rig.stopPublishing();
      const found = await rig.passed();
      const wrong = found.filter(({ sent, passed }) => passed.map(({ row }) => row).join() !== sent.join());
      const delays = found
        .flatMap(({ passed }) => passed.map(({ delay_ms }) => delay_ms))
        .sort((a, b) => a - b);
      results[name] = {
        messages: delays.length,
        partitions_with_lost_doubled_or_unordered: wrong.length,
        delay_p50_ms: delays[Math.floor(delays.length / 2)],
        longest_ms: delays.at(-1),
      };
    } finally {
      await rig.end();
      await rm(dir, { recursive: true, force: true });
    }
  }
  return { servers: 3, processes: NAMES.length, partitions: PARTITIONS, per_second: PER_SECOND, results };
}
