import { afterEach, describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { QUERIED_STORES, type Queried, QueriedWriter, WINDOWS } from './fixture-interactive.ts';
import { queryTable, type WindowQuery, type WindowRangeQuery } from './interactive.ts';
import { type WindowKey, windowRow } from './interactive-layout.ts';

const running: Queried[] = [];
afterEach(async () => {
  for (const each of running.splice(0)) await each.close();
});

function opened(state: Queried): Queried {
  running.push(state);
  return state;
}

const tenLong = (key: string, start_ms: number): WindowKey => ({ key, start_ms, end_ms: start_ms + 10 });

describe.each(Object.entries(QUERIED_STORES))('windows on %s', (_, open) => {
  it('of a key by their start, page by page', () => {
    const { store, reader } = opened(open());
    const writer = new QueriedWriter(store);
    for (const start_ms of [30, 10, 20]) writer.window(tenLong('a', start_ms), `a${start_ms}`);
    writer.window(tenLong('ab', 10), 'of another key');
    writer.commit();
    const ask = (start_ms: number, end_ms: number, limit = 10) =>
      queryTable(reader, WINDOWS, { kind: 'window', key: 'a', start_ms, end_ms, limit });
    expect(ask(0, 1_000)).toMatchObject({
      values: [
        { key: 'a', start_ms: 10, end_ms: 20, value: 'a10' },
        { start_ms: 20, value: 'a20' },
        { start_ms: 30, value: 'a30' },
      ],
      next_ms: undefined,
    });
    expect(ask(20, 30)).toMatchObject({ values: [{ value: 'a20' }] });
    expect(ask(0, 1_000, 2)).toMatchObject({ values: [{ value: 'a10' }, { value: 'a20' }], next_ms: 30 });
    expect(ask(30, 10)).toMatchObject({ ok: true, values: [] });
  });

  it('that begin together, as growing ones do, are paged without a repeat or a gap', () => {
    const time = fc.integer({ min: 0, max: 4 });
    const window = fc.record({ key: fc.constantFrom('a', 'a\0', ''), start_ms: time, length_ms: time });
    fc.assert(
      fc.property(
        fc.uniqueArray(window, { maxLength: 25, selector: (each) => JSON.stringify(each) }),
        ...([time, time, fc.integer({ min: 1, max: 3 })] as const),
        (windows, from_ms, to_ms, limit) => {
          const { store, reader } = QUERIED_STORES.memory();
          const writer = new QueriedWriter(store);
          const all = windows.map(({ key, start_ms, length_ms }) => ({
            ...{ key, start_ms, end_ms: start_ms + length_ms },
          }));
          for (const each of all) writer.window(each, windowRow(each));
          writer.commit();
          for (const key of ['a', 'a\0', '']) {
            const found: unknown[] = [];
            let next: { start_ms: number; first_end_ms?: number } | undefined = { start_ms: from_ms };
            while (next !== undefined) {
              const query: WindowQuery = { kind: 'window', key, end_ms: to_ms, limit, ...next };
              const page = queryTable(reader, WINDOWS, query);
              if (!page.ok) throw new Error(page.message);
              const { values, next_ms, next_end_ms } = page;
              expect(values.length).toBeLessThanOrEqual(limit);
              found.push(...values);
              next =
                next_ms === undefined
                  ? undefined
                  : { start_ms: next_ms, first_end_ms: next_end_ms as number };
            }
            const expected = all
              .filter((each) => each.key === key && each.start_ms >= from_ms && each.start_ms < to_ms)
              .sort((a, b) => a.start_ms - b.start_ms || a.end_ms - b.end_ms)
              .map((each) => ({ ...each, value: windowRow(each) }));
            expect(found).toEqual(expected);
          }
          const found: unknown[] = [];
          let from: WindowKey | undefined;
          do {
            const query: WindowRangeQuery = { kind: 'windows', start_ms: from_ms, end_ms: to_ms, limit };
            const page = queryTable(reader, WINDOWS, from === undefined ? query : { ...query, from });
            if (!page.ok) throw new Error(page.message);
            expect(page.values.length).toBeLessThanOrEqual(limit);
            found.push(...page.values);
            from = page.next;
          } while (from !== undefined);
          const ofAll = all
            .filter((each) => each.start_ms >= from_ms && each.start_ms < to_ms)
            .sort(
              (a, b) =>
                (a.key < b.key ? -1 : a.key > b.key ? 1 : 0) ||
                a.start_ms - b.start_ms ||
                a.end_ms - b.end_ms,
            );
          expect(found).toEqual(ofAll.map((each) => ({ ...each, value: windowRow(each) })));
        },
      ),
    );
  });
});
