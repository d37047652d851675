import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { stringCodec } from '../base/index.ts';
import { QUERIED_STORES, QueriedWriter } from '../query/fixture-interactive.ts';
import type { TableQuery } from '../query/index.ts';
import {
  type AnsweredPart,
  answerParts,
  continued,
  type GatheredAnswer,
  type GatheredRow,
  type HeldPart,
  mergeParts,
} from './index.ts';

type Row = { readonly key: string; readonly start_ms: number; readonly end_ms: number; readonly in: number };

/** Rows spread over partitions, each a state of its own. */
function partitionsOf(rows: readonly Row[], n: number): readonly HeldPart[] {
  return Array.from({ length: n }, (_, at) => {
    const { store, reader } = QUERIED_STORES.memory();
    const writer = new QueriedWriter(store);
    for (const { key, start_ms, end_ms, in: partition } of rows) {
      if (partition % n !== at) continue;
      writer.row(key, `${key} in ${at}`);
      writer.window({ key, start_ms, end_ms }, `${key} ${start_ms} ${end_ms} in ${at}`);
    }
    writer.commit();
    return {
      ...{ partition: String(at), role: 'owner', epoch: 7, isSure: true, staleness_ms: 0 },
      reader: () => reader,
      codecOf: () => stringCodec,
    } satisfies HeldPart;
  });
}

function gathered(
  parts: readonly HeldPart[],
  table: string,
  query: TableQuery,
  reverseArrival = false,
): GatheredAnswer {
  const answers = answerParts(parts, { table, query });
  for (const answer of answers) if (!answer.ok) throw new Error(`${answer.reason}: ${answer.message}`);
  const arrived = reverseArrival ? [...answers].reverse() : answers;
  return mergeParts(query, arrived as AnsweredPart[], []);
}

/** All pages of a query, each after the former one's end. */
function allPages(parts: readonly HeldPart[], table: string, query: TableQuery): readonly GatheredRow[] {
  const rows: GatheredRow[] = [];
  let at: TableQuery | undefined = query;
  for (let pages = 0; at !== undefined; pages++) {
    if (pages > 200) throw new Error('the pages come to no end');
    const answer: GatheredAnswer = gathered(parts, table, at);
    rows.push(...answer.rows);
    at = answer.next === undefined ? undefined : continued(at, answer.next);
  }
  return rows;
}

const key = fc.constantFrom(
  '',
  'a',
  'a\0',
  'ab',
  'b',
  'é',
  'z',
  '日',
  '💡',
  'order-1',
  'order-10',
  'order-2',
);
const row = fc.record({
  key,
  start_ms: fc.integer({ min: 0, max: 5 }).map((n) => n * 10),
  end_ms: fc.integer({ min: 60, max: 63 }),
  in: fc.nat(7),
});
const rows = fc.array(row, { maxLength: 40 });

const inOrder = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

describe('parts of an answer put together', () => {
  it('give every row of a range once, in order, whatever the limit, the direction and the number of partitions', () => {
    fc.assert(
      fc.property(
        rows,
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 7 }),
        fc.boolean(),
        (of, n, limit, reverse) => {
          const found = allPages(partitionsOf(of, n), 'op/rows', { kind: 'range', limit, reverse });
          const wanted = [...new Set(of.map(({ key: k, in: p }) => JSON.stringify([k, p % n])))]
            .map((text) => JSON.parse(text) as [string, number])
            .sort(([a, p], [b, q]) => (reverse ? inOrder(b, a) : inOrder(a, b)) || p - q);
          expect(found.map(({ key: k, partition }) => [k, Number(partition)])).toEqual(wanted);
        },
      ),
    );
  });

  it('give every window once, in order', () => {
    fc.assert(
      fc.property(
        rows,
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 5 }),
        fc.boolean(),
        fc.boolean(),
        (of, n, limit, reverse, ofOneKey) => {
          const asked: TableQuery = ofOneKey
            ? { kind: 'window', key: 'a', start_ms: 0, end_ms: 100, limit, reverse }
            : { kind: 'windows', start_ms: 10, end_ms: 50, limit, reverse };
          const found = allPages(partitionsOf(of, n), 'op/windows', asked);
          const isIn = (w: Row): boolean => (ofOneKey ? w.key === 'a' : w.start_ms >= 10 && w.start_ms < 50);
          const texts = of.filter(isIn).map((w) => JSON.stringify([w.key, w.start_ms, w.end_ms, w.in % n]));
          const wanted = [...new Set(texts)]
            .map((text) => JSON.parse(text) as [string, number, number, number])
            .sort(([a, s, e, p], [b, t, f, q]) => {
              const by = inOrder(a, b) || s - t || e - f;
              return (reverse ? -by : by) || p - q;
            });
          const got = found.map((w) => [w.key, w.start_ms, w.end_ms, Number(w.partition)]);
          expect(got).toEqual(wanted);
        },
      ),
    );
  });

  it('are the same bytes in whatever order they came', () => {
    const parts = partitionsOf(
      Array.from({ length: 30 }, (_, at) => ({ key: `k${at % 11}`, start_ms: at, end_ms: 90, in: at })),
      4,
    );
    const query: TableQuery = { kind: 'prefix', prefix: 'k', limit: 9 };
    const [straight, turned] = [false, true].map((way) =>
      JSON.stringify(gathered(parts, 'op/rows', query, way)),
    );
    expect(turned).toBe(straight);
  });

  it('of one key say which partitions have it, and what each part is of', () => {
    const parts = partitionsOf([{ key: 'x', start_ms: 0, end_ms: 60, in: 2 }], 3);
    const answer = gathered(parts, 'op/rows', { kind: 'key', key: 'x' });
    expect(answer.rows).toEqual([{ key: 'x', value: 'x in 2', partition: '2' }]);
    expect(answer.parts.map(({ partition, role, epoch }) => [partition, role, epoch])).toEqual([
      ['0', 'owner', 7],
      ['1', 'owner', 7],
      ['2', 'owner', 7],
    ]);
    expect(answer.watermark_ms).toBe(1);
    expect(answer.missing).toEqual([]);
  });

  it('refuse what only an owner may answer, and what is too stale, by partition', () => {
    const [one] = partitionsOf([], 1) as [HeldPart];
    const query: TableQuery = { kind: 'key', key: 'x' };
    const reasonOf = (held: Partial<HeldPart>, rest = {}): string => {
      const [part] = answerParts([{ ...one, ...held }], { table: 'op/rows', query, ...rest });
      return part === undefined || part.ok ? 'answered' : part.reason;
    };
    expect(reasonOf({ role: 'standby' }, { require: 'owner' })).toBe('not_owner');
    expect(reasonOf({ isSure: false }, { require: 'owner' })).toBe('not_owner');
    expect(reasonOf({ role: 'standby' })).toBe('answered');
    expect(reasonOf({ staleness_ms: undefined }, { max_staleness_ms: 1_000 })).toBe('too_stale');
    expect(reasonOf({ staleness_ms: 1_001 }, { max_staleness_ms: 1_000 })).toBe('too_stale');
    expect(reasonOf({ staleness_ms: 1_000 }, { max_staleness_ms: 1_000 })).toBe('answered');
    expect(reasonOf({}, { position: { S: { 0: 2 } } })).toBe('not_up_to_bound');
    expect(reasonOf({ reader: () => undefined })).toBe('not_open');
    expect(answerParts([one], { table: 'op/rows', query, partitions: ['5'] })).toEqual([]);
  });
});
