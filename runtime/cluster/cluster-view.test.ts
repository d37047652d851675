import { describe, expect, it } from 'vitest';
import { MemoryKeyValueStore } from '../../connectors/index.ts';
import { followCluster } from './cluster-view.ts';
import { checkMemberId, taskKey, taskOf } from './records.ts';

const member = (tasks: object, renewal = 1) => ({
  ...{ incarnation: 'i1', host: 'h', version: '1', started_at: '2026-01-01T00:00:00Z', renewal, tasks },
});
const owned = (name: string) => ({ member: name, incarnation: 'i1', state: 'owned' });
const fail = (error: unknown): void => {
  throw error;
};
/** Changes of the store are told in a microtask. */
const told = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function written(store: MemoryKeyValueStore, key: string, value: unknown): Promise<number> {
  const current = await store.get(key);
  const write =
    current === undefined ? await store.create(key, value) : await store.update(key, value, current.revision);
  if (!write.ok) throw new Error('nobody else writes');
  return write.revision;
}

describe('the view of a cluster', () => {
  it('says who owns and who follows what, and with which epoch', async () => {
    const store = new MemoryKeyValueStore();
    await written(store, 'member.b', member({ '0.1': { role: 'standby', state: 'ready', lag_ms: 40 } }));
    await written(store, 'member.a', member({ '0.1': { role: 'owner', state: 'ready' } }));
    const epoch = await written(store, 'own.0.1', owned('a'));
    await written(store, 'own.0.10', owned('a'));
    await written(store, 'own.1.2', { ...owned('a'), epoch: 77 });
    const { view, close } = await followCluster(store, fail);
    expect(view.members()).toEqual([
      {
        ...{ id: 'a', incarnation: 'i1', host: 'h', version: '1', standby: [] },
        owned: [
          { stage: 0, partition: 1, epoch },
          { stage: 0, partition: 10, epoch: epoch + 1 },
          { stage: 1, partition: 2, epoch: 77 },
        ],
      },
      {
        ...{ id: 'b', incarnation: 'i1', host: 'h', version: '1', owned: [] },
        standby: [{ stage: 0, partition: 1, ready: true, lag_ms: 40 }],
      },
    ]);
    expect(view.owner({ stage: 1, partition: 2 })).toEqual({ member: 'a', epoch: 77 });
    expect(view.owner({ stage: 1, partition: 3 })).toBeUndefined();
    await close();
  });

  it('tells of take-overs, releases and members that go, and not of renewals', async () => {
    const store = new MemoryKeyValueStore();
    await written(store, 'member.a', member({}));
    await written(store, 'own.0.0', owned('a'));
    const { view, close } = await followCluster(store, fail);
    let changes = 0;
    const forget = view.onChange(() => changes++);
    await written(store, 'member.a', member({}, 2));
    await told();
    expect(changes).toBe(0);
    const epoch = await written(store, 'own.0.0', owned('b'));
    await told();
    expect(changes).toBe(1);
    // Who has no record any more can own a task until somebody takes it.
    expect(view.owner({ stage: 0, partition: 0 })).toEqual({ member: 'b', epoch });
    await written(store, 'own.0.0', { ...owned('b'), state: 'released' });
    await written(store, 'member.b', member({ '0.0': { role: 'standby', state: 'behind' } }));
    await told();
    expect(view.owner({ stage: 0, partition: 0 })).toBeUndefined();
    expect(view.members().map(({ id, standby }) => [id, standby.length])).toEqual([
      ['a', 0],
      ['b', 1],
    ]);
    await store.delete('member.a');
    await told();
    expect(view.members().map(({ id }) => id)).toEqual(['b']);
    expect(changes).toBeGreaterThanOrEqual(3);
    forget();
    await close();
  });

  it('passes over what it cannot read', async () => {
    const store = new MemoryKeyValueStore();
    for (const [key, value] of [
      ['member.a', 'rubbish'],
      ['own.0.x', owned('a')],
      ['own.0.1', { member: 'a.b', incarnation: 'i', state: 'owned' }],
      ['plan', []],
      ['other', 1],
    ] as const) {
      await written(store, key, value);
    }
    const { view, close } = await followCluster(store, fail);
    expect(view.members()).toEqual([]);
    expect(view.owner({ stage: 0, partition: 1 })).toBeUndefined();
    await close();
  });
});

it('a key of a task is read as it is written, and nothing else is', () => {
  for (const task of [
    { stage: 0, partition: 0 },
    { stage: 12, partition: 31 },
  ]) {
    expect(taskOf(taskKey(task))).toEqual(task);
  }
  for (const key of ['', '0', '0.', '01.2', '0.-1', '0.1.2', 'a.b', '0.1 '])
    expect(taskOf(key)).toBeUndefined();
});

it('a member has a name that can be part of a subject', () => {
  expect(checkMemberId('host-1_a')).toBe('host-1_a');
  for (const id of ['', 'a.b', 'a b', '*', 'x'.repeat(65)]) {
    expect(() => checkMemberId(id)).toThrow(expect.objectContaining({ code: 'member_id_invalid' }));
  }
});
