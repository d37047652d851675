import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { openManager } from '../../connectors/index.ts';
import { type KeyValueStore, MillraceError } from '../../engine/index.ts';
import { DefinitionsBench, KIND, made, PATIENTLY, type Rule } from './fixture-definitions.ts';
import type { KindDefinitions } from './kind-definitions.ts';

let bench: DefinitionsBench;
beforeAll(async () => {
  bench = await DefinitionsBench.start();
});
afterEach(() => bench.stopAll());
afterAll(() => bench.close());

describe('a bucket that is deleted under running processes', () => {
  it('is a named error, and comes back with everything that one of them knew', async () => {
    const bucket = bench.newBucket();
    const one = await bench.process(await bench.bucket(0, bucket));
    const two = await bench.process(await bench.bucket(1, bucket), { ...KIND, limit: 100 });
    for (let n = 0; n < 5; n++) await one.rules.create('a', made(`r${n}`));
    const known = one.rules.list('a');
    await vi.waitFor(() => expect(two.rules.list('a')).toEqual(known), PATIENTLY);
    const manager = await openManager(bench.link(0));
    await manager.streams.delete(`KV_${bucket}`);
    const refused = await two.rules.create('a', made('more')).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'kv_unavailable', retriable: true });
    expect(two.definitions.status).toMatchObject({ state: 'unavailable', code: 'kv_unavailable' });
    await vi.waitFor(() => expect(two.definitions.status).toEqual({ state: 'ok' }), PATIENTLY);
    const names = (rules: KindDefinitions<Rule>) => rules.list('a').map(({ name }) => name);
    await vi.waitFor(() => expect(names(one.rules)).toEqual(known.map(({ name }) => name)), PATIENTLY);
    await vi.waitFor(async () => {
      const three = await bench.process(await bench.bucket(0, bucket));
      expect(names(three.rules)).toEqual(known.map(({ name }) => name));
    }, PATIENTLY);
    // Revisions go on: one that a client read before the loss fits nothing.
    const [first] = one.rules.list('a');
    const before = known[0];
    if (first === undefined || before === undefined) throw new Error('There are five');
    expect(first.revision).toBeGreaterThan(known.at(-1)?.revision ?? 0);
    await expect(one.rules.patch('a', first.id, { share: 2 }, before.revision)).rejects.toMatchObject({
      code: 'revision_conflict',
    });
    await one.rules.patch('a', first.id, { share: 2 }, first.revision);
    await vi.waitFor(() => expect(two.rules.get('a', first.id)?.body.share).toBe(2), PATIENTLY);
    await expect(two.rules.create('a', made('r1'))).rejects.toMatchObject({ code: 'name_taken' });
  });

  it('keeps what a process knew when another one makes it again', async () => {
    const bucket = bench.newBucket();
    const one = await bench.process(await bench.bucket(0, bucket));
    const { id } = await one.rules.create('a', made('x'));
    await (await openManager(bench.link(0))).streams.delete(`KV_${bucket}`);
    const late = await bench.process(await bench.bucket(1, bucket));
    await late.rules.create('a', made('y'));
    await vi.waitFor(() => expect(late.rules.get('a', id)?.name).toBe('x'), PATIENTLY);
    await vi.waitFor(() => expect(one.rules.byName('a', 'y')).toBeDefined(), PATIENTLY);
    expect(one.rules.get('a', id)?.name).toBe('x');
  });

  it('keeps what all knew when nobody hears that it was made again', async () => {
    const bucket = bench.newBucket();
    const deaf = async (index: number): Promise<KeyValueStore> => {
      const store = await bench.bucket(index, bucket);
      return {
        get: (key) => store.get(key),
        create: (key, value) => store.create(key, value),
        update: (key, value, revision) => store.update(key, value, revision),
        delete: (key, revision) => store.delete(key, revision),
        ensure: async (revision) => {
          if (await store.ensure(revision)) throw new MillraceError('kv_unavailable', 'The answer was lost.');
          return false;
        },
        incarnation: () => store.incarnation(),
        list: () => store.list(),
        watch: (onChange, onError) => store.watch(onChange, onError),
      };
    };
    const one = await bench.process(await deaf(0));
    const two = await bench.process(await deaf(1));
    const made_of = await Promise.all(['x', 'y', 'z'].map((name) => one.rules.create('a', made(name))));
    const names = (rules: KindDefinitions<Rule>) =>
      rules
        .list('a')
        .map(({ name }) => name)
        .sort();
    await vi.waitFor(() => expect(names(two.rules)).toEqual(['x', 'y', 'z']), PATIENTLY);
    await (await openManager(bench.link(0))).streams.delete(`KV_${bucket}`);
    // Asked of a bucket that is made again and empty, nothing is taken for deleted.
    await vi.waitFor(() => two.rules.create('a', made('after')), PATIENTLY);
    for (const { id } of made_of) {
      const patched = await vi.waitFor(() => one.rules.patch('a', id, { share: 3 }), PATIENTLY);
      expect(patched.body.share).toBe(3);
    }
    const all = ['after', 'x', 'y', 'z'];
    for (const { rules } of [one, two]) await vi.waitFor(() => expect(names(rules)).toEqual(all), PATIENTLY);
    const late = await bench.process(await bench.bucket(0, bucket));
    expect(names(late.rules)).toEqual(all);
    const [first] = made_of;
    if (first === undefined) throw new Error('There are three');
    await late.rules.delete('a', first.id);
    for (const { rules } of [one, two]) {
      await vi.waitFor(() => expect(rules.get('a', first.id)).toBeUndefined(), PATIENTLY);
    }
  });

  it('reads past a value that is not JSON', async () => {
    const bucket = bench.newBucket();
    const store = await bench.bucket(0, bucket);
    bench.link(0).connection.publish(`$KV.${bucket}.def.rule.a.bad`, 'not json');
    await bench.link(0).connection.flush();
    const { rules, definitions } = await bench.process(store);
    await rules.create('a', made('x'));
    expect(rules.list('a')).toHaveLength(1);
    expect(definitions.status).toEqual({ state: 'ok' });
  });
});
