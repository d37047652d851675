import { describe, expect, it } from 'vitest';
import { ByteWriter, type Codec, intCodec, jsonCodec, stringKey } from '../base/index.ts';
import type { SourceRecord } from '../edges/index.ts';
import { defineOperator, topology } from '../graph/index.ts';
import { MemoryDisk, mapTable, rawTable } from '../state/index.ts';
import { TaskFixture } from '../testing/fixture-task.ts';
import { stateDigest } from './digest.ts';
import { META_TABLE, writeProgress } from './meta.ts';

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

/** Of the row `a` in the scope `s`. */
const KEY = new ByteWriter().orderedString('s').orderedString('a').copy();

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

  it('takes of a value, or of a table, what is said to be its content', async () => {
    const list: Codec<string[]> = jsonCodec((value) => value as string[]);
    const common = { key: stringKey, value: list, version: 1 };
    const tables = () => ({
      sorted: mapTable<string, string[]>({ ...common, logical: (texts) => texts.sort() }),
      plain: mapTable<string, string[]>(common),
      whole: mapTable<string, string[]>({ ...common, logicalRows: (view) => [view.get(KEY) ?? Buffer.of()] }),
    });
    const append = defineOperator<SourceRecord, never, undefined, ReturnType<typeof tables>>({
      kind: 'append',
      summary: 'Texts in the order of arrival',
      state: tables,
      start: ({ state }) => ({
        onBatch: (records) => {
          for (const { data } of records) {
            const text = Buffer.from(data).toString();
            for (const table of [state.sorted, state.plain]) {
              const scope = table.scope('s');
              scope.set('all', [...(scope.get('all') ?? []), text]);
            }
            state.whole.scope('s').set(text, []);
          }
        },
      }),
    });
    const appending = topology('appending', (t) => void t.source('in').pipe(append('append', undefined)));
    const tablesOf = async (...texts: readonly string[]) => {
      const fixture = new TaskFixture(appending);
      await fixture.task.open();
      await fixture.push(1, ...texts);
      fixture.task.commit();
      return stateDigest(appending, fixture.disk.reader()).tables;
    };
    const [one, other, third] = [
      await tablesOf('a', 'b'),
      await tablesOf('b', 'a'),
      await tablesOf('b', 'c'),
    ];
    expect(one['append/sorted']).toEqual(other['append/sorted']);
    expect(one['append/sorted']).not.toEqual(third['append/sorted']);
    expect(one['append/plain']).not.toEqual(other['append/plain']);
    expect(one['append/whole']).toEqual(other['append/whole']);
    expect(one['append/whole']).not.toEqual(third['append/whole']);
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
