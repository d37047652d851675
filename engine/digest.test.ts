import { describe, expect, it } from 'vitest';
import { intCodec, stringKey } from './codec.ts';
import { stateDigest } from './digest.ts';
import { TaskFixture } from './fixture.ts';
import { META_TABLE, writeProgress } from './meta.ts';
import { defineOperator } from './operator.ts';
import type { SourceRecord } from './source.ts';
import { MemoryDisk } from './store-memory.ts';
import { mapTable, rawTable } from './tables.ts';
import { topology } from './topology.ts';

/** Counts texts; the raw table has one row a commit, logically only their number of bytes. */
const count = defineOperator({
  kind: 'count',
  summary: 'Counts texts',
  state: () => ({
    counts: mapTable<string, number>({
      key: stringKey,
      value: intCodec,
      version: 1,
      ttl: { retain_ms: 1_000 },
    }),
    way: rawTable({ version: 1, logicalRows: () => [] }),
  }),
  start: ({ state }) => ({
    onBatch: (records: readonly SourceRecord[]) => {
      const scope = state.counts.scope('s');
      for (const { data } of records) {
        const text = Buffer.from(data).toString();
        scope.set(text, (scope.get(text) ?? 0) + 1);
      }
    },
    onBarrier: ({ commit }) => state.way.put(Buffer.from(String(commit)), Buffer.from('x')),
  }),
});
const counting = topology('counting', (t) => void t.source('in').pipe(count('count', undefined)));

async function digestOf(
  takes: readonly (readonly string[])[],
  watermark_ms: number | null = null,
): Promise<string> {
  const disk = new MemoryDisk();
  const fixture = new TaskFixture(counting, { disk });
  await fixture.task.open();
  let sequence = 1;
  for (const texts of takes) {
    await fixture.push(sequence, ...texts);
    sequence += texts.length;
    fixture.task.commit();
  }
  const store = disk.open();
  const { progress } = fixture;
  store.transaction(() => progress && writeProgress(store.table(META_TABLE), { ...progress, watermark_ms }));
  return stateDigest(counting, disk.reader()).digest;
}

describe('stateDigest', () => {
  it('is one for one content, whatever the order and the cut into commits', async () => {
    const straight = await digestOf([['a', 'b', 'a']]);
    expect(await digestOf([['a'], [], ['a', 'b']])).toBe(straight);
    expect(await digestOf([['b'], ['a'], ['a']])).toBe(straight);
  });

  it('is another for another content', async () => {
    const straight = await digestOf([['a', 'b', 'a']]);
    expect(await digestOf([['a', 'b']])).not.toBe(straight);
    expect(await digestOf([['a', 'b', 'c']])).not.toBe(straight);
  });

  it('leaves out what has expired by the watermark, swept or not', async () => {
    const later_ms = 2 * 86_400_000;
    const empty = await digestOf([[]], later_ms);
    expect(await digestOf([['a', 'b']], later_ms)).toBe(empty);
    expect(await digestOf([['a', 'b']], 500)).not.toBe(empty);
  });

  it('names every table with its rows', async () => {
    const fixture = new TaskFixture(counting);
    await fixture.task.open();
    await fixture.push(1, 'a', 'b');
    fixture.task.commit();
    const { tables } = stateDigest(counting, fixture.disk.reader());
    expect(Object.entries(tables).map(([id, { rows }]) => [id, rows])).toEqual([
      ['count/counts', 2],
      ['count/way', 0],
    ]);
  });
});
