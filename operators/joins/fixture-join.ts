import {
  type Builder,
  defineOperator,
  type Either,
  type KvReader,
  type KvView,
  type Operator,
  SeededRandom,
  type Sides,
  type Stream,
  TestDriver,
} from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import type { LateRows } from './join-config.ts';

export interface Row {
  readonly side: 'left' | 'right';
  readonly key: string;
  readonly time_ms: number;
  readonly id: number;
}

export const left = (time_ms: number, id: number, key = 'k'): Row => ({ side: 'left', key, time_ms, id });
export const right = (time_ms: number, id: number, key = 'k'): Row => ({ side: 'right', key, time_ms, id });
export const rowInput = {
  keyOf: ({ key }: Row): string => key,
  timeOf: ({ time_ms }: Row): number => time_ms,
};

/** `1+2` for a match of the rows 1 and 2, `1+` and `+2` for rows without one. */
export const pair = (l: Row | undefined, r: Row | undefined): string => `${l?.id ?? ''}+${r?.id ?? ''}`;

export type RowJoin = Operator<Either<Row, Row>, string, LateRows<Row, Row>>;

/** Left and right are two branches of one stream; late rows come out as `late 1`. */
export const joined =
  (join: () => Operator<Either<Row, Row>, string, Sides>) =>
  (input: Stream<Row>): Stream<string> => {
    const [a, b] = sides(input);
    return a.connect(b, join());
  };

export const lateOf =
  (join: () => RowJoin) =>
  (input: Stream<Row>): Stream<string> => {
    const [a, b] = sides(input);
    const late = each<Either<Row, Row>, string>('tell', (item) => [`late ${item.input} ${item.value.id}`]);
    return a.connect(b, join()).side('late').pipe(late);
  };

/** A step that makes any number of items of each. */
export const each = <A, B>(name: string, what: (item: A) => readonly B[]): Operator<A, B> =>
  defineOperator<A, B>({
    kind: 'each',
    summary: 'A step of the test',
    start: ({ emit }) => ({ onBatch: (items) => emit(items.flatMap(what)) }),
  })(name, undefined);

/** The two branches of a stream. */
export function sides(input: Stream<Row>): readonly [Stream<Row>, Stream<Row>] {
  const only = (side: Row['side']) =>
    each<Row, Row>(`only-${side}`, (row) => (row.side === side ? [row] : []));
  return [input.pipe(only('left')), input.pipe(only('right'))];
}

/** Rows with few keys and times, so that most boundaries are met. */
export const anyRows = (max_ms: number, maxLength = 40): fc.Arbitrary<Row[]> =>
  fc
    .array(
      fc.record({
        side: fc.constantFrom('left' as const, 'right' as const),
        key: fc.constantFrom('a', 'b', 'c', '0|a'),
        time_ms: fc.integer({ min: 0, max: max_ms }),
      }),
      { maxLength },
    )
    .map((rows) => rows.map((row, id) => ({ ...row, id })));

/** The order of the bytes of the default codec: the length of the JSON comes first. */
export function byBytes(a: Row, b: Row): number {
  const [one, other] = [JSON.stringify(a), JSON.stringify(b)];
  return one.length - other.length || (one < other ? -1 : 1);
}

type Step = { readonly rows: readonly Row[] } | { readonly to_ms: number };

/** Rows in an order (that the allowance permits, unless the disorder is larger), cut into batches, with the watermark moving between them. */
function stepsOf(
  rows: readonly Row[],
  outOfOrderness_ms: number,
  disorder_ms: number,
  random: SeededRandom,
): Step[] {
  const arriving = random
    .shuffled(rows)
    .map((row) => ({ row, at_ms: row.time_ms + random.int(0, disorder_ms) }))
    .sort((a, b) => a.at_ms - b.at_ms);
  const steps: Step[] = [];
  let newest_ms = 0;
  for (let at = 0; at < arriving.length; ) {
    const batch = arriving.slice(at, at + random.int(1, 6)).map(({ row }) => row);
    at += batch.length;
    newest_ms = Math.max(newest_ms, ...batch.map(({ time_ms }) => time_ms));
    steps.push({ rows: batch });
    if (random.chance(0.7)) steps.push({ to_ms: Math.max(0, newest_ms - outOfOrderness_ms) });
  }
  return steps;
}

/** All results of a run with random arrival, batches, commits, restarts and moves to another disk. */
export async function resultsOf(
  build: (input: Stream<Row>, t: Builder) => Stream<string, Sides>,
  rows: readonly Row[],
  seed: number,
  outOfOrderness_ms: number,
  disorder_ms = outOfOrderness_ms,
): Promise<string[]> {
  const random = new SeededRandom(seed);
  const steps: Step[] = [...stepsOf(rows, outOfOrderness_ms, disorder_ms, random), { to_ms: 1_000_000_000 }];
  let driver = await TestDriver.start(build);
  const committed: string[] = [];
  let committedAt = 0;
  let at = 0;
  while (at < steps.length) {
    const step = steps[at++] as Step;
    if ('rows' in step) await driver.push(...step.rows);
    else await driver.advanceTo(step.to_ms);
    const chance = random.int(0, 9);
    if (chance < 2) {
      driver.commit();
      committed.push(...driver.take());
      committedAt = at;
    } else if (chance === 2) {
      driver = await driver.restart();
      at = committedAt;
    } else if (chance === 3) {
      const snapshot = driver.snapshot();
      committed.push(...driver.take());
      committedAt = at;
      driver = await TestDriver.start(build, { snapshot });
    }
  }
  return [...committed, ...driver.take()];
}

/** What brute force says: `matches` of two rows with one key. */
export function bruteForce(
  rows: readonly Row[],
  type: 'inner' | 'left' | 'outer',
  matches: (l: Row, r: Row) => boolean,
): string[] {
  const lefts = rows.filter(({ side }) => side === 'left');
  const rights = rows.filter(({ side }) => side === 'right');
  const out: string[] = [];
  const met = new Set<Row>();
  for (const l of lefts) {
    for (const r of rights) {
      if (l.key !== r.key || !matches(l, r)) continue;
      out.push(pair(l, r));
      met.add(l).add(r);
    }
  }
  if (type !== 'inner') out.push(...lefts.filter((l) => !met.has(l)).map((l) => pair(l, undefined)));
  if (type === 'outer') out.push(...rights.filter((r) => !met.has(r)).map((r) => pair(undefined, r)));
  return out;
}

/** Rows of all state tables of an operator, but for the one that describes its layout. */
export function stateRows(reader: KvReader, operator: string): number {
  const rows = (name: string, view: KvView): number => {
    const { length } = [...view.scan()];
    return name.endsWith('/control') ? Math.max(0, length - 1) : length;
  };
  return reader.snapshot((table) =>
    reader
      .tableNames()
      .filter((name) => name.startsWith(`${operator}/`))
      .reduce((sum, name) => sum + rows(name, table(name)), 0),
  );
}
