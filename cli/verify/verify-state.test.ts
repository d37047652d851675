import { describe, expect, it } from 'vitest';
import {
  ByteWriter,
  defineOperator,
  intCodec,
  META_TABLE,
  MemoryDisk,
  mapTable,
  OUTBOX_TABLE,
  rawTable,
  readProgress,
  type SourceRecord,
  stringKey,
  TestDriver,
  type Topology,
  topology,
  writeProgress,
} from '../../engine/index.ts';
import { verifyState } from './verify-state.ts';

const counts = () => mapTable<string, number>({ key: stringKey, value: intCodec, version: 1 });
const count = defineOperator<string, string, undefined, { rows: ReturnType<typeof counts> }>({
  kind: 'count',
  summary: 'Counts',
  state: () => ({ rows: counts() }),
  start: ({ state, timers }) => ({
    onBatch: (items) => {
      for (const item of items)
        state.rows.scope('acme').set(item, (state.rows.scope('acme').get(item) ?? 0) + 1);
      timers.set(1_000, 'k');
    },
  }),
});

/** A committed state of `count`, and the topology that reads it. */
async function committed(): Promise<{ disk: MemoryDisk; reading: Topology }> {
  const driver = await TestDriver.start<string, string>((t) => t.pipe(count('count', undefined)));
  await driver.push('a', 'b', 'a');
  driver.commit();
  const reading = topology('test', (t) => {
    const feed = defineOperator<SourceRecord, string>({
      kind: 'feed',
      summary: '',
      start: () => ({ onBatch: () => {} }),
    });
    const collect = defineOperator<string, never>({
      kind: 'collect',
      summary: '',
      start: () => ({ onBatch: () => {} }),
    });
    t.source('source').pipe(
      feed('feed', undefined),
      count('count', undefined),
      collect('collect', undefined),
    );
  });
  return { disk: driver.disk, reading };
}

const write = (
  disk: MemoryDisk,
  work: (table: ReturnType<ReturnType<MemoryDisk['open']>['table']>) => void,
  name: string,
) => {
  const store = disk.open();
  store.transaction(() => work(store.table(name)));
};

describe('verify', () => {
  it('reads every row of a sound state, and finds nothing', async () => {
    const { disk, reading } = await committed();
    const { tables, problems } = verifyState(disk.reader(), reading);
    expect(problems).toEqual([]);
    expect(tables).toEqual(
      expect.arrayContaining([
        { table: 'count/rows', rows: 2 },
        { table: 'count/timers', rows: 1 },
      ]),
    );
  });

  it('names rows that their codec cannot read, or not to the end', async () => {
    const { disk, reading } = await committed();
    const key = (name: string) => new ByteWriter().orderedString('acme').orderedString(name).copy();
    write(disk, (table) => table.put(key('c'), new Uint8Array(0)), 'count/rows');
    write(disk, (table) => table.put(key('d'), Uint8Array.of(2, 2)), 'count/rows');
    write(disk, (table) => table.put(Uint8Array.of(65), Uint8Array.of(2)), 'count/rows');
    expect(verifyState(disk.reader(), reading).problems).toEqual([
      expect.stringMatching(/count\/rows, key 41: .*end of string/),
      expect.stringMatching(/count\/rows, key 61636d65006300: .*shorter/),
      expect.stringMatching(/count\/rows, key 61636d65006400: .*leaves 1 bytes/),
    ]);
  });

  it('asks tables that know more than their rows one by one', () => {
    const tables = () => ({
      sums: rawTable({
        version: 1,
        verify: (view, sibling) => {
          if ([...view.scan()].length !== [...sibling('rows').scan()].length)
            throw new Error('a row has no sum');
        },
      }),
      rows: rawTable({ version: 1 }),
    });
    const add = defineOperator<SourceRecord, never, undefined, ReturnType<typeof tables>>({
      kind: 'add',
      summary: '',
      state: tables,
      start: () => ({ onBatch: () => {} }),
    });
    const reading = topology('test', (t) => void t.source('source').pipe(add('add', undefined)));
    const disk = new MemoryDisk();
    const found = () =>
      verifyState(disk.reader(), reading).problems.filter((each) => each.endsWith('has no sum'));
    write(disk, (table) => table.put(Uint8Array.of(1), Uint8Array.of(1)), 'add/rows');
    write(disk, (table) => table.put(Uint8Array.of(1), Uint8Array.of(1)), 'add/sums');
    expect(found()).toEqual([]);
    write(disk, (table) => table.remove(Uint8Array.of(1)), 'add/rows');
    expect(found()).toEqual(['Table add/sums: a row has no sum']);
  });

  it('finds what does not fit together: position, outbox, versions, tables without a reader', async () => {
    const { disk, reading } = await committed();
    const progress = readProgress(disk.open().table(META_TABLE));
    if (progress === undefined) throw new Error('nothing was committed');
    write(disk, (table) => writeProgress(table, { ...progress, head: 0 }), META_TABLE);
    write(disk, (table) => table.put(new ByteWriter().u48(7).copy(), new Uint8Array(0)), OUTBOX_TABLE);
    write(disk, (table) => table.put(Uint8Array.of(1), Uint8Array.of(1)), 'gone/rows');
    const schema = new ByteWriter().orderedString('schema').orderedString('count/rows').copy();
    write(disk, (table) => table.put(schema, Uint8Array.of(9)), META_TABLE);
    const { problems } = verifyState(disk.reader(), reading);
    expect(problems).toEqual([
      expect.stringContaining('beyond the stream'),
      expect.stringContaining('The outbox has row 7'),
      expect.stringContaining('schema version 9, not 1'),
      expect.stringContaining('gone/rows has no reader'),
    ]);
  });

  it('says so when nothing was ever committed, and when another topology wrote the state', async () => {
    const { disk, reading } = await committed();
    expect(verifyState(new MemoryDisk().reader(), reading).problems).toEqual([
      expect.stringContaining('nothing was ever committed'),
    ]);
    const other = topology('test', (t) => void t.source('source'));
    const { problems } = verifyState(disk.reader(), other);
    expect(problems.some((problem) => problem.includes('"count"'))).toBe(true);
  });
});
