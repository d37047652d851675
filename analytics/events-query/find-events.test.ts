import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { ANY, wordsOf } from './condition.ts';
import { parseCondition } from './condition-parse.ts';
import { type FindRequest, type FoundPage, findEvents } from './find-events.ts';
import { columnQueries, eventBodies, idOf, queries, START_MS, TestEvents } from './fixture-events.ts';
import { type FilledLog, TEST_TERMS, type TestEvent, TestLog } from './fixture-log.ts';
import { passes, textsIn } from './fixture-oracle.ts';
import { StoredLog } from './fixture-stored-log.ts';

const SIGNAL = new AbortController().signal;
const PROPERTY = { seed: 20_250_801, numRuns: 150 };

/** Messages of one or several events, of two tenants; some rows say what a newer version of their order does. */
function fill(
  events: TestEvents<FilledLog>,
  messages: readonly { bodies: readonly TestEvent[]; tenant: string; isMerged: boolean }[],
): void {
  let id = events.placed.length;
  for (const { bodies, tenant, isMerged } of messages) {
    const named = bodies.map((body) => ({ event_id: `e-${++id}`, ...body }));
    events.publish(tenant, named, isMerged ? { country: 'NL', customer_id: 'c-9', sku: 'k-9' } : undefined);
    if (id % 3 === 0) events.log.correct(events.sequence);
    if (id % 5 === 0) events.skip();
  }
}

const messages = fc.array(
  fc.record({
    bodies: fc.array(eventBodies, { minLength: 1, maxLength: 3 }),
    tenant: fc.constantFrom('a', 'a', 'b'),
    isMerged: fc.boolean(),
  }),
  { minLength: 5, maxLength: 40 },
);

async function pages(
  events: TestEvents<FilledLog>,
  first: FindRequest,
  between: (page: FoundPage) => void = () => {},
): Promise<string[]> {
  const ids: string[] = [];
  let after = first.after;
  for (let page = 0; page < 1_000; page++) {
    const found = await findEvents(events.parts, { ...first, after }, SIGNAL);
    ids.push(...found.events.map(idOf));
    between(found);
    if (found.next === undefined) return ids;
    after = found.next;
  }
  throw new Error('the pages do not end');
}

describe('findEvents', () => {
  it('finds what a look at every event finds, for any query, order, page and merge', async () => {
    let matched = 0;
    await fc.assertRuns(
      fc.asyncProperty(
        messages,
        fc.oneof(queries, columnQueries),
        fc.constantFrom('asc' as const, 'desc' as const),
        fc.constantFrom(1, 3, 1_000),
        fc.constantFrom('rows' as const, 'a full dictionary' as const, 'segments' as const),
        async (input, query, order, limit, kind) => {
          const texts = kind === 'rows' ? {} : { texts_max: 4 };
          const log = kind === 'segments' ? new StoredLog() : new TestLog({ chunk_rows: 8, ...texts });
          const events = new TestEvents<FilledLog>(log);
          fill(events, input);
          events.log.merge();
          const condition = parseCondition(query, TEST_TERMS);
          const expected = events.expected('a', order, (placed) => passes(query, placed));
          matched += expected.length;
          const ids = await pages(events, events.request({ condition, order, limit }));
          expect(ids).toEqual(expected);
        },
      ),
      PROPERTY,
    );
    // The queries are not all of those that nothing passes.
    expect(matched).toBeGreaterThan(500);
  });

  it('finds the words of a full text, without case, in any text of an event', async () => {
    await fc.assert(
      fc.asyncProperty(
        messages,
        fc.constantFrom('strasse', 'gb ORDER', 'οδοσ', '"b"', 'x\\y k-1'),
        async (input, text) => {
          const events = new TestEvents(new TestLog());
          fill(events, input);
          const words = text.toUpperCase().split(' ');
          const expected = events.expected('a', 'desc', ({ event }) =>
            words.every((word) => textsIn(event).some((each) => each.toUpperCase().includes(word))),
          );
          expect(
            await pages(events, events.request({ condition: ANY, words: wordsOf(text), limit: 4 })),
          ).toEqual(expected);
        },
      ),
      { ...PROPERTY, numRuns: 50 },
    );
  });

  it('keeps its pages while events arrive and segments are merged', async () => {
    await fc.assert(
      fc.asyncProperty(messages, messages, queries, async (input, later, query) => {
        const events = new TestEvents(new StoredLog());
        fill(events, input);
        const condition = parseCondition(query, TEST_TERMS);
        const expected = events.expected('a', 'desc', (placed) => passes(query, placed));
        const request = events.request({ condition, limit: 2 });
        let page = 0;
        const ids = await pages(events, request, () => {
          if (page++ % 2 === 0) fill(events, later.slice(0, 3));
          else events.log.merge();
        });
        expect(ids).toEqual(expected);
      }),
      { ...PROPERTY, numRuns: 50 },
    );
  });

  it('goes by what an event says itself, not by what its row has from its order', async () => {
    const events = new TestEvents(new StoredLog());
    const ofOrder = { country: 'NL', customer_id: 'c-9' };
    const time = timeAt(0);
    events.publish('a', [{ event_id: 'empty', type: 'refund.issued', time, country: '' }], ofOrder);
    events.publish('a', [{ event_id: 'none', type: 'refund.issued', time }], ofOrder);
    events.publish('a', [{ event_id: 'other', type: 'order.created', time, country: 'GB' }], ofOrder);
    events.publish('a', [{ event_id: 'own', type: 'order.created', time, ...ofOrder }]);
    const find = async (query: object): Promise<string[]> =>
      pages(events, events.request({ condition: parseCondition(query, TEST_TERMS), order: 'asc' }));
    expect(await find({ field: 'country', eq: '' })).toEqual(['empty']);
    expect(await find({ field: 'country', eq: 'NL' })).toEqual(['own']);
    expect(await find({ field: 'country', ne: 'NL' })).toEqual(['empty', 'none', 'other']);
    expect(await find({ field: 'country', eq: 'GB' })).toEqual(['other']);
    expect(await find({ field: 'customer_id', in: ['c-9'] })).toEqual(['own']);
  });

  it('reads only the chunks that the newest events can be in', async () => {
    const events = new TestEvents(new TestLog({ chunk_rows: 10_000 }));
    for (let at = 0; at < 100_000; at++) {
      events.log.add('a', { event_id: `e-${at}`, type: 'visit', time: timeAt(at) }, at + 1, 0);
      events.payloads.messages.set(at + 1, JSON.stringify({ event_id: `e-${at}` }));
    }
    const request = { ...events.request({ condition: ANY, limit: 5 }), upTo: 100_000 };
    const { events: found, next, scanned } = await findEvents(events.parts, request, SIGNAL);
    expect(found.map(idOf)).toEqual(['e-99999', 'e-99998', 'e-99997', 'e-99996', 'e-99995']);
    expect(next).toEqual({ time_ms: START_MS + 99_995, sequence: 99_996, part: 0 });
    expect(scanned.rows).toBeLessThanOrEqual(70_000);
    expect(scanned.payloads_read).toBe(6);
  });
});

const timeAt = (at: number): string => new Date(START_MS + at).toISOString();

describe('limits of a search', () => {
  const filled = (count: number): TestEvents<TestLog> => {
    const events = new TestEvents(new TestLog({ chunk_rows: 1_000 }));
    for (let at = 0; at < count; at++) {
      const note = at % 100 === 7 ? 'a needle' : 'hay';
      events.publish('a', [{ event_id: `e-${at}`, type: 'visit', time: timeAt(at), data: { note } }]);
    }
    return events;
  };

  it('says that it is not complete where the payloads it may read end, and goes on from there', async () => {
    const events = filled(5_000);
    const request = events.request({ condition: ANY, words: wordsOf('NEEDLE'), payloads_max: 700 });
    const first = await findEvents(events.parts, request, SIGNAL);
    expect(first.complete).toBe(false);
    expect(first.scanned.payloads_read).toBe(700);
    expect(first.events.map(idOf)).toEqual([
      'e-4907',
      'e-4807',
      'e-4707',
      'e-4607',
      'e-4507',
      'e-4407',
      'e-4307',
    ]);
    const ids = await pages(events, request);
    expect(ids).toEqual(events.expected('a', 'desc', ({ event }) => textsIn(event).includes('a needle')));
  });

  it('stops at its deadline in the middle of a batch and leaves nothing out', async () => {
    const events = filled(3_000);
    let looks = 0;
    const request = events.request({
      condition: ANY,
      words: wordsOf('NEEDLE'),
      limit: 30,
      isOver: () => ++looks % 5 === 0,
    });
    let cuts = 0;
    const ids = await pages(events, request, ({ complete }) => {
      if (!complete) cuts++;
    });
    expect(cuts).toBeGreaterThan(1);
    expect(ids).toEqual(events.expected('a', 'desc', ({ event }) => textsIn(event).includes('a needle')));
  });

  it('gives fewer events a page where their payloads are large', async () => {
    const events = new TestEvents(new TestLog());
    const note = 'x'.repeat(600_000);
    for (let at = 0; at < 60; at++) {
      events.publish('a', [{ event_id: `e-${at}`, type: 'visit', time: timeAt(at), data: { note } }]);
    }
    const sizes: number[] = [];
    const ids = await pages(events, events.request({ condition: ANY }), (page) =>
      sizes.push(page.events.length),
    );
    expect(ids).toEqual(events.expected('a', 'desc', () => true));
    expect(sizes.length).toBeGreaterThan(2);
    expect(Math.max(...sizes)).toBeLessThan(30);
  });

  it('ends with its signal', async () => {
    const events = filled(3_000);
    const leaving = new AbortController();
    let selections = 0;
    events.selector.before = () => {
      if (++selections === 2) leaving.abort(new Error('the client left'));
    };
    const request = events.request({ condition: ANY, words: wordsOf('nowhere'), limit: 10 });
    await expect(findEvents(events.parts, request, leaving.signal)).rejects.toThrow('the client left');
    expect(events.payloads.fetched + events.payloads.read_messages).toBe(512);
  });

  it('reads a stream once whose events are in another order than their times', async () => {
    const events = new TestEvents(new TestLog({ chunk_rows: 1_000 }));
    const count = 20_000;
    for (let at = 0; at < count; at++) {
      const time = timeAt((at * 7_919) % count);
      events.publish('a', [
        { event_id: `e-${at}`, type: 'visit', time, data: { note: at === 12_345 ? 'needle' : '' } },
      ]);
    }
    const request = events.request({ condition: ANY, words: wordsOf('needle') });
    const { events: found, complete } = await findEvents(events.parts, request, SIGNAL);
    expect(found.map(idOf)).toEqual(['e-12345']);
    expect(found[0]?.type).toBe('visit');
    expect(complete).toBe(true);
    expect(events.payloads.read_messages).toBeLessThan(2 * count);
    expect(events.payloads.fetched).toBeLessThan(6_000);
  });
});

describe('payloads that are gone', () => {
  const filled = (): TestEvents<TestLog> => {
    const events = new TestEvents(new TestLog());
    for (let at = 0; at < 20; at++) {
      const country = at % 2 === 0 ? 'GB' : 'DE';
      const event = { event_id: `e-${at}`, type: 'visit', time: timeAt(at), country, amount: at };
      events.publish('a', [event], at === 4 ? { country: 'DE' } : undefined);
    }
    events.payloads.first = 11;
    events.payloads.messages.delete(15);
    return events;
  };

  it('shows events by their columns where these decide', async () => {
    const events = filled();
    const condition = parseCondition({ field: 'country', eq: 'GB' }, TEST_TERMS);
    const { events: found, scanned } = await findEvents(events.parts, events.request({ condition }), SIGNAL);
    const shown = found.map(({ amounts, dimensions, missing, text }) => [
      amounts.amount,
      dimensions.country,
      missing,
      text === null,
    ]);
    expect(shown).toEqual([
      [18, 'GB', undefined, false],
      [16, 'GB', undefined, false],
      [14, 'GB', 'deleted', true],
      [12, 'GB', undefined, false],
      [10, 'GB', undefined, false],
      [8, 'GB', 'retention', true],
      [6, 'GB', 'retention', true],
      // Event 4 has the country of its order's newest version: nobody knows its own any more.
      [2, 'GB', 'retention', true],
      [0, 'GB', 'retention', true],
    ]);
    expect(scanned.payloads_missing).toBe(1);
  });

  it('lists those of a type, an order or a source whatever their orders say', async () => {
    const events = filled();
    const condition = parseCondition({ field: 'type', eq: 'visit' }, TEST_TERMS);
    const { events: found, scanned } = await findEvents(events.parts, events.request({ condition }), SIGNAL);
    expect(found.map(({ amounts }) => amounts.amount)).toEqual(
      Array.from({ length: 20 }, (_, at) => 19 - at),
    );
    expect(scanned.payloads_missing).toBe(0);
  });

  it('counts those of which nothing can be said', async () => {
    const events = filled();
    const condition = parseCondition({ field: 'amount', range: { gte: 5 } }, TEST_TERMS);
    const { events: found, scanned } = await findEvents(events.parts, events.request({ condition }), SIGNAL);
    expect(found.map(({ amounts }) => amounts.amount)).toEqual([19, 18, 17, 16, 15, 13, 12, 11, 10]);
    expect(scanned.payloads_missing).toBe(11);
  });

  it('shows no payload of another event that lies at the same place', async () => {
    const events = filled();
    events.payloads.messages.set(20, JSON.stringify({ event_id: 'another', country: 'DE' }));
    const condition = parseCondition({ field: 'country', eq: 'DE' }, TEST_TERMS);
    const { events: found } = await findEvents(events.parts, events.request({ condition, limit: 1 }), SIGNAL);
    expect(found[0]).toMatchObject({ sequence: 20, text: null, missing: 'replaced' });
  });
});
