import { afterEach, describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { SeededRandom } from '../base/index.ts';
import { STORE_KINDS, StoreFixture } from '../state/fixture-stores.ts';
import { type Item, LogUnderTest, type Row, SMALL, scanRows, sorted, viewOf } from './fixture-log.ts';
import { DAY_MS } from './layout.ts';
import { differentScopes, logDigest, type ScopeDigest } from './log-digest.ts';
import { planScan, scanChunks, splitPlan } from './scan.ts';
import type { ScanRequest } from './scan-types.ts';
import { verifyLog } from './verify-log.ts';

const T = Date.UTC(2024, 0, 1);
const stores = new StoreFixture();
afterEach(() => stores.close());

const LISTS: readonly (readonly Item[])[] = [
  [],
  [{ sku: 'a', quantity: 1 }],
  [
    { sku: 'a', quantity: 2 },
    { sku: 'ü', quantity: 1.5 },
  ],
  [
    { sku: '', quantity: Number.NaN },
    { sku: 'b', quantity: -3 },
    { sku: 'b', quantity: 2 ** 40 },
  ],
];

const anyRow: fc.Arbitrary<Omit<Row, 'sequence'>> = fc.record({
  scope: fc.constantFrom('s', 't'),
  time_ms: fc.integer({ min: -60, max: 200 }).map((step) => T + step * 1_800_000),
  part: fc.constantFrom(0, 0, 3),
  retraction: fc.boolean(),
  country: fc.constantFrom('', 'DE', 'FR', 'GB'),
  mask: fc.constantFrom(0, 5, 2 ** 31 - 1, 1 << 22),
  customer: fc.tuple(fc.constantFrom(0, -1, 7), fc.constantFrom(0, 0, 1, -(2 ** 31))),
  amount: fc.constantFrom(Number.NaN, 0, -5, 499, 2.5, Number.MAX_SAFE_INTEGER),
  origin: fc.constantFrom(Number.NaN, Number.NaN, 17),
  items: fc.constantFrom(...LISTS),
});

function requests(random: SeededRandom, sequences: number): ScanRequest[] {
  return Array.from({ length: 4 }, (_unused, at) => {
    const start_ms = T + random.int(-30, 90) * 3_600_000;
    return {
      scope: random.pick(['s', 't', 'nobody']),
      ...(at === 0
        ? { start_ms: Number.NEGATIVE_INFINITY, end_ms: Number.POSITIVE_INFINITY }
        : { start_ms, end_ms: start_ms + random.int(0, 60) * 3_600_000 }),
      ...(random.chance(0.5) ? { upTo: random.int(0, sequences + 1) } : {}),
    };
  });
}

function expectedRows(rows: readonly Row[], request: ScanRequest, cut_ms: number): Row[] {
  const { scope, start_ms, end_ms, upTo = Number.POSITIVE_INFINITY } = request;
  return rows.filter(
    (row) =>
      row.scope === scope &&
      row.time_ms >= Math.max(start_ms, cut_ms) &&
      row.time_ms < end_ms &&
      row.sequence <= upTo,
  );
}

describe.each(STORE_KINDS)('the event log over %s', (kind) => {
  it('a scan gives what a filter over all rows gives, for any commits, merges, cuts, crashes and restarts', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyRow, { maxLength: 120 }), fc.integer(), async (given, seed) => {
        const random = new SeededRandom(seed);
        const rows = given.map((row, sequence) => ({ ...row, sequence }));
        const opened = stores.open(kind);
        const log = new LogUnderTest(opened.store);
        let committed: Row[] = [];
        let pending: Row[] = [];
        const cuts = new Map<string, number>();
        for (let at = 0; at < rows.length; ) {
          const batch = rows.slice(at, at + random.int(1, 12));
          at += batch.length;
          log.append(batch);
          pending.push(...batch);
          if (random.chance(0.1)) {
            // Read again from the position of the last commit.
            log.crash();
            log.append(pending);
          }
          if (random.chance(0.2)) {
            const scope = random.pick(['s', 't']);
            const cut_ms = T + random.int(-1, 2) * DAY_MS;
            log.writer.dropBefore(scope, cut_ms);
            cuts.set(scope, Math.max(cut_ms, cuts.get(scope) ?? cut_ms));
            log.commit();
            committed = [...committed, ...pending.splice(0)];
          }
          if (random.chance(0.5)) {
            log.commit();
            committed = [...committed, ...pending.splice(0)];
          }
          if (random.chance(0.1)) {
            log.commit();
            committed = [...committed, ...pending.splice(0)];
            log.restart(await opened.reopen());
          }
        }
        const reader = opened.reader();
        reader.snapshot((table) => {
          const view = viewOf(table);
          for (const request of requests(random, rows.length)) {
            const cut_ms = cuts.get(request.scope) ?? Number.NEGATIVE_INFINITY;
            expect(sorted(scanRows(view, request, log.dictionary))).toEqual(
              sorted(expectedRows(committed, request, cut_ms)),
            );
          }
          verifyLog(view, { retraction: 'retraction' }, log.dictionary);
        });
        pending = [];
      }),
      { numRuns: kind === 'lmdb' ? 25 : 150 },
    );
  });

  it('keeps the state of the last commit when the next one is not committed', () => {
    const { store } = stores.open(kind);
    const log = new LogUnderTest(store);
    const all = { scope: 's', start_ms: 0, end_ms: Number.POSITIVE_INFINITY };
    log.append([row(1), row(2)]);
    log.commit();
    log.append([row(3)]);
    log.crash();
    expect(scanRows(log.tables, all, log.dictionary).map(({ sequence }) => sequence)).toEqual([1, 2]);
    log.append([row(3)]);
    log.commit();
    expect(scanRows(log.tables, all, log.dictionary).map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
  });

  it('says when a segment of a plan is gone', () => {
    const { store } = stores.open(kind);
    const log = new LogUnderTest(store);
    log.append([row(1)]);
    log.commit();
    const plan = planScan(log.tables, { scope: 's', start_ms: 0, end_ms: Number.POSITIVE_INFINITY });
    for (const sequence of [2, 3]) {
      log.append([row(sequence)]);
      log.commit();
    }
    const gone = expect.objectContaining({ code: 'log_segment_gone' });
    expect(() => scanRowsOf(log, plan)).toThrowError(gone);
    // Nor is another one taken for it when all were dropped and the writer is a new one.
    const later = planScan(log.tables, { scope: 's', start_ms: 0, end_ms: Number.POSITIVE_INFINITY });
    log.writer.dropBefore('s', T + DAY_MS);
    log.commit();
    log.restart();
    for (let sequence = 4; sequence < 20; sequence++) {
      log.append([row(sequence, { time_ms: T + DAY_MS })]);
      log.commit();
      expect(() => scanRowsOf(log, later)).toThrowError(gone);
    }
  });
});

function scanRowsOf(log: LogUnderTest, plan: ReturnType<typeof planScan>): void {
  scanChunks(log.tables, plan, { columns: [], items: [] }, () => undefined);
}

function row(sequence: number, change: Partial<Row> = {}): Row {
  return {
    ...{ scope: 's', time_ms: T + sequence, sequence, part: 0, retraction: false, country: 'DE', mask: 1 },
    ...{ customer: [1, sequence] as const, amount: sequence, origin: Number.NaN, items: [] },
    ...change,
  };
}

describe('the digest of a log', () => {
  it('depends on the rows that are left, not on order, commits, merges, cuts on the way and codes', () => {
    fc.assert(
      fc.property(fc.array(anyRow, { minLength: 1, maxLength: 40 }), fc.integer(), (given, seed) => {
        const random = new SeededRandom(seed);
        const rows = given.map((each, sequence) => ({ ...each, sequence }));
        const cut_ms = T + DAY_MS;
        const run = (order: readonly Row[], cutsEarly: boolean) => {
          const log = new LogUnderTest(stores.open('memory').store);
          if (cutsEarly) log.writer.dropAllBefore(cut_ms);
          for (let at = 0; at < order.length; ) {
            const batch = order.slice(at, at + random.int(1, 7));
            at += batch.length;
            log.append(batch);
            if (random.chance(0.6)) log.commit();
          }
          log.writer.dropAllBefore(cut_ms);
          log.commit();
          return [...logDigest(log.tables.segments)];
        };
        const twice = [...rows].sort(() => random.int(-1, 1));
        const said = run(rows, false);
        // Another order, other positions, and something that was taken back.
        const extra = { ...(rows[0] as Row), time_ms: T + 2 * DAY_MS, retraction: false, country: 'XX' };
        const other = [extra, ...twice, { ...extra, retraction: true }];
        expect(
          run(
            other.map((each, at) => ({ ...each, sequence: at + 1_000, part: 9, origin: at })),
            true,
          ),
        ).toEqual(said);
      }),
      { numRuns: 60 },
    );
  });

  it('is another one when anything of a row is', () => {
    const base = row(1, { items: LISTS[2] as readonly Item[] });
    const of = (rows: readonly Row[]): string => {
      const log = new LogUnderTest(stores.open('memory').store);
      log.append(rows);
      log.commit();
      return JSON.stringify([...logDigest(log.tables.segments)]);
    };
    const changed: readonly Partial<Row>[] = [
      {},
      { time_ms: T },
      { country: 'FR' },
      { country: '' },
      { mask: 2 },
      { customer: [2, 1] },
      { customer: [1, 2] },
      { amount: 2 },
      { amount: 1 + 2 ** 32 },
      { amount: Number.NaN },
      { amount: 0 },
      { amount: 1.5 },
      { retraction: true },
      { items: [] },
      { items: LISTS[1] as readonly Item[] },
      { items: [...(LISTS[2] as readonly Item[])].reverse() },
    ];
    const digests = changed.map((change) => of([{ ...base, ...change }]));
    expect(new Set(digests).size).toBe(changed.length);
    expect(of([{ ...base, sequence: 77, part: 5, origin: 3 }])).toBe(digests[0]);
    expect(of([base, { ...base, retraction: true, sequence: 2 }])).toBe('[]');
    expect(new Set([of([base, base]), of([base]), of([])]).size).toBe(3);
  });
});

describe('a plan', () => {
  it('leaves out chunks by time and sequence, and is divided without losing one', () => {
    const log = new LogUnderTest(stores.open('memory').store, { ...SMALL, fanout: 1_000 });
    for (let day = 0; day < 9; day++) {
      log.append([
        row(day * 10, { time_ms: T + day * DAY_MS }),
        row(day * 10 + 1, { time_ms: T + day * DAY_MS }),
      ]);
      log.commit();
    }
    const range = { scope: 's', start_ms: T + 2 * DAY_MS, end_ms: T + 7 * DAY_MS };
    const plan = planScan(log.tables, range);
    expect(plan).toMatchObject({ segments: 5, rows: 10 });
    expect(plan.chunks.every(({ isWhole }) => isWhole)).toBe(true);
    const pinned = planScan(log.tables, { ...range, upTo: 30 });
    expect(pinned.chunks.map(({ isWhole }) => isWhole)).toEqual([true, false]);
    for (const parts of [1, 2, 3, 5, 9]) {
      const split = splitPlan(plan, parts);
      expect(split.length).toBe(Math.min(parts, 5));
      expect(split.flatMap(({ chunks }) => chunks)).toEqual(plan.chunks);
      expect(split.reduce((sum, part) => sum + part.rows, 0)).toBe(10);
    }
    let seen = 0;
    scanChunks(log.tables, plan, { columns: [], items: [] }, () => ++seen < 2);
    expect(seen).toBe(2);
  });

  it('takes neither a row at its end nor one that is behind the cut, though the segment has others', () => {
    const log = new LogUnderTest(stores.open('memory').store);
    const days = [0, 1, 2, 3].map((day) => row(day, { time_ms: T + day * DAY_MS }));
    log.append(days);
    log.commit();
    const found = (start_ms: number, end_ms: number): number[] =>
      scanRows(log.tables, { scope: 's', start_ms, end_ms }, log.dictionary).map(({ sequence }) => sequence);
    expect(found(0, T + 3 * DAY_MS)).toEqual([0, 1, 2]);
    expect(found(T, T + 3 * DAY_MS + 1)).toEqual([0, 1, 2, 3]);
    log.writer.dropBefore('s', T + DAY_MS);
    expect(log.commit()).toMatchObject({ dropped: 1, merges: 0 });
    expect(found(0, Number.MAX_SAFE_INTEGER)).toEqual([1, 2, 3]);
    expect(planScan(log.tables, { scope: 's', start_ms: 0, end_ms: T + DAY_MS }).rows).toBe(0);
    log.writer.dropBefore('s', T + 9 * DAY_MS);
    log.commit();
    // What is left is the schema and the cut.
    expect([...log.tables.segments.scan()].length).toBe(2);
    expect([...log.tables.chunks.scan()]).toEqual([]);
  });

  it('keeps the days that a scope is to keep behind its newest row, with the rows of the commit', () => {
    const log = new LogUnderTest(stores.open('memory').store);
    const found = (scope = 's'): number[] =>
      scanRows(log.tables, { scope, start_ms: 0, end_ms: 8.64e15 }, log.dictionary).map(
        ({ sequence }) => sequence,
      );
    const at = (sequence: number, day: number, scope = 's') =>
      row(sequence, { time_ms: T + day * DAY_MS + 5, scope });
    const commit = (now_ms: number) => log.store.transaction(() => log.writer.commit(log.tables, now_ms));
    log.writer.keepDays('s', 2);
    log.append([at(1, 0), at(2, 1), at(3, 3), at(4, 0, 't')]);
    expect(log.commit()).toMatchObject({ appended: 4, dropped: 1 });
    expect([found(), found('t')]).toEqual([[2, 3], [4]]);
    // A row that is ahead of the time that was reached takes nothing away.
    log.append([at(5, 9)]);
    commit(T + 4 * DAY_MS);
    expect(found()).toEqual([3, 5]);
    log.writer.keepDays('s', undefined);
    commit(T + 9 * DAY_MS);
    expect(found()).toEqual([3, 5]);
    log.writer.keepDays('s', 1);
    commit(T + 9 * DAY_MS);
    expect(found()).toEqual([5]);
    const [s] = [...logDigest(log.tables.segments)];
    const without = [{ ...s, firstDay: 0, net: 7, digest: 'x' }] as ScopeDigest[];
    expect(differentScopes([s as ScopeDigest], without)).toEqual([]);
    expect(differentScopes([s as ScopeDigest], [{ ...(s as ScopeDigest), net: 7 }])).toEqual(['s']);
    expect(differentScopes([s as ScopeDigest], [])).toEqual(['s']);
  });
});
