import { describe, expect, it } from 'vitest';
import {
  META_TABLE,
  readTopology,
  TestDriver,
  type TestSnapshot,
  writeTopology,
} from '../../engine/index.ts';
import { joined, left, pair, type RowJoin, right, rowInput } from './fixture-join.ts';
import { intervalJoin } from './interval-join.ts';
import { streamJoin } from './stream-join.ts';
import { temporalJoin } from './temporal-join.ts';
import { windowJoin } from './window-join.ts';

const common = { left: rowInput, right: rowInput, join: pair };

/** A join as it was, and otherwise defined; and what a start says of the difference. */
const CHANGES: Readonly<Record<string, readonly [was: () => RowJoin, is: () => RowJoin, says: string]>> = {
  'interval-join': [
    () => intervalJoin('join', { ...common, type: 'left', lower_ms: 0, upper_ms: 10 }),
    () => intervalJoin('join', { ...common, type: 'left', lower_ms: 0, upper_ms: 9, bucket_ms: 100 }),
    'upper_ms was 10 and is 9.',
  ],
  'window-join': [
    () => windowJoin('join', { ...common, type: 'left', size_ms: 10 }),
    () => windowJoin('join', { ...common, type: 'left', size_ms: 10, offset_ms: -3 }),
    'offset_ms was 0 and is 7.',
  ],
  'stream-join': [
    () => streamJoin('join', { ...common, ttl_ms: 10 }),
    () => streamJoin('join', { ...common, ttl_ms: 20 }),
    'ttl_ms was 10 and is 20.',
  ],
  'temporal-join': [
    () => temporalJoin('join', { ...common, type: 'left' }),
    () => temporalJoin('join', { ...common, type: 'left', bucket_ms: 7 }),
    'bucket_ms was 100 and is 7.',
  ],
};

/** As versions wrote it that did not keep definitions. */
function withoutDefinitions(snapshot: TestSnapshot): TestSnapshot {
  const disk = snapshot.disk.copy();
  const store = disk.open();
  const meta = store.table(META_TABLE);
  const stored = readTopology(meta);
  if (stored === undefined) throw new Error('the state says which topology wrote it');
  const nodes = stored.nodes.map(({ definition: _, definedTables: __, ...node }) => node);
  store.transaction(() => writeTopology(meta, { ...stored, nodes }));
  return { ...snapshot, disk };
}

describe.each(Object.entries(CHANGES))('a changed definition of a %s', (kind, [was, is, says]) => {
  const kept = async () => {
    const driver = await TestDriver.start(joined(was));
    await driver.push(left(1_000, 1));
    return { driver, snapshot: driver.snapshot() };
  };

  it('is refused in words while there are rows of the old one', async () => {
    const { snapshot } = await kept();
    await expect(TestDriver.start(joined(is), { snapshot })).rejects.toMatchObject({
      code: 'topology_changed',
      message: expect.stringContaining(`Operator "join" (${kind}) is defined otherwise: ${says}`),
    });
    const same = await TestDriver.start(joined(was), { snapshot });
    await same.push(right(1_000, 2));
    await same.advanceTo(100_000);
    expect(same.take()).toEqual(['1+2']);
  });

  it('is taken when they have gone, and is the definition from then on', async () => {
    const { driver } = await kept();
    await driver.advanceTo(100_000);
    const again = await TestDriver.start(joined(is), { snapshot: driver.snapshot() });
    await again.push(left(200_000, 3), right(200_000, 4));
    const snapshot = again.snapshot();
    await again.advanceTo(300_000);
    expect(again.take()).toEqual(['3+4']);
    await expect(TestDriver.start(joined(was), { snapshot })).rejects.toMatchObject({
      code: 'topology_changed',
    });
  });

  it('is found by the join itself in a state that keeps no definitions, and the right one goes on', async () => {
    const { snapshot } = await kept();
    const old = withoutDefinitions(snapshot);
    await expect(TestDriver.start(joined(is), { snapshot: old })).rejects.toMatchObject({
      code: 'join_changed',
    });
    const same = await TestDriver.start(joined(was), { snapshot: old });
    await same.push(right(1_000, 2));
    const written = same.snapshot();
    await same.advanceTo(100_000);
    expect(same.take()).toEqual(['1+2']);
    await expect(TestDriver.start(joined(is), { snapshot: written })).rejects.toMatchObject({
      code: 'topology_changed',
    });
  });
});
