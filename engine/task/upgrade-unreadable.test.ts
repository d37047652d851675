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
import { type MapSpec, type MemoryDisk, mapTable } from '../state/index.ts';
import { record, TaskFixture } from '../testing/fixture-task.ts';

type Tables = Readonly<Record<string, MapSpec<string, number>>>;

/** Counts records in each of its tables, and sets a timer. */
const count = defineOperator<SourceRecord, SourceRecord, Tables, Tables>({
  kind: 'count',
  summary: 'Counts',
  state: (tables) => tables,
  start: ({ state, timers, emit }) => ({
    onBatch: (items) => {
      timers.set(1, 'k');
      for (const table of Object.values(state)) {
        const rows = table.scope('');
        rows.set('n', (rows.get('n') ?? 0) + items.length);
      }
      emit(items);
    },
  }),
});

const counts = (version: number, migrate?: () => number) =>
  mapTable<string, number>({
    ...{ key: stringKey, value: intCodec, version },
    ...(migrate === undefined ? {} : { migrate }),
  });

const of = (orders: Tables, visits: Tables): Topology =>
  topology('shop', (t) => {
    const first = t.source('in');
    first.pipe(count('orders', orders));
    first.pipe(count('visits', visits));
  });
const first = of({ rows: counts(1), other: counts(1) }, { rows: counts(2) });
const rows = (disk: MemoryDisk, table: string): number => [...disk.open().table(table).scan()].length;

/** The state that `first` has after one record. */
async function written(): Promise<MemoryDisk> {
  const fixture = new TaskFixture(first);
  await fixture.task.open();
  fixture.source.takes.push([record(1, 'a')]);
  await fixture.task.step(0);
  fixture.task.commit();
  return fixture.disk;
}

describe('a table that the program cannot read', () => {
  const newer = of({ rows: counts(2), other: counts(2, () => 7) }, { rows: counts(2) });
  const older = of({ rows: counts(1), other: counts(1) }, { rows: counts(1) });

  it.each([
    ['newer and has no migration', newer, 'orders/rows', 'visits/rows'],
    ['older', older, 'visits/rows', 'orders/rows'],
  ])('is refused where the program is %s, with what can be done', async (_, next, table, other) => {
    const disk = await written();
    const changes = diffTopology(first.describe(), next.describe());
    expect(changes.filter((change) => change.isUnreadable === true)).toMatchObject([
      { kind: 'version_changed', losesState: false, orphans: [table] },
    ]);
    const refused = new TaskFixture(next, { disk }).task.open();
    await expect(refused).rejects.toMatchObject({ code: 'state_schema_mismatch' });
    for (const said of [
      `"${table}"`,
      'migrate',
      'new name',
      `rows of ${table},`,
      'ALLOW_TOPOLOGY_CHANGE=1',
    ]) {
      await expect(refused).rejects.toThrow(said);
    }
    await expect(refused).rejects.not.toThrow(other);
    await expect(new TaskFixture(first, { disk }).task.open()).resolves.toBeUndefined();
    expect(['orders/rows', 'orders/other', 'visits/rows'].map((name) => rows(disk, name))).toEqual([1, 1, 1]);
  });

  it.each([
    ['newer', newer, 'orders/rows'],
    ['older', older, 'visits/rows'],
  ])('is given up by word where the program is %s, it alone, and begins anew', async (_, next, table) => {
    const disk = await written();
    const heard: TopologyChange[] = [];
    const fixture = new TaskFixture(next, {
      disk,
      allowTopologyChange: true,
      onTopologyChange: (changes) => void heard.push(...changes),
    });
    await fixture.task.open();
    expect(heard.find((change) => change.isUnreadable === true)?.text).toContain('Its rows were deleted');
    const all = ['orders/rows', 'orders/other', 'orders/timers', 'visits/rows', 'visits/timers'];
    expect(all.filter((name) => rows(disk, name) === 0)).toEqual([table]);
    fixture.source.takes.push([record(2, 'b')]);
    await fixture.task.step(0);
    fixture.task.commit();
    // From now on it needs nobody's word.
    await expect(new TaskFixture(next, { disk }).task.open()).resolves.toBeUndefined();
    expect(rows(disk, table)).toBe(1);
  });
});
