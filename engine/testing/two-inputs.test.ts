import { describe, expect, it } from 'vitest';
import { type Either, intCodec, stringKey } from '../base/index.ts';
import type { SourceRecord } from '../edges/index.ts';
import { defineOperator, type Listen, type Stream, topology } from '../graph/index.ts';
import { mapTable } from '../state/index.ts';
import { record, TaskFixture } from './fixture-task.ts';
import { TestDriver } from './test-driver.ts';

const times = defineOperator<number, number, number>({
  kind: 'times',
  summary: 'Multiplies',
  start: ({ config, emit }) => ({ onBatch: (items) => emit(items.map((item) => item * config)) }),
});

/** Generates watermarks: items of its parity, with what was reached before a restart. */
const parity = defineOperator<number, number, number>({
  kind: 'parity',
  summary: 'Even or odd numbers, which are times too',
  ownsWatermark: true,
  start: ({ config, emit, emitWatermark, initialWatermark_ms }) => {
    let reached_ms = initialWatermark_ms ?? -1;
    return {
      onBatch: (items) => {
        for (const item of items.filter((time) => time % 2 === config)) {
          emit([item >= reached_ms ? item : -item]);
          reached_ms = Math.max(reached_ms, item);
        }
        emitWatermark(reached_ms);
      },
      onWatermark: (time_ms) => emitWatermark(time_ms),
    };
  },
});

const table = () => mapTable<string, number>({ key: stringKey, value: intCodec, version: 1 });

/** Keeps the last left value, and gives each right value with it. */
const lookup = defineOperator<Either<number, number>, string, undefined, { last: ReturnType<typeof table> }>({
  kind: 'lookup',
  summary: 'Joins each right value with the last left one',
  state: () => ({ last: table() }),
  start: ({ state, emit }) => {
    const last = state.last.scope('');
    return {
      onBatch: (items) => {
        for (const { input, value } of items) {
          if (input === 'left') last.set('v', value);
          else emit([`${last.get('v') ?? '-'}/${value}`]);
        }
      },
      onWatermark: (time_ms) => emit([`w${time_ms}`]),
      onBarrier: ({ commit }) => emit([`b${commit}`]),
    };
  },
});

describe('an operator of two inputs', () => {
  it('gets the items of both, tagged, and one barrier a commit', async () => {
    const driver = await TestDriver.start<number, string>((t) =>
      t.pipe(times('ten', 10)).connect(t.pipe(times('hundred', 100)), lookup('lookup', undefined)),
    );
    await driver.push(1, 2);
    driver.commit();
    driver.commit();
    expect(driver.out).toEqual(['20/100', '20/200', 'b1', 'b2']);
  });

  it('may read one stream on both sides', async () => {
    const driver = await TestDriver.start<number, string>((t) => {
      const both = t.pipe(times('one', 1));
      return both.connect(both, lookup('lookup', undefined));
    });
    await driver.push(7);
    await driver.advanceTo(5);
    driver.commit();
    expect(driver.out).toEqual(['7/7', 'w5', 'b1']);
  });

  it('may read the source itself on both sides', async () => {
    const seen: string[] = [];
    const pair = defineOperator<Either<SourceRecord, SourceRecord>, never>({
      kind: 'pair',
      summary: 'Writes down',
      start: () => ({
        onBatch: (items) => {
          for (const { input, value } of items) seen.push(`${input} ${value.sequence}`);
        },
        onBarrier: ({ commit }) => void seen.push(`b${commit}`),
      }),
    });
    const graph = topology('both', (t) => {
      const source = t.source('in');
      source.connect(source, pair('pair', undefined));
    });
    const { task, source } = new TaskFixture(graph);
    await task.open();
    source.takes.push([record(1, 'a')]);
    await task.step(0);
    task.commit();
    expect(seen).toEqual(['left 1', 'right 1', 'b1']);
  });

  const branches = (t: Stream<number>): Stream<string> =>
    t.pipe(parity('even', 0)).connect(t.pipe(parity('odd', 1)), lookup('lookup', undefined));

  it('sees the smaller of the two watermarks, where each branch has its own', async () => {
    const driver = await TestDriver.start<number, string>(branches);
    await driver.push(100);
    await driver.push(51);
    await driver.push(61);
    driver.commit();
    expect(driver.out).toEqual(['w-1', '100/51', 'w51', '100/61', 'w61', 'b1']);
    expect(driver.progress).toMatchObject({ watermark_ms: 61, watermarks: { even: 100, odd: 61 } });
  });

  it('finds the watermark of each branch again after a restart', async () => {
    let driver = await TestDriver.start<number, string>(branches);
    await driver.push(100, 51);
    driver.commit();
    driver = await driver.restart();
    expect(driver.take()).toEqual(['w51']);
    // Late on its own branch, though the task is not that far.
    await driver.push(70, 71);
    expect(driver.take()).toEqual(['-70/71', 'w71']);
  });

  it('goes on from its committed state after a restart', async () => {
    let driver = await TestDriver.start<number, string>((t) =>
      t.pipe(times('ten', 10)).connect(t.pipe(times('hundred', 100)), lookup('lookup', undefined)),
    );
    await driver.push(1);
    driver.commit();
    await driver.push(5);
    driver = await driver.restart();
    expect(driver.out).toEqual([]);
    await driver.push(2);
    expect(driver.out).toEqual(['20/200']);
  });
});

describe('a merge', () => {
  const seen: string[] = [];
  const end = defineOperator<SourceRecord, never>({
    kind: 'end',
    summary: 'Writes down',
    start: () => ({
      onBatch: (items) => void seen.push(items.map(({ sequence }) => sequence).join('+')),
      onBarrier: ({ commit }) => void seen.push(`b${commit}`),
    }),
  });
  const pass = defineOperator<SourceRecord, SourceRecord>({
    kind: 'pass',
    summary: 'Passes on',
    start: ({ emit }) => ({ onBatch: (items) => emit(items) }),
  });

  it('of a stream with itself has each item twice and each barrier once', async () => {
    seen.length = 0;
    const graph = topology('twice', (t) => {
      const first = t.source('in').pipe(pass('first', undefined));
      t.merge('both', first, first).pipe(end('end', undefined));
    });
    const { task, source } = new TaskFixture(graph);
    await task.open();
    source.takes.push([record(1, 'a'), record(2, 'b')]);
    await task.step(0);
    task.commit();
    task.commit();
    expect(seen).toEqual(['1+2', '1+2', 'b1', 'b2']);
  });
});

describe('a listener', () => {
  const pass = defineOperator<SourceRecord, SourceRecord, undefined, Record<never, never>, { rest: string }>({
    kind: 'pass',
    summary: 'Passes on, and says so aside',
    sides: ['rest'],
    start: ({ emit, emitTo }) => ({
      onBatch: (items) => {
        emitTo('rest', ['aside']);
        emit(items);
      },
    }),
  });
  const heard = async (build: Parameters<typeof topology>[1]): Promise<string[]> => {
    const lines: string[] = [];
    const listen: Listen = (node, items) => {
      lines.push(`${node}:${items.map((item) => (typeof item === 'string' ? item : '#')).join('')}`);
    };
    const { task, source } = new TaskFixture(topology('heard', build), { listen });
    await task.open();
    source.takes.push([record(1, 'a'), record(2, 'b')]);
    await task.step(0);
    task.commit();
    return lines.sort();
  };

  it('hears each batch of each main output once, however many read it, and side outputs by their own name', async () => {
    const lines = await heard((t) => {
      const source = t.source('in');
      const first = source.pipe(pass('first', undefined));
      source.pipe(pass('second', undefined));
      first.side('rest');
      t.merge('both', first, first);
    });
    expect(lines).toEqual(['both:##', 'both:##', 'first-rest:aside', 'first:##', 'in:##', 'second:##']);
  });
});
