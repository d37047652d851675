import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { MemoryKeyValueStore } from '../../connectors/index.ts';
import type { KeyValueStore } from '../../engine/index.ts';
import type { DefinitionKind } from './definition.ts';
import { DefinitionError } from './definition-error.ts';
import { DefinitionsBench, KIND, made, PATIENTLY, type Rule } from './fixture-definitions.ts';
import { CLAIM_LIFE_MS } from './name-claims.ts';

let bench: DefinitionsBench;
beforeAll(async () => {
  bench = await DefinitionsBench.start();
});
afterEach(() => bench.stopAll());
afterAll(() => bench.close());

describe.each([
  [
    'a NATS bucket',
    () => {
      const bucket = bench.newBucket();
      return (index: number) => bench.bucket(index, bucket);
    },
  ],
  [
    'memory',
    () => {
      const store = new MemoryKeyValueStore();
      return async () => store;
    },
  ],
] as const)('the contract of definitions, on %s', (_, bucketOf) => {
  it('makes, lists, changes and deletes', async () => {
    const { rules, changes, clock } = await bench.process(await bucketOf()(0));
    const first = await rules.create('a', made('first'));
    expect(first).toMatchObject({
      id: expect.stringMatching(/^rule_[0-9A-HJKMNP-TV-Z]{26}$/),
      name: 'first',
      kind: 'rule',
      tenant: 'a',
      created_by: 'key',
      created_at_ms: clock.now(),
      body: { event: 'visit', share: 1 },
    });
    clock.advance(5);
    const second = await rules.create('a', made('second'));
    expect(rules.list('a')).toEqual([first, second]);
    expect(rules.list('b')).toEqual([]);
    expect(rules.get('b', first.id)).toBeUndefined();
    expect(rules.byName('a', 'second')).toEqual(second);
    const patched = await rules.patch('a', first.id, { share: 2, tags: { x: 'y' } }, first.revision);
    expect(patched).toMatchObject({
      body: { event: 'visit', share: 2, tags: { x: 'y' } },
      updated_at_ms: clock.now(),
    });
    expect(patched.revision).toBeGreaterThan(first.revision);
    expect(await rules.patch('a', first.id, { share: 2 })).toEqual(patched);
    expect((await rules.patch('a', first.id, { share: null, tags: null })).body).toEqual({
      event: 'visit',
      share: 1,
    });
    await rules.delete('a', second.id);
    expect(rules.list('a').map(({ name }) => name)).toEqual(['first']);
    await vi.waitFor(() => expect(changes.length).toBeGreaterThanOrEqual(5), PATIENTLY);
    expect(changes.map(({ type, definition }) => [type, definition.name])).toEqual([
      ['put', 'first'],
      ['put', 'second'],
      ['put', 'first'],
      ['put', 'first'],
      ['delete', 'second'],
    ]);
  });

  it('refuses what is not valid, and says where', async () => {
    const { rules } = await bench.process(await bucketOf()(0));
    const at = (path: string) => ({
      code: 'validation_failed',
      status: 422,
      errors: [expect.objectContaining({ path })],
    });
    await expect(rules.create('a', made('x', { event: 1 }))).rejects.toMatchObject(at('event'));
    await expect(rules.create('a', made('', { event: 'visit' }))).rejects.toMatchObject(at('name'));
    for (const name of ['a\nb', 'a\tb', 'a\u0007b', '\u001b[31mred', 'a\u202eb', 'a\u2028b']) {
      await expect(rules.create('a', made(name))).rejects.toMatchObject(at('name'));
    }
    const { id } = await rules.create('a', made('x'));
    await expect(rules.patch('a', id, { event: null })).rejects.toMatchObject(at('event'));
    await expect(rules.patch('a', id, { unknown: 1 })).rejects.toMatchObject({ code: 'validation_failed' });
    await expect(rules.patch('a', id, { name: null })).rejects.toMatchObject(at('name'));
    await expect(rules.patch('b', id, { share: 3 })).rejects.toMatchObject({
      code: 'not_found',
      status: 404,
    });
    await expect(rules.delete('b', id)).rejects.toMatchObject({ code: 'not_found' });
    const tags = { big: 'x'.repeat(70_000) };
    await expect(rules.patch('a', id, { tags })).rejects.toMatchObject({ code: 'validation_failed' });
    expect(rules.list('a')).toHaveLength(1);
  });

  it('keeps names unique in a tenant, through renames and deletions', async () => {
    const open = bucketOf();
    const { rules } = await bench.process(await open(0));
    const other = await bench.process(await open(1));
    const { id } = await rules.create('a', made('x'));
    await expect(rules.create('a', made('x'))).rejects.toMatchObject({ code: 'name_taken', status: 409 });
    await rules.create('b', made('x'));
    const y = await rules.create('a', made('y'));
    await expect(rules.patch('a', y.id, { name: 'x' })).rejects.toMatchObject({ code: 'name_taken' });
    await rules.patch('a', id, { name: 'z' });
    expect((await rules.create('a', made('x'))).name).toBe('x');
    await rules.delete('a', id);
    await other.rules.create('a', made('z'));
    // Eight at once in two processes, none of which has seen the others' yet.
    const attempts = await Promise.allSettled(
      Array.from({ length: 8 }, (_, index) =>
        (index % 2 === 0 ? rules : other.rules).create('c', made('same')),
      ),
    );
    expect(attempts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const attempt of attempts) {
      if (attempt.status === 'rejected') expect(attempt.reason).toMatchObject({ code: 'name_taken' });
    }
  });

  it('takes over a name that a process left when it ended', async () => {
    const store = await bucketOf()(0);
    const failing: KeyValueStore = {
      get: (key) => store.get(key),
      create: async (key, value) => {
        if (key.startsWith('def.')) throw new Error('the process ends here');
        return store.create(key, value);
      },
      update: (key, value, revision) => store.update(key, value, revision),
      delete: (key, revision) => store.delete(key, revision),
      ensure: (revision) => store.ensure(revision),
      incarnation: () => store.incarnation(),
      list: () => store.list(),
      watch: (onChange, onError) => store.watch(onChange, onError),
    };
    await expect((await bench.process(failing)).rules.create('a', made('x'))).rejects.toThrow('ends here');
    const { rules, clock } = await bench.process(store);
    await expect(rules.create('a', made('x'))).rejects.toMatchObject({ code: 'name_taken' });
    clock.advance(CLAIM_LIFE_MS);
    expect((await rules.create('a', made('x'))).name).toBe('x');
  });

  it('has a limit for each tenant', async () => {
    const { rules } = await bench.process(await bucketOf()(0));
    for (const name of ['1', '2', '3', '4', '5']) await rules.create('a', made(name));
    await expect(rules.create('a', made('6'))).rejects.toMatchObject({ code: 'limit_reached', status: 409 });
    await rules.create('b', made('6'));
  });

  it('lets nobody overwrite what another one changed', async () => {
    const open = bucketOf();
    const one = await bench.process(await open(0));
    const two = await bench.process(await open(1));
    const { id, revision } = await one.rules.create('a', made('x'));
    const seen = one.rules.get('a', id);
    const changed = await two.rules.patch('a', id, { share: 2 }, revision);
    expect(seen).toMatchObject({ revision });
    const lost = { code: 'revision_conflict', status: 409 };
    await expect(one.rules.patch('a', id, { share: 3 }, revision)).rejects.toMatchObject(lost);
    await expect(one.rules.delete('a', id, revision)).rejects.toMatchObject(lost);
    // Without a revision both changes are kept.
    await one.rules.patch('a', id, { tags: { by: 'one' } });
    expect(one.rules.get('a', id)?.body).toEqual({ event: 'visit', share: 2, tags: { by: 'one' } });
    expect(one.rules.get('a', id)?.revision).toBeGreaterThan(changed.revision);
    const all = await Promise.all(
      Array.from({ length: 6 }, (_, n) =>
        (n % 2 ? one : two).rules.patch('a', id, { tags: { [`n${n}`]: 'x' } }),
      ),
    );
    expect(all).toHaveLength(6);
    const { body } = await one.rules.patch('a', id, { tags: { last: 'x' } });
    expect(Object.keys(body.tags ?? {})).toHaveLength(8);
  });

  it('is seen by other processes, and by one that starts', async () => {
    const open = bucketOf();
    const one = await bench.process(await open(0));
    const two = await bench.process(await open(1));
    const began_ms = performance.now();
    const { id } = await one.rules.create('a', made('x'));
    await vi.waitFor(() => expect(two.rules.get('a', id)).toBeDefined(), PATIENTLY);
    await two.rules.patch('a', id, { name: 'y' });
    await vi.waitFor(() => expect(one.rules.get('a', id)?.name).toBe('y'), PATIENTLY);
    expect(two.rules.get('a', id)).toEqual(one.rules.get('a', id));
    expect((await bench.process(await open(0))).rules.list('a')).toEqual(one.rules.list('a'));
    await one.rules.delete('a', id);
    await vi.waitFor(() => expect(two.rules.list('a')).toEqual([]), PATIENTLY);
    expect(performance.now() - began_ms).toBeLessThan(PATIENTLY.timeout);
  });

  it('ignores what is damaged or foreign, and counts it', async () => {
    const open = bucketOf();
    const store = await open(0);
    const one = await bench.process(store);
    const { id, revision } = await one.rules.create('a', made('x'));
    const key = `def.rule.a.${id}`;
    const record = (await store.get(key))?.value;
    await store.create('def.later.a.later_1', { any: 'thing' });
    await store.create('def.rule.b.rule_1', record);
    await store.create('something else', 1);
    const two = await bench.process(await open(1));
    expect(two.definitions.ignored).toBe(2);
    expect(two.rules.list('a')).toHaveLength(1);
    await store.update(key, { event: 'damaged' }, revision);
    await vi.waitFor(() => expect(two.rules.list('a')).toEqual([]), PATIENTLY);
    expect(two.definitions.ignored).toBe(3);
    const damaged = await store.get(key);
    await store.update(key, record, damaged?.revision ?? 0);
    await vi.waitFor(() => expect(two.rules.list('a')).toHaveLength(1), PATIENTLY);
    expect(two.definitions.ignored).toBe(2);
  });

  it('looks again at what its schema did not take, when that changes', async () => {
    const open = bucketOf();
    const one = await bench.process(await open(0));
    const { id } = await one.rules.create('a', made('x'));
    let schema: DefinitionKind<Rule>['schema'] = KIND.schema.refine(() => false);
    const kind = {
      ...KIND,
      get schema() {
        return schema;
      },
    };
    const two = await bench.process(await open(1), kind);
    expect([two.rules.list('a'), two.definitions.ignored]).toEqual([[], 1]);
    two.definitions.readAgain();
    expect(two.definitions.ignored).toBe(1);
    schema = KIND.schema;
    two.definitions.readAgain();
    expect([two.rules.byName('a', 'x')?.id, two.definitions.ignored]).toEqual([id, 0]);
    await one.rules.delete('a', id);
    await vi.waitFor(() => expect(two.rules.list('a')).toEqual([]), PATIENTLY);
  });

  it('asks the kind before a change', async () => {
    const refuse = (): never => {
      throw new DefinitionError('definition_in_use', 'It is needed.');
    };
    const { rules } = await bench.process(await bucketOf()(0), {
      ...KIND,
      check: ({ body }, others) => {
        if (body.share === 9 && others.list('a').length > 0) refuse();
      },
      checkDelete: refuse,
    });
    const { id } = await rules.create('a', made('x', { event: 'visit', share: 9 }));
    await expect(rules.patch('a', id, { share: 9, event: 'b' })).rejects.toMatchObject({
      code: 'definition_in_use',
    });
    await expect(rules.delete('a', id)).rejects.toMatchObject({ status: 409 });
  });
});
