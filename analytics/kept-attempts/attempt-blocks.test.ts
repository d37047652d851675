import { expect, it } from 'vitest';
import { MemoryDisk, SeededRandom } from '../../engine/index.ts';
import { ATTEMPT_BLOCK_MAX_BYTES } from './attempt-block.ts';
import { AttemptBlocks, TIED_BLOCK_MAX_BYTES } from './attempt-blocks.ts';
import { AttemptChanges } from './attempt-changes.ts';
import { logicalAttempts } from './attempt-digest.ts';
import { AttemptRows } from './attempt-rows.ts';
import { AttemptView } from './attempt-view.ts';

const DAY_MS = 86_400_000;
const BEGIN_MS = Date.UTC(2025, 0, 1);
const DURATIONS = 3;

interface Row {
  readonly time_ms: number;
  readonly after_ms: number;
  readonly until_ms: number;
  readonly steps: readonly number[];
}

const FIRST = { after_ms: Number.NEGATIVE_INFINITY, until_ms: Number.POSITIVE_INFINITY, steps: [] };

const keyOf = (row: Row): string => JSON.stringify([row.time_ms, row.after_ms, row.until_ms, row.steps]);

function randomRow(random: SeededRandom, isWide: boolean, ties: boolean): Row {
  const time_ms = BEGIN_MS + random.int(0, 120) * DAY_MS + (ties ? 0 : random.int(0, DAY_MS - 1));
  const most_ms = isWide ? 90 * DAY_MS : 40 * DAY_MS;
  return {
    time_ms,
    after_ms: random.int(0, 1) === 0 ? Number.NEGATIVE_INFINITY : time_ms - random.int(1, 400 * DAY_MS),
    until_ms: random.int(0, 1) === 0 ? Number.POSITIVE_INFINITY : time_ms + random.int(1, 400 * DAY_MS),
    steps: Array.from({ length: random.int(0, DURATIONS) }, () => random.int(0, most_ms)),
  };
}

function put(rows: AttemptRows, row: Row): void {
  const at = rows.append(row.time_ms, row.steps.length + 1);
  rows.values.set([row.time_ms, row.after_ms, row.until_ms, row.steps.length + 1, ...row.steps], at);
}

const one = (row: Row | undefined): AttemptRows => {
  const rows = new AttemptRows(DURATIONS);
  if (row !== undefined) put(rows, row);
  return rows;
};

/** The rows that begin in a range. */
function stored(view: AttemptView, start_ms: number, end_ms: number): Row[] {
  const rows = new AttemptRows(DURATIONS);
  for (const block of view.blocks(start_ms, end_ms)) block.readInto(rows, start_ms);
  return Array.from({ length: rows.count }, (_, row) => {
    const at = row * rows.stride;
    const [time_ms = 0, after_ms = 0, until_ms = 0, reached = 0, ...steps] = rows.values.subarray(
      at,
      at + rows.stride,
    );
    return { time_ms, after_ms, until_ms, steps: steps.slice(0, reached - 1) };
  }).filter(({ time_ms }) => time_ms < end_ms);
}

/** Those that count in a range, as a query takes them: the time of the entry, and the durations. */
function selected(view: AttemptView, start_ms: number, end_ms: number): string[] {
  const found: string[] = [];
  for (const block of view.blocks(start_ms, end_ms)) {
    block.select(start_ms, end_ms);
    const { entry_ms, reached, durations, durationsAt } = block;
    for (let row = 0; row < block.selected; row++) {
      const at = durationsAt[row] as number;
      const steps = [...durations.subarray(at, at + (reached[row] as number) - 1)];
      found.push(JSON.stringify([entry_ms[row], steps]));
    }
  }
  return found.sort();
}

it.each([
  { isWide: false, ties: false },
  { isWide: true, ties: false },
  { isWide: false, ties: true },
])('hold what came and did not go, whatever the order (wide $isWide, ties $ties)', ({ isWide, ties }) => {
  const random = new SeededRandom(3);
  const store = new MemoryDisk().open();
  const table = store.table('attempts');
  const form = { durations: DURATIONS, isWide };
  const [blocks, twin] = [1, 2].map((id) => new AttemptBlocks(table, id, form)) as [
    AttemptBlocks,
    AttemptBlocks,
  ];
  const changes = new AttemptChanges(DURATIONS);
  const commit = (into: AttemptBlocks, cut_ms = 0): void =>
    store.transaction(() => into.apply(changes, cut_ms));
  let live: Row[] = [];
  for (let turn = 0; turn < 12; turn++) {
    // Some rows twice; some that go; some that change at once.
    for (let n = random.int(100, 200); n > 0; n--) {
      const again = random.int(0, 49) === 0 ? live[0] : undefined;
      const row = again ?? randomRow(random, isWide, ties);
      changes.add(one(undefined), one(row));
      live.push(row);
    }
    live = random.shuffled(live);
    for (let n = random.int(0, Math.min(50, live.length)); n > 0; n--) {
      const row = live.pop() as Row;
      const now = random.int(0, 1) === 0 ? { ...row, until_ms: row.time_ms + random.int(1, 9) } : undefined;
      changes.add(one(row), one(now));
      if (now !== undefined) live.push(now);
    }
    commit(blocks);
  }
  const view = new AttemptView(table, 1);
  const sorted = (rows: readonly Row[]): string[] => rows.map(keyOf).sort();
  const all = stored(view, 0, Number.POSITIVE_INFINITY);
  expect(sorted(all)).toEqual(sorted(live));
  expect(all.map(({ time_ms }) => time_ms)).toEqual(all.map(({ time_ms }) => time_ms).sort((a, b) => a - b));
  for (let range = 0; range < 12; range++) {
    const start_ms = BEGIN_MS + random.int(-1, 120) * DAY_MS;
    const end_ms = start_ms + random.int(1, 60) * DAY_MS;
    const within = live.filter(({ time_ms }) => time_ms >= start_ms && time_ms < end_ms);
    expect(sorted(stored(view, start_ms, end_ms))).toEqual(sorted(within));
    expect(view.countIn(start_ms, end_ms)).toBe(within.length);
    const counting = within.filter(({ after_ms, until_ms }) => after_ms < start_ms && until_ms >= end_ms);
    expect(selected(view, start_ms, end_ms)).toEqual(
      counting.map(({ time_ms, steps }) => JSON.stringify([time_ms, steps])).sort(),
    );
  }
  const lengths = [...table.scan()].map(({ value }) => value.length);
  expect(lengths.length).toBeGreaterThan(4);
  if (!ties) expect(Math.max(...lengths)).toBeLessThan(ATTEMPT_BLOCK_MAX_BYTES + 400);
  // A twin that got them at once, in another order, says the same; forgetting makes them equal again.
  const cut_ms = BEGIN_MS + 40 * DAY_MS;
  for (const row of random.shuffled(live)) changes.add(one(undefined), one(row));
  commit(twin, cut_ms);
  const digest = (id: number): Buffer => Buffer.concat([...logicalAttempts(table, id, cut_ms)]);
  expect(digest(1).equals(digest(2))).toBe(true);
  const before = [...table.scan()].length;
  store.transaction(() => blocks.forgetBefore(cut_ms));
  expect([...table.scan()].length).toBeLessThan(before);
  expect(digest(1).equals(digest(2))).toBe(true);
  expect(view.countIn(0, Number.POSITIVE_INFINITY)).toBe(
    live.filter(({ time_ms }) => time_ms >= cut_ms).length,
  );
  // All that goes leaves no block.
  for (const row of live) changes.add(one(row), one(undefined));
  commit(blocks, cut_ms);
  const left = stored(view, cut_ms, Number.POSITIVE_INFINITY);
  expect(left).toEqual([]);
});

it('refuse that a row goes that is not there', () => {
  const store = new MemoryDisk().open();
  const blocks = new AttemptBlocks(store.table('attempts'), 1, { durations: DURATIONS, isWide: false });
  const changes = new AttemptChanges(DURATIONS);
  changes.add(one(randomRow(new SeededRandom(1), false, false)), one(undefined));
  expect(() => store.transaction(() => blocks.apply(changes, 0))).toThrow(/goes is there/);
});

it('take changes in the order of their times, also where these lie millennia apart, and cancel what comes and goes', () => {
  const random = new SeededRandom(5);
  for (const apart_ms of [1, DAY_MS, 2 ** 46]) {
    const changes = new AttemptChanges(DURATIONS);
    const rows = Array.from({ length: 300 }, () => {
      const time_ms = random.int(0, 3) * apart_ms;
      return { time_ms, after_ms: -1, until_ms: time_ms + random.int(1, 3), steps: [random.int(0, 2)] };
    });
    const going = rows.slice(0, 100);
    for (const row of rows) changes.add(one(undefined), one(row));
    for (const row of going) changes.add(one(row), one(undefined));
    const { at, times, values } = changes.take(apart_ms);
    const left = new Map<string, number>();
    for (const row of rows.slice(100).filter(({ time_ms }) => time_ms >= apart_ms))
      left.set(keyOf(row), (left.get(keyOf(row)) ?? 0) + 1);
    const taken = at.map((place, n): [string, number] => {
      const [time_ms = 0, after_ms = 0, until_ms = 0, , step = 0] = values.subarray(place);
      return [keyOf({ time_ms, after_ms, until_ms, steps: [step] }), times[n] as number];
    });
    expect(new Map(taken)).toEqual(left);
    const found = at.map((place) => [...values.subarray(place, place + 3)] as [number, number, number]);
    expect(found).toEqual(found.toSorted((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]));
  }
});

it('say where more begin at one time than a block may have', () => {
  const store = new MemoryDisk().open();
  const blocks = new AttemptBlocks(store.table('attempts'), 1, { durations: DURATIONS, isWide: false });
  const changes = new AttemptChanges(DURATIONS);
  const [none, row] = [one(undefined), one({ ...FIRST, time_ms: BEGIN_MS })];
  // Five bytes each, in two commits.
  for (const count of [TIED_BLOCK_MAX_BYTES / 8, TIED_BLOCK_MAX_BYTES / 8]) {
    expect(blocks.isTooLarge).toBe(false);
    for (let n = 0; n < count; n++) changes.add(none, row);
    store.transaction(() => blocks.apply(changes, 0));
  }
  expect(blocks.isTooLarge).toBe(true);
});
