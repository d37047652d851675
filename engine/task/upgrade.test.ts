import { describe, expect, it } from 'vitest';
import { intCodec, stringKey } from '../base/index.ts';
import type { SourceRecord } from '../edges/index.ts';
import {
  defineOperator,
  diffTopology,
  type Topology,
  type TopologyChange,
  topology,
} from '../graph/index.ts';
import { type MemoryDisk, mapTable, rawTable, type TableSpecs } from '../state/index.ts';
import { record, TaskFixture } from '../testing/fixture-task.ts';
import { META_TABLE } from './meta.ts';
import { readTopology } from './upgrade.ts';

const counts = (version = 1) => mapTable<string, number>({ key: stringKey, value: intCodec, version });

interface CountConfig {
  readonly tables: TableSpecs;
  readonly setsTimers?: boolean;
  readonly every?: number;
}

/** Counts records in each of its map tables. */
const counter = (kind: string) =>
  defineOperator<SourceRecord, SourceRecord, CountConfig, TableSpecs>({
    kind,
    summary: 'Counts',
    state: ({ tables }) => tables,
    definition: ({ every = 1 }) => ({ every, of: kind }),
    start: ({ config, state, timers, emit }) => ({
      onBatch: (items) => {
        if (config.setsTimers === true) timers.set(1, 'k');
        for (const table of Object.values(state)) {
          const scope = (
            table as { scope?: (name: string) => { get(k: string): number; set(k: string, v: number): void } }
          ).scope?.('s');
          scope?.set('n', (scope.get('n') ?? 0) + items.length);
        }
        emit(items);
      },
    }),
  });
const count = counter('count');
const tally = counter('tally');
const pass = defineOperator<SourceRecord, SourceRecord>({
  kind: 'pass',
  summary: 'Passes on',
  start: ({ emit }) => ({ onBatch: (items) => emit(items) }),
});

const base = topology('shop', (t) => {
  const first = t.source('in').pipe(pass('pass', undefined));
  first.pipe(count('orders', { tables: { rows: counts() }, setsTimers: true }));
  first.pipe(count('visits', { tables: { rows: counts(), other: counts() } }));
});

/** The fixture of a run of `next` on what `before` has committed. */
async function upgraded(
  before: Topology,
  next: Topology,
  allow = false,
): Promise<{ fixture: TaskFixture; heard: readonly TopologyChange[]; disk: MemoryDisk }> {
  const first = new TaskFixture(before);
  await first.task.open();
  first.source.takes.push([record(1, 'a')]);
  await first.task.step(0);
  first.task.commit();
  const heard: TopologyChange[] = [];
  const fixture = new TaskFixture(next, {
    disk: first.disk,
    allowTopologyChange: allow,
    onTopologyChange: (changes) => void heard.push(...changes),
  });
  await fixture.task.open();
  return { fixture, heard, disk: first.disk };
}

const rows = (disk: MemoryDisk, table: string): number => [...disk.open().table(table).scan()].length;
const kinds = (changes: readonly TopologyChange[]): string[] =>
  changes.map(({ kind, name }) => `${kind} ${name}`);

const without = topology('shop', (t) => {
  t.source('in').pipe(
    pass('pass', undefined),
    count('visits', { tables: { rows: counts(), other: counts() } }),
  );
});
const otherKind = topology('shop', (t) => {
  const first = t.source('in').pipe(pass('pass', undefined));
  first.pipe(tally('orders', { tables: { rows: counts() } }));
  first.pipe(count('visits', { tables: { rows: counts(), other: counts() } }));
});

describe('the difference of two topologies', () => {
  it('is none of one with itself', () => {
    expect(diffTopology(base.describe(), base.describe())).toEqual([]);
  });

  it('says what of its stream a source has read and is to read', () => {
    const reading = (filter?: string) => {
      const definition = filter === undefined ? {} : { definition: { filter } };
      const source = { name: 'in', kind: 'test', options: {}, ...definition };
      return topology('shop', (t) => void t.source(source).pipe(pass('pass', undefined))).describe();
    };
    expect(diffTopology(reading('a.>'), reading('a.>'))).toEqual([]);
    for (const [before, after, text] of [
      [undefined, 'a.>', 'read all of its stream and now reads filter "a.>"'],
      ['a.>', undefined, 'read filter "a.>" and now reads all of its stream'],
      ['a.>', 'b.>', 'read filter "a.>" and now reads filter "b.>"'],
    ] as const) {
      const [change, ...others] = diffTopology(reading(before), reading(after));
      expect(change).toMatchObject({ kind: 'definition_changed', name: 'in', losesState: true, orphans: [] });
      expect([change?.text, others]).toEqual([expect.stringContaining(text), []]);
    }
  });

  it('names what was added, went and changed, and what of it loses state', () => {
    const next = topology('shop', (t) => {
      const first = t.source('in');
      first.pipe(
        pass('second', undefined),
        tally('orders', { tables: { rows: counts() } }),
        count('new', { tables: {} }),
      );
      first.pipe(count('visits', { tables: { rows: rawTable({ version: 1 }), more: counts() } }));
    });
    const changes = diffTopology(base.describe(), next.describe());
    expect(kinds(changes)).toEqual([
      'kind_changed orders',
      'inputs_changed visits',
      'table_kind_changed visits',
      'table_added visits',
      'table_removed visits',
      'operator_added new',
      'operator_removed pass',
    ]);
    expect(changes.filter(({ losesState }) => losesState).flatMap(({ orphans }) => orphans)).toEqual([
      'orders/rows',
      'visits/rows',
      'visits/other',
    ]);
    for (const { text } of changes) expect(text).toMatch(/^[A-Z].*\.$/);
  });

  it('takes a lone operator of the same kind and tables for the same under a new name', () => {
    const next = topology('shop', (t) => {
      const first = t.source('in').pipe(pass('pass', undefined));
      first.pipe(count('purchases', { tables: { rows: counts() } }));
      first.pipe(count('visits', { tables: { rows: counts(), other: counts(2) } }));
    });
    const changes = diffTopology(base.describe(), next.describe());
    expect(kinds(changes)).toEqual(['version_changed visits', 'operator_renamed orders']);
    expect(changes[1]?.text).toContain('"purchases"');
  });

  it('says so when the state is of another topology', () => {
    const next = topology('store', () => undefined);
    expect(kinds(diffTopology({ ...base.describe(), nodes: [] }, next.describe()))).toEqual([
      'topology_renamed store',
    ]);
  });
});

describe('a start on the state of another topology', () => {
  it('finds the description in the first commit, and nothing before', async () => {
    const fixture = new TaskFixture(base);
    await fixture.task.open();
    const meta = () => readTopology(fixture.disk.open().table(META_TABLE));
    expect(meta()).toBeUndefined();
    fixture.task.commit();
    expect(meta()).toEqual(base.describe());
  });

  it('goes on with additions, says what they are, and keeps the new description', async () => {
    const next = topology('shop', (t) => {
      const first = t.source('in').pipe(pass('pass', undefined));
      first.pipe(count('orders', { tables: { rows: counts(), more: counts() }, setsTimers: true }));
      first.pipe(count('visits', { tables: { rows: counts(), other: counts() } }), pass('end', undefined));
    });
    const { fixture, heard, disk } = await upgraded(base, next);
    expect(kinds(heard)).toEqual(['table_added orders', 'operator_added end']);
    expect(readTopology(disk.open().table(META_TABLE))).toEqual(base.describe());
    fixture.task.commit();
    expect(readTopology(disk.open().table(META_TABLE))).toEqual(next.describe());
    expect(rows(disk, 'orders/rows')).toBe(1);
  });

  it.each([
    ['an operator with state is gone', without],
    ['a name has another kind', otherKind],
  ])('is refused where %s, and leaves everything as it is', async (_, next) => {
    const refused = upgraded(base, next);
    await expect(refused).rejects.toThrow(
      expect.objectContaining({ code: 'topology_changed', message: expect.stringContaining('"orders"') }),
    );
    await expect(refused).rejects.toThrow(/ALLOW_TOPOLOGY_CHANGE=1/);
  });

  it.each([
    ['an operator with state is gone', without],
    ['a name has another kind', otherKind],
  ])('is allowed by option where %s, and deletes what has no reader', async (_, next) => {
    const { fixture, heard, disk } = await upgraded(base, next, true);
    expect(heard.some(({ losesState }) => losesState)).toBe(true);
    expect([rows(disk, 'orders/rows'), rows(disk, 'orders/timers'), rows(disk, 'visits/rows')]).toEqual([
      0, 0, 1,
    ]);
    fixture.task.commit();
    // What comes back under the old name begins anew.
    const again = new TaskFixture(base, { disk, allowTopologyChange: true });
    await again.task.open();
    again.source.takes.push([record(2, 'b')]);
    await again.task.step(0);
    again.task.commit();
    expect(rows(disk, 'orders/rows')).toBe(1);
  });

  it('of another definition is refused, or given up with its timers', async () => {
    const every = (n: number) =>
      topology('shop', (t) => {
        t.source('in').pipe(count('orders', { tables: { rows: counts() }, setsTimers: true, every: n }));
      });
    const [change] = diffTopology(every(1).describe(), every(2).describe());
    expect(change).toMatchObject({ kind: 'definition_changed', losesState: true, orphans: ['orders/rows'] });
    expect(change?.text).toContain('Operator "orders" (count) is defined otherwise: every was 1 and is 2.');
    await expect(upgraded(every(1), every(2))).rejects.toMatchObject({ code: 'topology_changed' });
    const { disk } = await upgraded(every(1), every(2), true);
    expect([rows(disk, 'orders/rows'), rows(disk, 'orders/timers')]).toEqual([0, 0]);
    // A state from before definitions were kept says nothing of them.
    const { nodes, name } = every(1).describe();
    const old = { name, nodes: nodes.map(({ definition: _, ...node }) => node) };
    expect(diffTopology(old, every(2).describe())).toEqual([]);
  });

  it('of another definition is taken where the tables that it is of are empty', () => {
    const node = (every: number) => ({
      ...{
        name: 'join',
        kind: 'join',
        summary: '',
        inputs: [],
        definedTables: ['rows'],
        definition: { every },
      },
      state: { rows: { kind: 'map', version: 1 }, control: { kind: 'map', version: 1 } },
    });
    const described = (every: number) => ({ name: 'shop', nodes: [node(every)] });
    const diff = (empty: readonly string[]) =>
      diffTopology(described(1), described(2), (table) => empty.includes(table));
    expect(diff(['join/rows'])).toMatchObject([
      {
        kind: 'definition_changed',
        losesState: false,
        orphans: [],
        text: expect.stringContaining('no rows'),
      },
    ]);
    expect(diff(['join/control'])).toMatchObject([
      { losesState: true, orphans: ['join/rows', 'join/control'] },
    ]);
  });

  it('of versions without a way between them is refused before another table is migrated', async () => {
    const tables = (version: number, migrating: number) => ({
      a: mapTable<string, number>({ key: stringKey, value: intCodec, version: migrating, migrate: () => 7 }),
      b: counts(version),
    });
    const of = (version: number, migrating: number) =>
      topology(
        'shop',
        (t) => void t.source('in').pipe(count('orders', { tables: tables(version, migrating) })),
      );
    expect(diffTopology(of(1, 1).describe(), of(2, 2).describe())).toMatchObject([
      { kind: 'version_changed', text: 'Table "orders/a" changes from schema version 1 to 2.' },
      { kind: 'version_changed', isUnreadable: true, text: expect.stringContaining('no migration') },
    ]);
    expect(diffTopology(of(1, 2).describe(), of(1, 1).describe())).toMatchObject([
      { kind: 'version_changed', isUnreadable: true, text: expect.stringContaining('is older than that') },
    ]);
    const first = new TaskFixture(of(1, 1));
    await first.task.open();
    first.source.takes.push([record(1, 'a')]);
    await first.task.step(0);
    first.task.commit();
    const { disk } = first;
    await expect(new TaskFixture(of(2, 2), { disk }).task.open()).rejects.toMatchObject({
      code: 'state_schema_mismatch',
      message: expect.stringContaining('orders/b'),
    });
    // Nothing was migrated: the program that wrote the state goes on.
    await expect(new TaskFixture(of(1, 1), { disk }).task.open()).resolves.toBeUndefined();
  });

  it('may lose operators that have no state', async () => {
    const next = topology('shop', (t) => {
      const first = t.source('in');
      first.pipe(count('orders', { tables: { rows: counts() }, setsTimers: true }));
      first.pipe(count('visits', { tables: { rows: counts(), other: counts() } }));
    });
    const { heard } = await upgraded(base, next);
    expect(kinds(heard)).toEqual(['inputs_changed orders', 'inputs_changed visits', 'operator_removed pass']);
  });

  it('of another schema version migrates or is refused by its table', async () => {
    const next = topology('shop', (t) => {
      const first = t.source('in').pipe(pass('pass', undefined));
      first.pipe(count('orders', { tables: { rows: counts(2) }, setsTimers: true }));
      first.pipe(count('visits', { tables: { rows: counts(), other: counts() } }));
    });
    await expect(upgraded(base, next)).rejects.toThrow(
      expect.objectContaining({ code: 'state_schema_mismatch' }),
    );
  });
});
