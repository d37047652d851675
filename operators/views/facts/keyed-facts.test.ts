import { describe, expect, it } from 'vitest';
import { SeededRandom, type Stream, stringCodec } from '../../../engine/index.ts';
import { fc } from '../../../test/property.ts';
import { Pipeline } from '../../fixture-pipeline.ts';
import { type FactChange, keyedFacts, type WithFacts } from './keyed-facts.ts';

interface Event {
  readonly scope: string;
  readonly order: string;
  readonly kind: 'created' | 'paid' | 'both' | 'none';
  readonly time_ms: number;
  readonly id: number;
}

const SLOTS = { created: [0], paid: [1], both: [0, 1], none: [] };

const DAY_MS = 86_400_000;

const build =
  (
    cacheRows = 100,
    retain_ms = 1_000_000,
    more: { kindOf?: (event: Event) => number; alongWith?: readonly (readonly number[])[] } = {},
  ) =>
  (input: Stream<Event>): Stream<WithFacts<Event, string>> =>
    input.pipe(
      keyedFacts<Event, string>('facts', {
        entities: [
          {
            name: 'order',
            slots: ['created', 'paid'],
            slotsOf: ({ kind }) => SLOTS[kind],
            keyOf: ({ order }) => order,
            ...(more.alongWith === undefined ? {} : { alongWith: more.alongWith }),
          },
        ],
        ...(more.kindOf === undefined ? {} : { kindOf: more.kindOf }),
        scopeOf: ({ scope }) => scope,
        timeOf: ({ time_ms }) => time_ms,
        tieOf: ({ id }) => id,
        payloadOf: ({ id }) => `payload ${id}`,
        payloadCodec: stringCodec,
        version: 1,
        retain_ms,
        cacheRows,
      }),
    );

const event = (kind: Event['kind'], time_ms: number, id: number, order = 'o', scope = 's'): Event => ({
  scope,
  order,
  kind,
  time_ms,
  id,
});
const changesOf = (pipeline: Pipeline<Event, WithFacts<Event, string>>): FactChange<string>[] =>
  pipeline.out.flatMap(({ changes }) => changes);

describe('keyedFacts', () => {
  it('an event becomes a fact; an earlier one displaces it, a later one does not', async () => {
    const pipeline = await Pipeline.start(build());
    await pipeline.push(event('created', 10, 1), event('created', 5, 2), event('created', 7, 3));
    const [first, second] = changesOf(pipeline);
    expect(pipeline.out).toHaveLength(3);
    expect(changesOf(pipeline)).toHaveLength(2);
    expect(first).toMatchObject({ slot: 0, before: undefined, after: { time_ms: 10, payload: 'payload 1' } });
    expect(second).toMatchObject({
      before: { time_ms: 10, payload: 'payload 1' },
      after: { time_ms: 5, payload: 'payload 2' },
    });
  });

  it('of equal times the smaller tie stands, whatever the order', async () => {
    for (const ids of [
      [1, 2],
      [2, 1],
    ]) {
      const pipeline = await Pipeline.start(build());
      for (const id of ids) await pipeline.push(event('created', 10, id));
      expect(changesOf(pipeline).at(-1)?.after.payload).toBe('payload 1');
    }
  });

  it('each change carries the facts just after it, also within one batch', async () => {
    const pipeline = await Pipeline.start(build());
    await pipeline.push(event('created', 10, 1), event('paid', 20, 2), event('created', 5, 3));
    const times = changesOf(pipeline).map(({ record }) => record.map((fact) => fact?.time_ms));
    expect(times).toEqual([
      [10, undefined],
      [10, 20],
      [5, 20],
    ]);
  });

  it('scopes and keys are apart, and events without a key or a slot change nothing', async () => {
    const pipeline = await Pipeline.start(build());
    await pipeline.push(
      event('created', 1, 1),
      event('created', 2, 2, 'o', 'other'),
      event('created', 3, 3, 'p'),
      event('created', 0, 4, ''),
      event('none', 0, 5),
    );
    expect(pipeline.out.map(({ changes }) => changes.length)).toEqual([1, 1, 1, 0, 0]);
    expect(changesOf(pipeline).every(({ before }) => before === undefined)).toBe(true);
  });

  it('a change carries only the facts that it is to go along with', async () => {
    const pipeline = await Pipeline.start(build(100, 1_000_000, { alongWith: [[], [0]] }));
    await pipeline.push(event('paid', 20, 1), event('created', 10, 2), event('paid', 15, 3));
    const times = changesOf(pipeline).map(({ record }) => record.map((fact) => fact?.time_ms));
    expect(times).toEqual([[], [], [10, 15]]);
  });

  it('events of a kind claim what the first of the kind did', async () => {
    const kinds = Object.keys(SLOTS);
    let asked = 0;
    const kindOf = ({ kind }: Event): number => {
      asked++;
      return kinds.indexOf(kind);
    };
    const events = kinds.flatMap((kind, index) => [
      event(kind as Event['kind'], 10 - index, index, 'a'),
      event(kind as Event['kind'], 20, index, `b${index}`),
    ]);
    const [plain, known] = await Promise.all([
      Pipeline.start(build()),
      Pipeline.start(build(100, 1_000_000, { kindOf })),
    ]);
    await plain.push(...events);
    await known.push(...events);
    expect(known.out).toEqual(plain.out);
    expect(asked).toBe(events.length);
  });

  it('forgets an entity its retention after its newest fact, by the watermark', async () => {
    // Forgetting is what expiry of the table does; without a watermark nothing is forgotten.
    const pipeline = await Pipeline.start(build(100, DAY_MS));
    await pipeline.push(event('created', 10, 1));
    pipeline.commit();
    await pipeline.push(event('created', 9 * DAY_MS, 2));
    expect(changesOf(pipeline)).toHaveLength(1);
    await pipeline.advanceTo(2 * DAY_MS);
    await pipeline.push(event('created', 9 * DAY_MS, 3));
    expect(changesOf(pipeline)).toHaveLength(1);
    await pipeline.advanceTo(2 * DAY_MS + 1);
    await pipeline.push(event('created', 9 * DAY_MS, 4));
    expect(changesOf(pipeline)).toHaveLength(2);
    const again = await pipeline.restart();
    await again.advanceTo(2 * DAY_MS + 1);
    await again.push(event('created', 9 * DAY_MS, 4));
    expect(changesOf(again)).toHaveLength(1);
    again.commit();
    await again.push(event('created', 9 * DAY_MS, 5));
    expect(changesOf(again)).toHaveLength(1);
  });

  it('stops at a time that is none', async () => {
    for (const time_ms of [-1, 0.5, Number.NaN, 2 ** 48]) {
      const pipeline = await Pipeline.start(build());
      await expect(pipeline.push(event('created', time_ms, 1))).rejects.toThrow('whole ms');
    }
    // Whatever came before it.
    for (const [time_ms, id, why] of [
      [Number.NaN, 2, 'whole ms'],
      [10.5, 2, 'whole ms'],
      [2 ** 48, 2, 'whole ms'],
      [10, Number.NaN, 'tieOf'],
    ] as const) {
      const pipeline = await Pipeline.start(build());
      await pipeline.push(event('created', 10, 1));
      await expect(pipeline.push(event('created', time_ms, id))).rejects.toThrow(why);
    }
  });

  it('forgets also what was written before the watermark came to 1970', async () => {
    const pipeline = await Pipeline.start(build(100, DAY_MS));
    await pipeline.advanceTo(-5);
    await pipeline.push(event('created', 10, 1));
    pipeline.commit();
    await pipeline.advanceTo(2 * DAY_MS + 1);
    await pipeline.push(event('created', 10, 1));
    expect(changesOf(pipeline)).toHaveLength(2);
  });

  it('what is counted by the changes is the earliest of each, for any order, batches, commits, restarts and cache', async () => {
    const anyEvent = fc.record({
      scope: fc.constantFrom('s', 't'),
      order: fc.constantFrom('a', 'b', 'c'),
      kind: fc.constantFrom('created' as const, 'paid' as const, 'both' as const),
      time_ms: fc.integer({ min: 0, max: 5 }),
      id: fc.nat(1_000_000),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(anyEvent, { maxLength: 30, selector: ({ id }) => id }),
        fc.integer(),
        async (events, seed) => {
          const expected = new Map<string, string>();
          for (const { scope, order, kind, time_ms, id } of events) {
            for (const slot of SLOTS[kind]) {
              const key = `${scope}/${order}/${slot}`;
              const known = expected.get(key);
              const rank = `${time_ms}/${String(id).padStart(8, '0')}`;
              if (known === undefined || rank < known) expected.set(key, rank);
            }
          }
          const random = new SeededRandom(seed);
          let pipeline = await Pipeline.start(build(random.int(1, 4)));
          const counted = new Map<string, number>();
          const count = (key: string, by: number): void => {
            const sum = (counted.get(key) ?? 0) + by;
            if (sum === 0) counted.delete(key);
            else counted.set(key, sum);
          };
          for (const item of random.shuffled(events)) {
            await pipeline.push(item);
            const rank = (fact: { time_ms: number; tie: number }): string =>
              `${fact.time_ms}/${String(fact.tie).padStart(8, '0')}`;
            for (const { slot, before, after } of changesOf(pipeline)) {
              const place = `${item.scope}/${item.order}/${slot}`;
              if (before !== undefined) count(`${place}=${rank(before)}`, -1);
              count(`${place}=${rank(after)}`, 1);
            }
            pipeline.out.length = 0;
            if (random.chance(0.3)) pipeline.commit();
            if (random.chance(0.1)) {
              pipeline.commit();
              pipeline = await pipeline.restart();
            }
          }
          expect([...counted].sort()).toEqual(
            [...expected].map(([key, rank]) => [`${key}=${rank}`, 1]).sort(),
          );
        },
      ),
      { numRuns: 60 },
    );
  });
});
