import { afterEach, describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { SeededRandom } from '../base/index.ts';
import { StoreFixture } from '../state/fixture-stores.ts';
import { LogUnderTest, type Row, SMALL, scanRows, sorted, viewOf } from './fixture-log.ts';
import { DAY_MS } from './layout.ts';
import { logDigest } from './log-digest.ts';
import { DEFAULT_LOG_LIMITS } from './log-writer.ts';
import { type LogUpkeepMode, logUpkeepPlan, nextUpkeep } from './upkeep.ts';
import { verifyLog } from './verify-log.ts';

const T = Date.UTC(2024, 0, 1);
const LIMITS = { ...DEFAULT_LOG_LIMITS, ...SMALL };
const stores = new StoreFixture();
afterEach(() => stores.close());

const row = (sequence: number, scope: string, day: number): Row => ({
  ...{ scope, time_ms: T + day * DAY_MS, sequence, part: 0, retraction: false },
  ...{ country: 'DE', mask: 0, customer: [sequence, 1] as const, amount: sequence, origin: 1, items: [] },
});

const planOf = (log: LogUnderTest, mode: LogUpkeepMode, before = Number.POSITIVE_INFINITY) =>
  logUpkeepPlan(log.tables.segments, mode, LIMITS, (_, id) => id < before);

const ALL = { start_ms: Number.NEGATIVE_INFINITY, end_ms: Number.POSITIVE_INFINITY };
const shown = (log: LogUnderTest): string[] =>
  ['s', 't'].flatMap((scope) =>
    sorted(
      scanRows(
        viewOf((name) => log.store.table(name)),
        { scope, ...ALL },
        log.dictionary,
      ),
    ),
  );

describe('retention', () => {
  it('writes segments anew that have rows behind the cut, of the scopes that were asked for', () => {
    const log = new LogUnderTest(stores.open('memory').store);
    for (const scope of ['s', 't']) {
      log.append(Array.from({ length: 10 }, (_, at) => row(at, scope, Math.floor(at / 3))));
      log.commit();
      log.writer.dropBefore(scope, T + DAY_MS);
    }
    log.commit();
    expect(planOf(log, 'retention')).toMatchObject([
      { scope: 's', rows: 10, hidden_rows: 3, due: { segments: 1, into: 1, rows: 10, hidden_rows: 3 } },
      { scope: 't', rows: 10, hidden_rows: 3 },
    ]);
    const before = shown(log);
    log.writer.beginUpkeep('job', { mode: 'retention', scopes: ['s'] });
    expect(log.writer.hasUpkeep).toBe(true);
    expect(log.commit()).toMatchObject({ merges: 1, merged: 10, hasKeptUp: true });
    expect(log.writer.hasUpkeep).toBe(false);
    expect(planOf(log, 'retention')).toMatchObject([
      { scope: 's', rows: 7, hidden_rows: 0, due: { segments: 0 } },
      { scope: 't', rows: 10, hidden_rows: 3 },
    ]);
    expect(shown(log)).toEqual(before);
  });

  it('waits where it is urgent, and ends when it is taken back', () => {
    const log = new LogUnderTest(stores.open('memory').store);
    log.append(Array.from({ length: 10 }, (_, at) => row(at, 's', Math.floor(at / 3))));
    log.commit();
    log.writer.dropBefore('s', T + DAY_MS);
    log.commit();
    log.writer.beginUpkeep('job', { mode: 'retention' });
    log.store.transaction(() =>
      expect(log.writer.commit(log.tables, 0, true)).toMatchObject({ merges: 0, hasKeptUp: false }),
    );
    log.writer.endUpkeep('job');
    expect(log.commit()).toMatchObject({ merges: 0, hasKeptUp: false });
    expect(planOf(log, 'retention')).toMatchObject([{ hidden_rows: 3 }]);
  });

  it('does what a cut that moves meanwhile makes due, of the segments that were there', () => {
    const log = new LogUnderTest(stores.open('memory').store);
    for (const scope of ['s', 't']) {
      log.append(Array.from({ length: 10 }, (_, at) => row(at, scope, Math.floor(at / 3))));
      log.commit();
    }
    log.writer.dropBefore('s', T + DAY_MS);
    log.commit();
    log.writer.beginUpkeep('job', { mode: 'retention' });
    expect(log.commit()).toMatchObject({ merges: 1, hasKeptUp: true });
    expect(log.writer.hasUpkeep).toBe(false);
    for (const scope of ['s', 't']) log.writer.dropBefore(scope, T + DAY_MS * (scope === 's' ? 2 : 1));
    expect(log.commit()).toMatchObject({ merges: 1, merged: 10, hasKeptUp: true });
    expect(log.writer.hasUpkeep).toBe(false);
    // That of `s` was written after it was asked for.
    expect(planOf(log, 'retention')).toMatchObject([{ hidden_rows: 3 }, { hidden_rows: 0 }]);
  });
});

describe('compaction', () => {
  const entry = (id: number, rows: number) => ({ id, rows, liveRows: rows });

  it('merges neighbours that are not sealed, as many as fit, and none twice', () => {
    const next = (sizes: readonly number[], isWanted = (_: number) => true) =>
      nextUpkeep(
        sizes.map((rows, id) => entry(id, rows)),
        'compaction',
        LIMITS,
        isWanted,
      );
    expect(next([50, 3, 4, 5])).toEqual({ from: 1, to: 4, rows: 12 });
    expect(next([50, 20, 20, 5])).toEqual({ from: 2, to: 4, rows: 25 });
    expect(next([5, 50, 5])).toBeUndefined();
    expect(next([5, 5, 5], (id) => id !== 1)).toBeUndefined();
    expect(next([1, 35, 35, 2])).toBeUndefined();
    expect(next([])).toBeUndefined();
  });

  it('leaves what comes later for the next time', () => {
    const log = new LogUnderTest(stores.open('memory').store, { ...SMALL, fanout: 9 });
    for (let at = 0; at < 5; at++) {
      log.append([row(at, 's', 0)]);
      log.commit();
    }
    log.writer.beginUpkeep('job', { mode: 'compaction' });
    log.append([row(5, 's', 0)]);
    expect(log.commit()).toMatchObject({ appended: 1, merges: 1, merged: 5 });
    expect([log.writer.hasUpkeep, log.writer.totals().segments]).toEqual([false, 2]);
  });

  it('merges what has become neighbours because a cut has taken what was between', () => {
    const log = new LogUnderTest(stores.open('memory').store, { ...SMALL, fanout: 9 });
    let sequence = 0;
    for (const [rows, day] of [
      [5, 5],
      [45, 0],
      [5, 5],
    ] as const) {
      log.append(Array.from({ length: rows }, () => row(sequence++, 's', day)));
      log.commit();
    }
    log.writer.beginUpkeep('job', { mode: 'compaction' });
    expect(log.commit()).toMatchObject({ merges: 0 });
    expect([log.writer.hasUpkeep, log.writer.totals().segments]).toEqual([false, 3]);
    log.writer.dropBefore('s', T + DAY_MS);
    expect(log.commit()).toMatchObject({ merges: 1, merged: 10, hasKeptUp: true });
    expect([log.writer.hasUpkeep, log.writer.totals().segments]).toEqual([false, 1]);
  });
});

it('what is shown, and its digest, stay through upkeep, commits, cuts and crashes; what was due is done', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = new SeededRandom(seed);
      const log = new LogUnderTest(stores.open('memory').store);
      let sequence = 0;
      for (let commit = 0; commit < random.int(1, 12); commit++) {
        log.append(
          Array.from({ length: random.int(1, 25) }, () =>
            row(sequence++, random.pick(['s', 't']), random.int(0, 9)),
          ),
        );
        if (random.chance(0.4)) log.writer.dropBefore(random.pick(['s', 't']), T + random.int(0, 8) * DAY_MS);
        log.commit();
      }
      // Until nothing is due by itself any more.
      while (log.commit().merges > 0);
      const digest = () => [...logDigest(log.tables.segments)];
      const before = [shown(log), digest()];
      for (const mode of ['retention', 'compaction'] as const) {
        const ends = new Map(planOf(log, mode).map(({ scope, nextId }) => [scope, nextId]));
        const plan = planOf(log, mode);
        log.writer.beginUpkeep('job', { mode });
        if (random.chance(0.3)) {
          log.crash();
          log.writer.beginUpkeep('job', { mode });
        }
        const pieces = plan.reduce((sum, { due }) => sum + due.segments, 0);
        for (let piece = 0; log.writer.hasUpkeep; piece++) {
          expect(piece).toBeLessThanOrEqual(pieces);
          log.commit();
        }
        const left = logUpkeepPlan(
          log.tables.segments,
          mode,
          LIMITS,
          (scope, id) => id < (ends.get(scope) ?? 0),
        );
        expect(left.map(({ due }) => due.segments)).toEqual(left.map(() => 0));
        const segments = (of: ReturnType<typeof planOf>): number =>
          of.reduce((sum, one) => sum + one.segments, 0);
        const removed = plan.reduce((sum, { due }) => sum + due.segments - due.into, 0);
        expect(segments(planOf(log, mode))).toBe(segments(plan) - removed);
        if (mode === 'retention')
          expect(planOf(log, mode).every(({ hidden_rows }) => hidden_rows === 0)).toBe(true);
        expect([shown(log), digest()]).toEqual(before);
        log.writer.endUpkeep('job');
      }
      verifyLog(
        { segments: log.tables.segments, chunks: log.tables.chunks },
        { retraction: 'retraction' },
        log.dictionary,
      );
    }),
  );
});
