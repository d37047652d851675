import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { intCodec, stringKey } from '../base/index.ts';
import type { Source, SourceRecord } from '../edges/index.ts';
import { defineOperator, topology } from '../graph/index.ts';
import { mapTable } from '../state/index.ts';
import { enrichingSource, enrichmentOf } from '../task/index.ts';
import { simulateSeeds } from './simulate-seeds.ts';
import { TopologyTestDriver } from './topology-test-driver.ts';

const text = ({ data }: SourceRecord): string => Buffer.from(data).toString();
const tables = () => ({ seen: mapTable<string, number>({ key: stringKey, value: intCodec, version: 1 }) });

/** Counts texts, throws at the one that says so, and sends each with its number. */
const count = defineOperator<SourceRecord, string, undefined, ReturnType<typeof tables>>({
  kind: 'count',
  summary: 'Counts texts',
  state: tables,
  start: ({ state: { seen }, emit, send }) => ({
    onBatch: (records) => {
      for (const record of records) {
        const key = text(record);
        const times = (seen.scope('').get(key) ?? 0) + 1;
        seen.scope('').set(key, times);
        if (key.startsWith('bad')) throw new TypeError(`cannot take ${key}.`);
        emit([`${key} ${times}`]);
        send({ id: `${key} ${times}`, subject: 'counted', headers: {}, payload: record.data });
      }
    },
  }),
});
const counting = topology('counting', (t) => {
  t.source('a').pipe(count('count', undefined));
  t.source('b').pipe(count('other', undefined));
});
const say = (data: string) => ({ subject: 'words', data });

describe('failing records in a topology test driver', () => {
  it('reject the push, and commit nothing of it', async () => {
    const driver = await TopologyTestDriver.start(counting);
    await expect(driver.pushTo('a', say('x'), say('bad'))).rejects.toThrow('cannot take bad');
    expect(driver.sent).toEqual([]);
  });

  it('become dead letters where that is asked for, as if they had never come', async () => {
    const driver = await TopologyTestDriver.start(counting, { failingRecords: 'deadLetter' });
    await driver.pushTo('a', say('x'), say('y'));
    driver.commit();
    expect(driver.take('count')).toEqual(['x 1', 'y 1']);
    await driver.pushTo('b', say('elsewhere'));
    await driver.pushTo('a', say('x'), { ...say('bad 1'), headers: { Trace: ['1', '2'] } }, say('y'));
    await driver.pushTo('a', say('bad 2'), say('bad 3'), say('x'));
    driver.commit();
    expect(driver.take('count')).toEqual(['x 2', 'y 2', 'x 3']);
    expect(driver.output('count')).toEqual(['x 1', 'y 1', 'x 2', 'y 2', 'x 3']);
    expect(driver.output('other')).toEqual(['elsewhere 1']);
    expect(driver.table('count/seen').entries('')).toEqual([
      ['x', 3],
      ['y', 2],
    ]);
    const letters = driver.sent.filter(({ subject }) => subject === 'deadletter.default');
    expect(letters.map(({ payload }) => Buffer.from(payload).toString())).toEqual([
      'bad 1',
      'bad 2',
      'bad 3',
    ]);
    expect(letters[0]?.headers).toMatchObject({
      Reason: 'processing_failed',
      'Reason-Detail': 'count: cannot take bad 1.',
      'Original-Headers': '[["Trace","1"],["Trace","2"]]',
      'Original-Seq': '4',
    });
    expect(driver.sent.filter(({ subject }) => subject === 'counted')).toHaveLength(6);
    expect(driver.notices).toMatchObject({ 'deadletter.default': { record_failed: 3 } });
    const again = await driver.restart();
    await again.pushTo('a', say('bad 4'), say('y'));
    expect(again.take('count')).toEqual(['y 3']);
  });

  it("are not the records' fault when more than a hundred fail one after the other", async () => {
    const driver = await TopologyTestDriver.start(counting, { failingRecords: 'deadLetter' });
    const all = Array.from({ length: 101 }, (_, index) => say(`bad ${index}`));
    await expect(driver.pushTo('a', ...all)).rejects.toMatchObject({ code: 'too_many_failing_records' });
  });
});

/** Texts with what was looked up for them. */
const found = defineOperator<SourceRecord, string>({
  kind: 'found',
  summary: 'Tells what was found',
  start: ({ emit, send }) => ({
    onBatch: (records) => {
      for (const record of records) {
        const looked = enrichmentOf<string>(record);
        const line = `${text(record)}: ${looked?.status === 'done' ? looked.value : looked?.status}`;
        emit([line]);
        send({ id: line, subject: 'found', headers: {}, payload: Buffer.from(line) });
      }
    },
  }),
});
const lookingUp = (enrich: (record: SourceRecord, signal: AbortSignal) => Promise<string>) => {
  const through = (source: Source) =>
    enrichingSource(source, { enrich, max_in_flight: 3, timeout_ms: 250, onTimeout: 'pass' });
  return topology('looking-up', (t) => {
    t.source({ name: 'words', kind: 'test', options: {}, through }).pipe(found('found', undefined));
    t.source('plain').pipe(found('not-found', undefined));
  });
};

describe('what stands between a source and the graph', () => {
  it('is passed in a topology test driver, also by a slow look-up, with all headers', async () => {
    const driver = await TopologyTestDriver.start(
      lookingUp(async (record) => {
        if (text(record) === 'hangs') await sleep(60_000, undefined, { ref: false });
        await sleep(record.sequence % 3);
        return [...(record.headers?.() ?? [])].join(';');
      }),
    );
    const messages = Array.from({ length: 10 }, (_, index) => ({
      ...say(index === 4 ? 'hangs' : `${index}`),
      headers: { Nr: `${index}`, Two: ['a', 'b'] },
    }));
    await driver.pushTo('words', ...messages);
    await driver.pushTo('plain', say('x'));
    const line = (index: number): string => `${index}: Nr,${index};Two,a;Two,b`;
    expect(driver.output('found')).toEqual([
      ...[0, 1, 2, 3].map(line),
      'hangs: timed_out',
      ...[5, 6, 7, 8, 9].map(line),
    ]);
    expect(driver.output('not-found')).toEqual(['x: undefined']);
    const again = await driver.restart();
    await again.pushTo('words', say('y'));
    expect(again.output('found')).toEqual(['y: ']);
  });

  it('is passed in the simulation, the same for each seed', async () => {
    const run = () =>
      simulateSeeds({
        topology: () => lookingUp((record) => Promise.resolve([...(record.headers?.() ?? [])].join(';'))),
        generate: () => ({
          words: Array.from({ length: 60 }, (_, index) => ({
            subject: 'words',
            data: Buffer.from(`${index}`),
            headers: { Nr: `${index}` },
          })),
          plain: [],
        }),
        duplicates: 0,
        seeds: 20,
      });
    const report = await run();
    expect(report.failure).toBeUndefined();
    expect(report.crashes).toBeGreaterThan(0);
    expect(await run()).toEqual(report);
  });
});
