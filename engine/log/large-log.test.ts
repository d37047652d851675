import { afterEach, describe, expect, it } from 'vitest';
import { type LogSchema, RowBatch } from '../columns/index.ts';
import { STORE_KINDS, StoreFixture } from '../state/fixture-stores.ts';
import { fillBatch, LogUnderTest, type Row, SCHEMA, scanRows, viewOf } from './fixture-log.ts';
import { DAY_MS } from './layout.ts';
import { logDigest } from './log-digest.ts';
import { LogWriter } from './log-writer.ts';
import { planScan, scanChunks, selectRows } from './scan.ts';
import { verifyLog } from './verify-log.ts';

const T = Date.UTC(2024, 0, 1);
const ALL = { scope: 's', start_ms: 0, end_ms: Number.MAX_SAFE_INTEGER };
const stores = new StoreFixture();
afterEach(() => stores.close());

function row(sequence: number, change: Partial<Row> = {}): Row {
  return {
    ...{ scope: 's', time_ms: T + sequence * 1_000, sequence, part: 0, retraction: false, mask: 1 },
    ...{ country: ['DE', 'FR', 'GB'][sequence % 3] as string, customer: [1, (sequence * 7_919) % 5_000] },
    ...{ amount: sequence % 7 === 0 ? Number.NaN : sequence, origin: Number.NaN, items: [] },
    ...change,
  } as Row;
}

/** Many rows without an object for each. */
function fillMany(batch: RowBatch, from: number, to: number): void {
  const template = row(0);
  for (let sequence = from; sequence < to; sequence++) {
    fillBatch(batch, [template]);
    const at = batch.length - 1;
    batch.time_ms[at] = T + sequence * 1_000;
    batch.sequence[at] = sequence;
    (batch.columns.hashes[0]?.lo as Int32Array)[at] = (sequence * 7_919) % 5_000;
    (batch.columns.numbers[0] as Float64Array)[at] = sequence;
  }
}

describe.each(STORE_KINDS)('a log of many rows over %s', (kind) => {
  it('holds commits of more rows than a chunk and sorts what it merges', () => {
    const { store, reader } = stores.open(kind);
    const limits = { sealed_min_rows: 150_000, segment_max_rows: 300_000 };
    const log = new LogUnderTest(store, limits);
    const batch = new RowBatch(SCHEMA, log.dictionary);
    for (const [from, to] of [
      [0, 70_000],
      [70_000, 71_500],
      [71_500, 160_000],
    ] as const) {
      batch.clear();
      fillMany(batch, from, to);
      log.writer.append(batch);
      log.commit();
    }
    expect(log.writer.totals()).toMatchObject({ segments: 1, rows: 160_000 });
    reader().snapshot((table) => {
      const view = viewOf(table);
      const request = { ...ALL, start_ms: T + 5_000_000, end_ms: T + 150_000_000, upTo: 120_000 };
      const plan = planScan(view, request);
      expect(plan.chunks.length).toBeGreaterThan(1);
      let [sum, count, runs] = [0, 0, 0];
      scanChunks(view, plan, SCHEMA, (chunk) => {
        const selected = new Uint32Array(chunk.rows);
        const found = selectRows(chunk, plan.request, selected);
        const amount = chunk.number(0);
        for (let at = 0; at < found; at++) sum += amount[selected[at] as number] as number;
        count += found;
        const { index } = chunk.hash(0);
        for (let at = 1; at < chunk.rows; at++) if (index?.[at] !== index?.[at - 1]) runs++;
      });
      expect(count).toBe(120_000 - 5_000 + 1);
      expect(sum).toBe(((5_000 + 120_000) * count) / 2);
      // Rows of a customer of a day follow one another.
      expect(runs).toBeLessThan(5_000 * 3);
      expect(verifyLog(view, SCHEMA, log.dictionary).rows).toBe(160_000);
    });
  });
});

describe('a log whose columns change', () => {
  const wider: LogSchema = {
    ...SCHEMA,
    columns: [...SCHEMA.columns, { name: 'channel', kind: 'code', text: true }],
  };
  const narrower: LogSchema = { ...SCHEMA, columns: SCHEMA.columns.filter(({ name }) => name !== 'mask') };

  it('gives none for a column that a segment lacks, and keeps the digest when one is added', () => {
    const log = new LogUnderTest(stores.open('memory').store);
    log.append([row(1)]);
    log.commit();
    log.append([row(2)]);
    log.commit();
    const digest = [...logDigest(log.tables.segments)];
    const writer = new LogWriter(log.tables, wider, { fanout: 3 });
    const batch = fillBatch(new RowBatch(wider, log.dictionary), [row(3)]);
    (batch.columns.codes[3] as Int32Array)[0] = 0;
    writer.append(batch);
    log.store.transaction(() => writer.commit(log.tables));
    expect(writer.totals().segments).toBe(1);
    const channels: (number | undefined)[] = [];
    scanChunks(log.tables, planScan(log.tables, ALL), wider, (chunk) => {
      const { index, values } = chunk.code(3);
      for (let at = 0; at < chunk.rows; at++) channels.push(values[index?.[at] ?? 0]);
    });
    expect(channels).toEqual([0, 0, 0]);
    const fresh = new LogUnderTest(stores.open('memory').store);
    fresh.append([row(1), row(2)]);
    fresh.commit();
    expect([...logDigest(fresh.tables.segments)]).toEqual(digest);
    fresh.append([row(3)]);
    fresh.commit();
    expect([...logDigest(fresh.tables.segments)]).toEqual([...logDigest(log.tables.segments)]);
  });

  it('keeps a column that is declared no more, through a merge', () => {
    const log = new LogUnderTest(stores.open('memory').store);
    log.append([row(1, { mask: 77 })]);
    log.commit();
    const writer = new LogWriter(log.tables, narrower, { fanout: 2 });
    const batch = new RowBatch(narrower, log.dictionary);
    const at = batch.append();
    batch.time_ms[at] = T;
    batch.sequence[at] = 2;
    batch.scope[at] = log.dictionary.codeOf('s');
    writer.append(batch);
    log.store.transaction(() => writer.commit(log.tables));
    expect(writer.totals().segments).toBe(1);
    expect(scanRows(log.tables, ALL, log.dictionary).map(({ mask }) => mask)).toEqual([77, 0]);
    expect(verifyLog(log.tables, SCHEMA, log.dictionary).rows).toBe(2);
  });

  it('refuses a column of another kind', () => {
    const log = new LogUnderTest(stores.open('memory').store);
    log.append([row(1)]);
    log.commit();
    const columns = SCHEMA.columns.map((spec) =>
      spec.name === 'mask' ? { name: 'mask', kind: 'number' as const } : spec,
    );
    const changed = expect.objectContaining({ code: 'log_column_changed' });
    expect(() => new LogWriter(log.tables, { ...SCHEMA, columns })).toThrowError(changed);
    expect(() =>
      scanChunks(log.tables, planScan(log.tables, ALL), { ...SCHEMA, columns }, () => undefined),
    ).toThrowError(changed);
  });
});

describe('a tenant with a limit in bytes', () => {
  it('loses its oldest days first, and never its newest', () => {
    const rows = Array.from({ length: 400 }, (_unused, at) => row(at, { time_ms: T + (at % 20) * DAY_MS }));
    const kept = (scope_max_bytes: number): { first: number; bytes: number } => {
      const log = new LogUnderTest(stores.open('memory').store, { scope_max_bytes });
      for (let at = 0; at < rows.length; at += 40) {
        log.append(rows.slice(at, at + 40));
        log.append([row(at, { scope: 'other', time_ms: T })]);
        log.commit();
      }
      expect(scanRows(log.tables, { ...ALL, scope: 'other' }, log.dictionary).length).toBeGreaterThan(0);
      verifyLog(log.tables, SCHEMA, log.dictionary);
      const first = Math.min(...scanRows(log.tables, ALL, log.dictionary).map(({ time_ms }) => time_ms));
      return { first: (first - T) / DAY_MS, bytes: log.writer.totals().bytes };
    };
    const all = kept(1_000_000);
    expect(all.first).toBe(0);
    const half = kept(all.bytes / 2);
    expect(half.first).toBeGreaterThan(4);
    expect(half.first).toBeLessThan(19);
    expect(half.bytes).toBeLessThan(all.bytes);
    expect(kept(1).first).toBe(19);
  });
});

describe('a check of a log', () => {
  it('names what is not as the manifests say', () => {
    const broken = (change: (log: LogUnderTest, key: Uint8Array, value: Uint8Array) => void) => {
      const log = new LogUnderTest(stores.open('memory').store);
      log.append([row(1), row(2)]);
      log.commit();
      expect(verifyLog(log.tables, SCHEMA, log.dictionary)).toEqual({ segments: 1, rows: 2 });
      const [head] = [...log.tables.chunks.scan()];
      if (head === undefined) throw new Error('a chunk has a head');
      log.store.transaction(() => change(log, head.key, Uint8Array.from(head.value)));
      expect(() => verifyLog(log.tables, SCHEMA, log.dictionary)).toThrowError(
        expect.objectContaining({ code: expect.stringMatching(/^log_(corrupt|segment_gone)$/) }),
      );
    };
    broken((log, key) => log.tables.chunks.remove(key));
    broken((log, key, value) => log.tables.chunks.put(Uint8Array.of(...key, 0), value));
    broken((log, key, value) => {
      // The last column that has values: amounts.
      value[value.length - 8] = (value[value.length - 8] as number) ^ 1;
      log.tables.chunks.put(key, value);
    });
  });
});
