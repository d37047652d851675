import { describe, expect, it } from 'vitest';
import { type Either, intCodec, stringKey } from '../base/index.ts';
import { defineOperator, type Stream } from '../graph/index.ts';
import { mapTable } from '../state/index.ts';
import { TestDriver } from './test-driver.ts';

/** Odd numbers go aside, and numbers beyond 100 to another side. */
const split = defineOperator<number, number, undefined, Record<never, never>, { odd: string; large: number }>(
  {
    kind: 'split',
    summary: 'Even numbers on, the others aside',
    sides: ['odd', 'large'],
    start: ({ emit, emitTo }) => ({
      onBatch: (items) => {
        emitTo(
          'odd',
          items.filter((item) => item % 2 === 1).map((item) => `odd ${item}`),
        );
        emitTo(
          'large',
          items.filter((item) => item > 100),
        );
        emit(items.filter((item) => item % 2 === 0));
      },
    }),
  },
);

const describeItem = <A>() =>
  defineOperator<A, string, string>({
    kind: 'label',
    summary: 'Says where it saw each item',
    start: ({ config, emit }) => ({
      onBatch: (items) => emit(items.map((item) => `${config}:${String(item)}`)),
      onWatermark: (time_ms) => emit([`${config}:w${time_ms}`]),
    }),
  });
const label = <A>(name: string) => describeItem<A>()(name, name);

const eitherLabel = defineOperator<Either<number, string>, string>({
  kind: 'either',
  summary: 'Says which input each item came from',
  start: ({ emit }) => ({
    onBatch: (items) => emit(items.map(({ input, value }) => `${input}:${value}`)),
    onWatermark: (time_ms) => emit([`w${time_ms}`]),
  }),
});

const run = async <B>(
  build: (input: Stream<number>) => Stream<B>,
  ...batches: number[][]
): Promise<readonly B[]> => {
  const driver = await TestDriver.start(build);
  for (const items of batches) await driver.push(...items);
  driver.commit();
  return driver.out;
};

describe('side outputs', () => {
  it('carry their own items, and the main output only its own', async () => {
    expect(await run((t) => t.pipe(split('split', undefined)), [1, 2, 103])).toEqual([2]);
    expect(await run((t) => t.pipe(split('split', undefined)).side('odd'), [1, 2, 103])).toEqual([
      'odd 1',
      'odd 103',
    ]);
    expect(await run((t) => t.pipe(split('split', undefined)).side('large'), [1, 2, 103])).toEqual([103]);
  });

  it('have watermarks and barriers like the main output', async () => {
    const driver = await TestDriver.start<number, string>((t) =>
      t.pipe(split('split', undefined)).side('odd').pipe(label('side')),
    );
    await driver.push(1, 2);
    await driver.advanceTo(7);
    driver.commit();
    expect(driver.out).toEqual(['side:odd 1', 'side:w7']);
    expect(driver.progress?.commit).toBe(1);
  });

  it('stay apart where all three outputs are read at once, and merge into one end', async () => {
    const out = await run(
      (t) =>
        // The reader of the main output is one node, those of the sides are others.
        mergeAll(t.pipe(split('split', undefined))),
      [1, 2, 104],
    );
    expect([...out].sort()).toEqual(['large:104', 'main:104', 'main:2', 'odd:odd 1']);
  });

  it('of one name are one node, however often they are asked for', async () => {
    const out = await run(
      (t) => {
        const stream = t.pipe(split('split', undefined));
        const [one, two] = [stream.side('odd'), stream.side('odd')];
        return one
          .pipe(label<string>('one'))
          .connect(two.pipe(label<string>('two')), joined('joined', undefined));
      },
      [3],
    );
    expect([...out].sort()).toEqual(['left one:odd 3', 'right two:odd 3']);
  });

  it('reach neither side of a two-input operator that reads the main outputs', async () => {
    const out = await run(
      (t) => {
        const stream = t.pipe(split('split', undefined));
        return stream.connect(stream.side('odd'), eitherLabel('either', undefined));
      },
      [1, 2],
    );
    expect([...out].sort()).toEqual(['left:2', 'right:odd 1']);
  });

  it('of an operator in the middle of a pipe are not read by the next one', async () => {
    expect(
      await run((t) => t.pipe(split('split', undefined), label<number>('after')), [1, 2, 3, 104]),
    ).toEqual(['after:2', 'after:104']);
  });

  it('that an operator does not have are refused by name', async () => {
    await expect(
      TestDriver.start<number, number>((t) => {
        const stream = t.pipe(split('split', undefined));
        return stream.side('even' as 'large');
      }),
    ).rejects.toThrow(expect.objectContaining({ code: 'unknown_side_output' }));
  });

  it('restart with the rest: what a side reader keeps is part of the commit', async () => {
    const count = defineOperator<string, number, undefined, { counts: ReturnType<typeof countTable> }>({
      kind: 'count',
      summary: 'Counts',
      state: () => ({ counts: countTable() }),
      start: ({ state, emit }) => {
        const counts = state.counts.scope('');
        return {
          onBatch: (items) => {
            for (const item of items) {
              counts.set(item, (counts.get(item) ?? 0) + 1);
              emit([counts.get(item) ?? 0]);
            }
          },
        };
      },
    });
    let driver = await TestDriver.start<number, number>((t) =>
      t.pipe(split('split', undefined)).side('odd').pipe(count('count', undefined)),
    );
    await driver.push(1, 1);
    driver.commit();
    await driver.push(1);
    driver = await driver.restart();
    await driver.push(1);
    expect(driver.out).toEqual([3]);
  });
});

const countTable = () => mapTable<string, number>({ key: stringKey, value: intCodec, version: 1 });

const joined = defineOperator<Either<string, string>, string>({
  kind: 'joined',
  summary: 'Says which input each item came from',
  start: ({ emit }) => ({
    onBatch: (items) => emit(items.map(({ input, value }) => `${input} ${value}`)),
  }),
});

const either2 = defineOperator<Either<string, string>, string>({
  kind: 'flatten',
  summary: 'Items of both inputs',
  start: ({ emit }) => ({ onBatch: (items) => emit(items.map(({ value }) => value)) }),
});

function mergeAll(stream: Stream<number, { odd: string; large: number }>): Stream<string> {
  const main = stream.pipe(label<number>('main'));
  const odd = stream.side('odd').pipe(label<string>('odd'));
  const large = stream.side('large').pipe(label<number>('large'));
  return main.connect(odd, either2('two', undefined)).connect(large, either2('three', undefined));
}
