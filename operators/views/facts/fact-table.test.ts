import { describe, expect, it } from 'vitest';
import { ByteWriter, type KvStore, type KvTable, MemoryDisk, stringCodec } from '../../../engine/index.ts';
import { sizes } from '../../../test/long.ts';
import { fc } from '../../../test/property.ts';
import { FactKey } from './fact-key.ts';
import { type Fact, FactTable, factTableSpec } from './fact-table.ts';

const DAY_MS = 86_400_000;
const RETAIN_MS = 2 * DAY_MS;
const SLOTS = 3;
type Record = (Fact<string> | undefined)[];

/** A table on a disk, spoken to in events. */
class Subject {
  readonly disk = new MemoryDisk();
  readonly key = new FactKey();
  readonly #cacheRows: number;
  #store!: KvStore;
  table!: FactTable<string>;
  watermark_ms = 0;

  constructor(cacheRows: number) {
    this.#cacheRows = cacheRows;
    this.restart();
  }

  /** What is not committed is lost. */
  restart(): void {
    this.#store = this.disk.open();
    this.table = new FactTable(this.#store.table('t'), stringCodec, {
      retain_ms: RETAIN_MS,
      cacheRows: this.#cacheRows,
    });
    this.table.advance(this.watermark_ms);
  }

  open(scope: string, key: string): void {
    this.key.scope(scope);
    this.key.set(key);
    this.table.open(this.key);
  }

  /** What became of it, and the fact that was there before. */
  apply(scope: string, key: string, slot: number, { time_ms, tie, payload }: Fact<string>) {
    this.open(scope, key);
    const claim = this.table.claim(slot, time_ms, tie);
    const before = this.table.read(slot);
    if (claim !== 'later') {
      const bytes = new ByteWriter();
      stringCodec.write(bytes, payload);
      this.table.write(slot, time_ms, tie, bytes);
    }
    return { claim, before };
  }

  record(scope: string, key: string): Record {
    this.open(scope, key);
    return Array.from({ length: SLOTS }, (_, slot) => this.table.read(slot));
  }

  commit(): void {
    this.#store.transaction(() => this.table.flush(this.watermark_ms));
  }

  advance(by_ms: number): void {
    this.watermark_ms += by_ms;
    this.table.advance(this.watermark_ms);
  }

  stored(): { key: Uint8Array; value: Uint8Array }[] {
    return this.disk.reader().snapshot((table) => [...table('t').scan()]);
  }

  logical(): string[] {
    const rows = (view: Parameters<NonNullable<ReturnType<typeof factTableSpec>['logicalRows']>>[0]) =>
      factTableSpec(1, RETAIN_MS).logicalRows?.(view, this.watermark_ms, () => view) ?? [];
    return this.disk
      .reader()
      .snapshot((table) => [...rows(table('t'))].map((row) => Buffer.from(row).toString('hex')));
  }
}

const fact = (time_ms: number, tie = 0, payload = `p${time_ms}`): Fact<string> => ({ time_ms, tie, payload });

describe('FactTable', () => {
  it('keeps the earliest of each slot, and says what a claim is', () => {
    const subject = new Subject(10);
    expect(subject.apply('s', 'k', 1, fact(10, 5)).claim).toBe('new');
    expect(subject.apply('s', 'k', 1, fact(10, 5)).claim).toBe('later');
    expect(subject.apply('s', 'k', 1, fact(10, 6)).claim).toBe('later');
    expect(subject.apply('s', 'k', 1, fact(11, 0)).claim).toBe('later');
    expect(subject.apply('s', 'k', 1, fact(10, 4, 'tie')).claim).toBe('earlier');
    expect(subject.apply('s', 'k', 1, fact(2 ** 40, 0)).claim).toBe('later');
    expect(subject.apply('s', 'k', 1, fact(9, 9)).before?.payload).toBe('tie');
    expect(subject.apply('s', 'k', 2, fact(2 ** 41 + 1, 0.5)).claim).toBe('new');
    expect(subject.apply('s', 'k', 0, fact(0, 2 ** 53 - 1)).claim).toBe('new');
    expect(subject.record('s', 'k')).toEqual([fact(0, 2 ** 53 - 1), fact(9, 9), fact(2 ** 41 + 1, 0.5)]);
    expect(subject.record('s', 'other')).toEqual([undefined, undefined, undefined]);
  });

  it('payloads of every length come back, also from the store', () => {
    const subject = new Subject(2);
    const lengths = [0, 1, 62, 63, 64, 65, 110, 125, 126, 127, 128, 129, 300, 16_380, 16_390, 70_000];
    for (const length of lengths) {
      subject.apply('s', `k${length}`, 1, fact(5, 5, 'x'.repeat(length)));
      subject.apply('s', `k${length}`, 2, fact(6, 6, 'z'.repeat(length)));
      subject.apply('s', `k${length}`, 0, fact(7, 7, 'y'.repeat(length)));
    }
    for (const again of [false, true]) {
      if (again) {
        subject.commit();
        subject.restart();
      }
      for (const length of lengths) {
        expect(subject.record('s', `k${length}`)).toEqual([
          fact(7, 7, 'y'.repeat(length)),
          fact(5, 5, 'x'.repeat(length)),
          fact(6, 6, 'z'.repeat(length)),
        ]);
      }
    }
  });

  it('keys of any text are apart, and lie in the store as ordered strings', () => {
    const subject = new Subject(4);
    const names = ['', 'a', 'ab', '\0', 'a\0', 'é', '😀', 'ü'.repeat(400), 'x'.repeat(600), 'x'.repeat(601)];
    const pairs = names.flatMap((scope) => names.map((key) => [scope, key] as const));
    for (const [index, [scope, key]] of pairs.entries()) subject.apply(scope, key, 0, fact(index));
    for (const [index, [scope, key]] of pairs.entries()) {
      expect(subject.record(scope, key)[0]).toEqual(fact(index));
    }
    subject.commit();
    const expected = pairs.map(([scope, key]) =>
      new ByteWriter().orderedString(scope).orderedString(key).copy().toString('hex'),
    );
    const stored = subject.stored().map(({ key }) => Buffer.from(key).toString('hex'));
    expect(stored.sort()).toEqual(expected.sort());
  });

  it('holds no more than its limit of clean rows, and all dirty ones', () => {
    const subject = new Subject(100);
    for (let index = 0; index < 1_000; index++) subject.apply('s', `k${index}`, 0, fact(index));
    expect(subject.table.cachedRows).toBe(1_000);
    expect(subject.table.changed_bytes).toBeGreaterThan(10_000);
    subject.commit();
    expect(subject.table.changed_bytes).toBe(0);
    for (let index = 0; index < 1_000; index++) {
      expect(subject.record('s', `k${index}`)[0]).toEqual(fact(index));
    }
    expect(subject.table.cachedRows).toBeLessThanOrEqual(100);
  });

  it('a row that changes for ever keeps a bounded memory', () => {
    const subject = new Subject(100);
    const payload = 'x'.repeat(200_000);
    for (let time_ms = 4_000 * sizes.passing_keys_factor; time_ms > 0; time_ms--) {
      subject.apply('s', 'k', 0, fact(time_ms, 0, payload));
      if (time_ms % 100 === 0) subject.commit();
    }
    expect(subject.table.memory_bytes).toBeLessThan(200 * 1_048_576);
    expect(subject.record('s', 'k')[0]).toEqual(fact(1, 0, payload));
  });

  it('keys pass through a bounded memory', () => {
    const ignore = (): void => {};
    const nowhere: KvTable = {
      get: () => undefined,
      scan: () => [],
      put: ignore,
      remove: ignore,
      removeRange: ignore,
    };
    const table = new FactTable(nowhere, stringCodec, { retain_ms: RETAIN_MS, cacheRows: 10_000 });
    const key = new FactKey();
    const payload = new ByteWriter().string('payload');
    key.scope('s');
    for (let index = 0; index < 1_000_000 * sizes.passing_keys_factor; index++) {
      key.set(`k${index}`);
      table.open(key);
      table.write(0, index, 0, payload);
      if (index % 10_000 === 9_999) table.flush(0);
    }
    expect(table.cachedRows).toBeLessThan(20_000);
    expect(table.memory_bytes).toBeLessThan(16 * 1_048_576);
  });

  it('rows that are forgotten leave nothing behind', () => {
    const subject = new Subject(1_000);
    for (let index = 0; index < 10_000; index++) subject.apply('s', `k${index}`, 0, fact(index));
    subject.commit();
    subject.advance(RETAIN_MS + 2 * DAY_MS);
    for (let commit = 0; commit <= 100; commit++) subject.commit();
    expect(subject.stored()).toHaveLength(0);
    expect(subject.record('s', 'k9999')).toEqual([undefined, undefined, undefined]);
  });

  it('is forgotten to the day after its last commit, in memory as in the store', () => {
    for (const isRestarted of [false, true]) {
      const subject = new Subject(10);
      subject.advance(5 * DAY_MS + 17);
      subject.apply('s', 'k', 0, fact(1));
      subject.commit();
      if (isRestarted) subject.restart();
      // Written on day 5: the row stands until the end of that day and the retention.
      subject.advance(DAY_MS - 17 + RETAIN_MS);
      if (isRestarted) subject.restart();
      expect(subject.record('s', 'k')[0]).toEqual(fact(1));
      expect(subject.logical()).toHaveLength(1);
      subject.advance(1);
      if (isRestarted) subject.restart();
      expect(subject.record('s', 'k')[0]).toBeUndefined();
      expect(subject.logical()).toHaveLength(0);
      expect(subject.apply('s', 'k', 1, fact(7)).claim).toBe('new');
      subject.commit();
      expect(subject.record('s', 'k')).toEqual([undefined, fact(7), undefined]);
      expect(subject.stored()).toHaveLength(1);
    }
  });

  it('is what a plain map of records is, whatever the cache, commits, restarts and time', () => {
    const step = fc.oneof(
      {
        weight: 20,
        arbitrary: fc.record({
          kind: fc.constant('event' as const),
          scope: fc.constantFrom('s', 't'),
          key: fc.constantFrom('a', 'b', 'c', 'd', 'é', ''),
          slot: fc.nat(SLOTS - 1),
          time_ms: fc.integer({ min: 0, max: 4 }),
          tie: fc.nat(2),
          payload: fc.string({ maxLength: 5 }),
        }),
      },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('commit' as const) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant('time' as const),
          by_ms: fc.constantFrom(1, DAY_MS - 1, DAY_MS, RETAIN_MS, RETAIN_MS + DAY_MS),
        }),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 5 }), (steps, cacheRows) => {
        const subject = new Subject(cacheRows);
        const model = new Model();
        for (const item of steps) {
          if (item.kind === 'commit') {
            subject.commit();
            model.commit(subject.watermark_ms);
          } else if (item.kind === 'restart') {
            subject.restart();
            model.restart();
          } else if (item.kind === 'time') {
            subject.advance(item.by_ms);
          } else {
            const { scope, key, slot, time_ms, tie, payload } = item;
            const expected = model.apply(
              `${scope}/${key}`,
              slot,
              { time_ms, tie, payload },
              subject.watermark_ms,
            );
            expect(subject.apply(scope, key, slot, { time_ms, tie, payload })).toEqual(expected);
            expect(subject.record(scope, key)).toEqual(model.record(`${scope}/${key}`, subject.watermark_ms));
          }
        }
        subject.commit();
        model.commit(subject.watermark_ms);
        subject.restart();
        for (const scope of ['s', 't']) {
          for (const key of ['a', 'b', 'c', 'd', 'é', '']) {
            expect(subject.record(scope, key)).toEqual(model.record(`${scope}/${key}`, subject.watermark_ms));
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('forgets nothing that is written after the days that rows tell apart, in 2149', () => {
    const subject = new Subject(10);
    subject.advance(Date.UTC(3000, 0, 1));
    subject.apply('s', 'a', 0, fact(5));
    subject.commit();
    subject.advance(100 * DAY_MS);
    subject.restart();
    expect(subject.record('s', 'a')[0]).toEqual(fact(5));
    subject.commit();
    expect(subject.stored()).toHaveLength(1);
  });

  it('logical rows do not depend on the order of arrival', () => {
    const anyFact = fc.record({
      key: fc.constantFrom('a', 'b'),
      slot: fc.nat(SLOTS - 1),
      time_ms: fc.nat(3),
      tie: fc.nat(1_000_000),
    });
    fc.assert(
      fc.property(
        fc
          .uniqueArray(anyFact, { maxLength: 12, selector: ({ tie }) => tie })
          .chain((facts) =>
            fc.tuple(fc.constant(facts), fc.shuffledSubarray(facts, { minLength: facts.length })),
          ),
        ([facts, shuffled]) => {
          const digests = [facts, shuffled].map((order) => {
            const subject = new Subject(1);
            for (const { key, slot, time_ms, tie } of order) {
              subject.apply('s', key, slot, fact(time_ms, tie, `p${tie}`));
              if (tie % 3 === 0) subject.commit();
            }
            subject.commit();
            return subject.logical();
          });
          expect(digests[0]).toEqual(digests[1]);
        },
      ),
    );
  });
});

/** Committed rows with the day of their commit, and those changed since. */
class Model {
  #committed = new Map<string, { day: number; record: Record }>();
  #changed = new Map<string, Record>();

  record(key: string, watermark_ms: number): Record {
    const changed = this.#changed.get(key);
    if (changed !== undefined) return changed;
    const row = this.#committed.get(key);
    if (row === undefined || (row.day + 1) * DAY_MS + RETAIN_MS < watermark_ms) {
      return new Array<Fact<string> | undefined>(SLOTS).fill(undefined);
    }
    return row.record;
  }

  apply(key: string, slot: number, given: Fact<string>, watermark_ms: number) {
    const record = this.record(key, watermark_ms);
    const before = record[slot];
    if (before !== undefined) {
      const isEarlier =
        given.time_ms < before.time_ms || (given.time_ms === before.time_ms && given.tie < before.tie);
      if (!isEarlier) return { claim: 'later', before };
    }
    this.#changed.set(
      key,
      record.map((other, index) => (index === slot ? given : other)),
    );
    return { claim: before === undefined ? 'new' : 'earlier', before };
  }

  commit(watermark_ms: number): void {
    for (const [key, record] of this.#changed) {
      this.#committed.set(key, { day: Math.floor(watermark_ms / DAY_MS), record });
    }
    this.#changed.clear();
  }

  restart(): void {
    this.#changed.clear();
  }
}
