import { describe, expect, it } from 'vitest';
import { isLong } from '../../test/long.ts';
import { type ChangeRow, changeTable } from './change-table.ts';
import { explainChange } from './explain-change.ts';

const CASES = isLong ? 200 : 40;
const WEEKS = 4;
const ORDERS = 4_000;
const SHAPE: Readonly<Record<string, readonly number[]>> = {
  country: [0.35, 0.2, 0.15, 0.1, 0.08, 0.06, 0.04, 0.02],
  channel: [0.4, 0.25, 0.2, 0.1, 0.05],
  payment: [0.5, 0.25, 0.15, 0.1],
  device: [0.6, 0.3, 0.1],
};
const NAMES = Object.keys(SHAPE);

/** A generator of numbers within 0 and 1 (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A Poisson number, by counting exponential steps. */
function poisson(mean: number, random: () => number): number {
  let [count, product] = [0, random()];
  while (product > Math.exp(-Math.min(mean, 500))) {
    count++;
    product *= random();
  }
  return count;
}

function leavesOf(at = 0): { values: string[]; share: number }[] {
  if (at === NAMES.length) return [{ values: [], share: 1 }];
  const rest = leavesOf(at + 1);
  return (SHAPE[NAMES[at] as string] ?? []).flatMap((part, index) =>
    rest.map(({ values, share }) => ({ values: [`${NAMES[at]}${index}`, ...values], share: share * part })),
  );
}

/** A leaf of a shop: weeks before that come by chance, and a window. */
function rowOf(values: string[], mean: number, now: number, random: () => number) {
  const weeks = Array.from({ length: WEEKS }, () => poisson(mean, random));
  const before = weeks.reduce((sum, week) => sum + week, 0);
  return {
    values,
    actual: poisson(now, random),
    expected: before / WEEKS,
    earlier: weeks.map((week) => ({ actual: week, expected: (before - week) / (WEEKS - 1) })),
  };
}

/** The weeks before are not told one by one. */
const alone = (rows: readonly ChangeRow[]): ChangeRow[] => rows.map(({ earlier: _, ...row }) => row);

/** A window of a shop in which orders with some values fall, beside the mean of the weeks before. */
function shop(seed: number, dimensions: number) {
  const random = randomOf(seed);
  const picks = NAMES.map((name) => ({ name, order: random() }))
    .sort((a, b) => a.order - b.order)
    .slice(0, dimensions)
    .map(({ name }) => ({ name, index: Math.floor(random() * Math.min(4, (SHAPE[name] ?? []).length)) }));
  const where = Object.fromEntries(picks.map(({ name, index }) => [name, `${name}${index}`]));
  const fall = 0.6 + 0.4 * random();
  const growth = 0.9 + 0.2 * random();
  const rows: ChangeRow[] = leavesOf().map(({ values, share }) => {
    const hit = NAMES.every((name, at) => where[name] === undefined || where[name] === values[at]);
    const mean = ORDERS * share;
    return rowOf(values, mean, mean * growth * (hit ? 1 - fall : 1), random);
  });
  return { where, rows };
}

describe('the causes of a change', () => {
  it.each([
    [1, 'with the weeks before'],
    [2, 'with the weeks before'],
    [1, 'alone'],
    [2, 'alone'],
  ])('names first what fell, by %i dimensions, %s', (dimensions, how) => {
    const missed: unknown[] = [];
    for (let seed = 1; seed <= CASES; seed++) {
      const { where, rows } = shop(seed, dimensions);
      const { causes } = explainChange(changeTable(NAMES, how === 'alone' ? alone(rows) : rows));
      if (JSON.stringify(sorted(causes[0]?.where)) !== JSON.stringify(sorted(where)))
        missed.push({ seed, where, causes });
    }
    expect(missed.length, JSON.stringify(missed.slice(0, 5), undefined, 1)).toBeLessThanOrEqual(CASES * 0.05);
  });

  it('names the share of the change, and what is left', () => {
    const { where, rows } = shop(7, 2);
    const table = changeTable(NAMES, rows);
    const { causes, actual, expected, unexplained } = explainChange(table);
    const of = rows.filter(({ values }) =>
      NAMES.every((name, at) => (where[name] ?? values[at]) === values[at]),
    );
    const total = (pick: (row: ChangeRow) => number, among: readonly ChangeRow[]): number =>
      among.reduce((sum, row) => sum + pick(row), 0);
    expect(actual).toBe(total((row) => row.actual, rows));
    expect(expected).toBe(total((row) => row.expected, rows));
    const cause = causes[0];
    expect(cause?.actual).toBe(total((row) => row.actual, of));
    expect(cause?.expected).toBe(total((row) => row.expected, of));
    const change = total((row) => row.actual - row.expected, of);
    expect(cause?.share).toBeCloseTo(change / (actual - expected), 12);
    const named = causes.reduce((sum, { share }) => sum + share, 0);
    expect(unexplained).toBeCloseTo(1 - named, 9);
    expect(cause?.surprise).toBeGreaterThan(0);
  });

  it.each(NAMES)('names two values of %s that fall, also where that is most of the shop', (name) => {
    const missed: unknown[] = [];
    for (let seed = 1; seed <= CASES / 4; seed++) {
      const random = randomOf(seed);
      const fallen = [`${name}0`, `${name}1`];
      const [fall, growth] = [0.6 + 0.4 * random(), 0.9 + 0.2 * random()];
      const rows = leavesOf().map(({ values, share }) => {
        const isHit = values.some((value) => fallen.includes(value));
        return rowOf(values, ORDERS * share, ORDERS * share * growth * (isHit ? 1 - fall : 1), random);
      });
      const { causes } = explainChange(changeTable(NAMES, rows));
      const found = causes.slice(0, 2).map(({ where }) => JSON.stringify(where));
      const wanted = fallen.map((value) => JSON.stringify({ [name]: value }));
      if (found.sort().join() !== wanted.join()) missed.push({ seed, causes });
    }
    expect(missed.length, JSON.stringify(missed.slice(0, 3), undefined, 1)).toBeLessThanOrEqual(2);
  });

  it('names nothing where everything falls by the same, or week differs from week', () => {
    let named = 0;
    for (let seed = 2_001; seed <= 2_100; seed++) {
      const random = randomOf(seed);
      const fall = 1 - 0.9 * random();
      const rows = leavesOf().map(({ values, share }) =>
        rowOf(values, ORDERS * share, ORDERS * share * fall, random),
      );
      if (explainChange(changeTable(NAMES, rows)).causes.length > 0) named++;
    }
    expect(named).toBeLessThanOrEqual(5);
  });

  it('names nothing where chance or a common growth did it', () => {
    let named = 0;
    for (let seed = 1_001; seed <= 1_100; seed++) {
      const { rows } = shop(seed, 0);
      const calm = rows.map(({ values, expected }, at) => {
        const random = randomOf(seed * 1_000 + at);
        return { values, expected, actual: poisson(expected * 1.1, random) };
      });
      if (explainChange(changeTable(NAMES, calm)).causes.length > 0) named++;
    }
    expect(named).toBeLessThanOrEqual(5);
  });

  it('does not depend on the order of the rows', () => {
    const { rows } = shop(11, 2);
    const turned = rows.toReversed();
    const causes = (of: readonly ChangeRow[]) =>
      explainChange(changeTable(NAMES, of)).causes.map(({ where, actual, expected }) => ({
        where,
        actual,
        expected,
      }));
    expect(causes(turned)).toEqual(causes(rows));
  });

  it('takes an empty table, and one without a change', () => {
    expect(explainChange(changeTable(['a'], []))).toEqual({
      actual: 0,
      expected: 0,
      causes: [],
      unexplained: 0,
    });
    const same = explainChange(changeTable(['a'], [{ values: ['x'], actual: 3, expected: 3 }]));
    expect(same.causes).toEqual([]);
  });
});

const sorted = (where: Readonly<Record<string, string>> = {}) =>
  Object.entries(where).sort(([a], [b]) => a.localeCompare(b));
