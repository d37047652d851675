import { describe, expect, it } from 'vitest';
import { PlanStale } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import type { ColumnTest } from './column-tests.ts';
import { eventBodies } from './fixture-events.ts';
import { TEST_TERMS, TestLog } from './fixture-log.ts';
import { StoredLog } from './fixture-stored-log.ts';
import type { Position } from './position.ts';
import { selectEvents } from './select-kind.ts';
import type { SelectRequest } from './select-request.ts';

const NEVER = { isCancelled: () => false, check: () => {} };
const CONTEXT = {
  table: () => {
    throw new Error('no tables');
  },
  scope: 'a',
  progress: undefined,
  now_ms: 0,
};

const tests: readonly (readonly ColumnTest[])[] = [
  [],
  [{ kind: 'text', columns: ['country'], items: [], texts: ['GB', 'DE'] }],
  [{ kind: 'hash', column: 'customer', hashes: [TEST_TERMS.idHash('a', 'c-1')] }],
];

describe('selectEvents', () => {
  it('gives the same events however many rows a look takes, and in whatever parts it is done', () => {
    fc.assert(
      fc.property(
        fc.array(eventBodies, { minLength: 1, maxLength: 60 }),
        fc.constantFrom(...tests),
        fc.constantFrom('asc' as const, 'desc' as const),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 40 }),
        fc.boolean(),
        (bodies, asked, order, limit, rows_max, isMerged) => {
          const log = new TestLog({ chunk_rows: 4 });
          for (const [index, body] of bodies.entries()) {
            log.add(index % 4 === 3 ? 'b' : 'a', { event_id: `e-${index}`, ...body }, index + 1, 0);
          }
          if (isMerged) log.merge();
          const kind = selectEvents(() => log);
          const base = {
            start_ms: 0,
            end_ms: 1e15,
            upTo: bodies.length - 2,
            order,
            tests: asked,
            withColumns: true,
          };
          const select = (request: SelectRequest) => {
            const plan = kind.plan(CONTEXT, request);
            const parts = plan.parts.flatMap(({ work }) =>
              work.chunks.map((chunk) => ({ ...work, chunks: [chunk] })),
            );
            const bytes = parts.map((part) => kind.partial(CONTEXT, plan, part, NEVER));
            while (bytes.length > 1) {
              // In any order and grouping.
              const [first, second] = [bytes.shift() as Uint8Array, bytes.pop() as Uint8Array];
              bytes.push(kind.merge(second, first));
            }
            return kind.finish(CONTEXT, plan, bytes[0]);
          };
          const whole = select({ ...base, limit: 1_000, rows_max: 1_000 });
          expect(whole.more).toBeUndefined();
          const found: number[] = [];
          let after: Position | undefined;
          let rows = rows_max;
          for (let looks = 0; ; looks++) {
            expect(looks).toBeLessThan(500);
            const request = { ...base, limit, rows_max: rows, ...(after === undefined ? {} : { after }) };
            const { length, time_ms, sequence, part, columns, more } = select(request);
            for (let at = 0; at < length; at++) {
              found.push(sequence[at] as number);
              after = {
                time_ms: time_ms[at] as number,
                sequence: sequence[at] as number,
                part: part[at] as number,
              };
              const place = columns?.text.country?.[at] ?? 0;
              expect(columns?.texts[place]).toBe(bodies[(sequence[at] as number) - 1]?.country ?? '');
            }
            if (more === undefined) break;
            // As who asks does: more rows where the edge of what was looked at brought nothing.
            if (more !== 'limited') rows *= 2;
          }
          expect(found).toEqual([...whole.sequence]);
        },
      ),
      { seed: 11, numRuns: 300 },
    );
  });

  it('says of a plan whose segments were merged since that it has to be made again', () => {
    const log = new StoredLog();
    for (let at = 1; at <= 30; at++)
      log.add('a', { event_id: `e-${at}`, type: 'visit', time: '2025-09-01T10:00:00Z' }, at, 0);
    const kind = selectEvents(() => log);
    const range = { start_ms: 0, end_ms: 1e15, upTo: 30 };
    const plan = kind.plan(CONTEXT, {
      ...range,
      order: 'asc',
      limit: 9,
      rows_max: 99,
      tests: [],
      withColumns: true,
    });
    const run = () => plan.parts.map(({ work }) => kind.partial(CONTEXT, plan, work, NEVER));
    expect(run().length).toBeGreaterThan(0);
    for (let at = 31; at <= 90; at++)
      log.add('a', { event_id: `e-${at}`, type: 'visit', time: '2025-09-01T10:00:00Z' }, at, 0);
    log.merge();
    expect(run).toThrow(PlanStale);
  });
});
