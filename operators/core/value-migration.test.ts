import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  type Codec,
  floatCodec,
  intCodec,
  jsonCodec,
  queryTable,
  type Sides,
  type Stream,
  TestDriver,
  type TestSnapshot,
  TopologyTestDriver,
  topology,
} from '../../engine/index.ts';
import { keyedProcess, type ProcessContext } from '../process/index.ts';
import { tableOf, toTable, toWindowTable, windowTableOf } from '../views/index.ts';
import { json } from './json.ts';
import { watermark } from './watermark.ts';

interface Visit {
  readonly user: string;
  readonly at_ms: number;
}
const visit = (user: string, at_ms: number): Visit => ({ user, at_ms });

interface Common {
  readonly version?: number;
  readonly eventVersion?: number;
}

/** The first program: the state is a number of visits, told in a timer; events wait in the order of time. */
const counting = (config: Common = {}) =>
  keyedProcess<Visit, string, number>('visits', {
    keyOf: ({ user }) => user,
    timeOf: ({ at_ms }) => at_ms,
    order: 'time',
    initial: () => 0,
    onEvent: ({ at_ms }, { state, setState, timers }) => {
      setState(state + 1);
      timers.set(at_ms + 1_000);
    },
    onTimer: (_, { key, state, emit }) => emit(`${key} ${state}`),
    ...config,
  });

interface Seen {
  readonly visits: number;
  readonly pages: readonly string[];
}
interface Page extends Visit {
  readonly page: string;
}

/** The next one: visits have pages. */
const paging = (config: Partial<Parameters<typeof keyedProcess<Page, string, Seen>>[1]>) =>
  keyedProcess<Page, string, Seen>('visits', {
    keyOf: ({ user }) => user,
    timeOf: ({ at_ms }) => at_ms,
    order: 'time',
    initial: () => ({ visits: 0, pages: [] }),
    onEvent: ({ at_ms, page }, { state, setState, timers }: ProcessContext<Seen, string>) => {
      setState({ visits: state.visits + 1, pages: [...state.pages, page] });
      timers.set(at_ms + 1_000);
    },
    onTimer: (_, { key, state, emit }: ProcessContext<Seen, string>) =>
      emit(`${key} ${JSON.stringify(state)}`),
    ...config,
  } as Parameters<typeof keyedProcess<Page, string, Seen>>[1]);

/** One visit of each of two users in the state, with timers, and one that waits. */
async function written(config: Common = {}): Promise<TestSnapshot> {
  const driver = await TestDriver.start((input: Stream<Visit>) => input.pipe(counting(config)));
  await driver.push(visit('ada', 10), visit('ada', 20), visit('bob', 30), visit('ada', 3_000));
  await driver.advanceTo(100);
  return driver.snapshot();
}

const resumed = <A, B>(build: (input: Stream<A>) => Stream<B, Sides>, snapshot: TestSnapshot) =>
  TestDriver.start(build, { snapshot });

const seenOf = (visits: unknown): Seen => ({ visits: visits as number, pages: ['?'] });
const pageOf = (old: unknown): Page => ({ ...(old as Visit), page: 'old' });
const AT_THE_END = [
  'ada {"visits":2,"pages":["?"]}',
  'ada {"visits":2,"pages":["?"]}',
  'bob {"visits":1,"pages":["?"]}',
  'ada {"visits":3,"pages":["?","old"]}',
];

describe('a process of the next version', () => {
  it('turns its states, and keeps timers and waiting events', async () => {
    const from: number[] = [];
    const next = paging({
      version: 2,
      migrate: (old, fromVersion) => {
        from.push(fromVersion);
        return seenOf(old);
      },
    });
    const driver = await resumed((input: Stream<Page>) => input.pipe(next), await written());
    expect(from).toEqual([1, 1]);
    await driver.advanceTo(5_000);
    // The waiting event is one of before: it has no page.
    expect(driver.out).toEqual(AT_THE_END.map((said) => said.replace('"old"', 'null')));
    const again = await resumed((input: Stream<Page>) => input.pipe(next), driver.snapshot());
    expect([from.length, again.out]).toEqual([2, []]);
  });

  it('turns its waiting events by a version of their own', async () => {
    const next = paging({ version: 2, migrate: seenOf, eventVersion: 2, migrateEvent: pageOf });
    const driver = await resumed((input: Stream<Page>) => input.pipe(next), await written());
    await driver.advanceTo(5_000);
    expect(driver.out).toEqual(AT_THE_END);
  });

  it('may turn its waiting events alone', async () => {
    const build = (input: Stream<Visit>) =>
      input.pipe(
        keyedProcess<Visit, string, number>('visits', {
          keyOf: ({ user }) => user,
          timeOf: ({ at_ms }) => at_ms,
          order: 'time',
          initial: () => 0,
          onEvent: ({ user }, { state, emit }) => emit(`${user} ${state}`),
          eventVersion: 2,
          migrateEvent: (old) => ({ ...(old as Visit), user: (old as Visit).user.toUpperCase() }),
        }),
      );
    const driver = await resumed(build, await written());
    await driver.advanceTo(5_000);
    // Under the key that it waits under.
    expect(driver.out).toEqual(['ADA 2']);
  });

  it('goes on from states that have one number for both, and raises each of them alone', async () => {
    const both = await written({ version: 3 });
    const going = (config: Common) => resumed((input: Stream<Visit>) => input.pipe(counting(config)), both);
    await expect(going({ version: 3 })).resolves.toBeDefined();
    await expect(going({ version: 3, eventVersion: 3 })).resolves.toBeDefined();
    const marked = { eventVersion: 4, migrateEvent: (old: unknown) => ({ ...pageOf(old), page: 'marked' }) };
    const events = await going({ version: 3, ...marked } as Common);
    const states = paging({ version: 4, migrate: seenOf, ...marked });
    for (const snapshot of [both, events.snapshot()]) {
      const driver = await resumed((input: Stream<Page>) => input.pipe(states), snapshot);
      await driver.advanceTo(5_000);
      expect(driver.out).toEqual(AT_THE_END.map((said) => said.replace('old', 'marked')));
    }
  });

  it('is refused without a migration, which only the table that changed is said to lack', async () => {
    const open = async (config: Common) =>
      resumed((input: Stream<Visit>) => input.pipe(counting(config)), await written());
    const state = open({ version: 2 });
    await expect(state).rejects.toMatchObject({ code: 'state_schema_mismatch' });
    await expect(state).rejects.toThrow('"visits/state"');
    await expect(state).rejects.not.toThrow('waiting');
    const events = open({ eventVersion: 2 });
    await expect(events).rejects.toMatchObject({ code: 'state_schema_mismatch' });
    await expect(events).rejects.toThrow('"visits/waiting"');
    await expect(events).rejects.not.toThrow('visits/state');
    expect(() => counting({ migrateEvent: (old: unknown) => old } as Common)).toThrow(
      expect.objectContaining({ code: 'bad_config', message: expect.stringContaining('eventVersion') }),
    );
  });

  it('may be begun anew by word: states go, and timers and waiting events stay', async () => {
    const of = (config: Common) =>
      topology('site', (t) => {
        const visits = t
          .source('in')
          .pipe(
            json<Visit>('json', { parse: (value) => value as Visit }),
            watermark('time', { timeOf: ({ at_ms }) => at_ms, outOfOrderness_ms: 0 }),
          );
        visits.pipe(counting(config));
        visits.pipe(toTable('last', { keyOf: ({ user }) => user }));
      });
    const messageOf = (value: Visit) => ({ subject: 's', json: value });
    const driver = await TopologyTestDriver.start(of({}));
    await driver.push(...[visit('ada', 10), visit('ada', 20), visit('bob', 30)].map(messageOf));
    await driver.push(messageOf(visit('ada', 500)));
    const snapshot = driver.snapshot();
    const refused = TopologyTestDriver.start(of({ version: 2 }), { snapshot });
    await expect(refused).rejects.toMatchObject({ code: 'state_schema_mismatch' });
    await expect(refused).rejects.toThrow('To go on without the rows of visits/state, which deletes them');
    const next = await TopologyTestDriver.start(of({ version: 2 }), { snapshot, allowTopologyChange: true });
    expect(next.table('last/rows').entries('')).toHaveLength(2);
    expect(next.table('visits/state').entries('')).toEqual([]);
    await next.push(messageOf(visit('cy', 9_000)), messageOf(visit('cy', 9_001)));
    expect(next.output('visits')).toEqual(['ada 1', 'ada 1', 'bob 0', 'ada 1']);
  });

  it('reads what another codec wrote with that', async () => {
    const counted = (codec: Codec<number>) => (input: Stream<Visit>) =>
      input.pipe(
        keyedProcess<Visit, string, number>('visits', {
          keyOf: ({ user }) => user,
          initial: () => 0,
          codec,
          eventCodec: jsonCodec((value) => value as Visit),
          onEvent: (_, { state, setState }) => setState(state + 1),
        }),
      );
    const driver = await TestDriver.start(counted(intCodec));
    await driver.push(visit('ada', 10), visit('ada', 20));
    const codecs: Readonly<Record<number, Codec<unknown>>> = { 1: intCodec as Codec<unknown> };
    const next = (input: Stream<Visit>) =>
      input.pipe(
        keyedProcess<Visit, string, number>('visits', {
          keyOf: ({ user }) => user,
          initial: () => 0,
          codec: floatCodec,
          version: 2,
          formerCodec: (version) => codecs[version] ?? (floatCodec as Codec<unknown>),
          onEvent: (_, { state, setState, emit }) => {
            setState(state + 0.5);
            emit(String(state));
          },
        }),
      );
    const again = await resumed(next, driver.snapshot());
    await again.push(visit('ada', 30), visit('ada', 40));
    expect(again.out).toEqual(['2', '2.5']);
  });

  it('that cannot turn a state says which and why, and leaves all of it to the program before', async () => {
    const snapshot = await written();
    const next = paging({
      version: 2,
      migrate: (old) => {
        if (old === 1) throw new RangeError('one visit is none');
        return seenOf(old);
      },
    });
    const failed = resumed((input: Stream<Page>) => input.pipe(next), snapshot);
    await expect(failed).rejects.toMatchObject({
      code: 'migration_failed',
      operator: 'visits',
      cause: expect.objectContaining({ message: 'one visit is none' }),
    });
    for (const said of [
      '"visits/state"',
      'version 1 to 2',
      '"bob"',
      'one visit is none',
      'Nothing is changed',
    ]) {
      await expect(failed).rejects.toThrow(said);
    }
    const none = resumed(
      (input: Stream<Page>) =>
        input.pipe(paging({ version: 2, migrate: () => undefined as unknown as Seen })),
      snapshot,
    );
    await expect(none).rejects.toThrow('migrate gave undefined');
    const before = await resumed((input: Stream<Visit>) => input.pipe(counting()), snapshot);
    await before.advanceTo(5_000);
    expect(before.out).toEqual(['ada 2', 'ada 2', 'bob 1', 'ada 3']);
  });
});

interface Price {
  readonly sku: string;
  readonly at_ms: number;
  readonly cents: number | undefined;
}

describe('tables of the next version', () => {
  it('of rows turn their values, and remember what was deleted', async () => {
    const config = { keyOf: ({ sku }: Price) => sku, timeOf: ({ at_ms }: Price) => at_ms };
    const driver = await TestDriver.start((input: Stream<Price>) =>
      input.pipe(toTable<Price, number>('prices', { ...config, value: ({ cents }) => cents })),
    );
    await driver.push({ sku: 'a', at_ms: 10, cents: 250 }, { sku: 'b', at_ms: 20, cents: undefined });
    const next = toTable<Price, { readonly amount: number }>('prices', {
      ...config,
      value: ({ cents }) => (cents === undefined ? undefined : { amount: cents / 100 }),
      version: 2,
      migrate: (cents, from) => {
        expectTypeOf(cents).toBeUnknown();
        return { amount: (cents as number) / (from === 1 ? 100 : 1) };
      },
    });
    const again = await resumed((input: Stream<Price>) => input.pipe(next), driver.snapshot());
    // Older than the row, and older than the deletion.
    await again.push({ sku: 'a', at_ms: 9, cents: 1 }, { sku: 'b', at_ms: 19, cents: 1 });
    again.commit();
    const query = { kind: 'range', limit: 10 } as const;
    expect(queryTable(again.disk.reader(), tableOf('prices', undefined, 2), query)).toMatchObject({
      values: [{ key: 'a', value: { amount: 2.5 } }],
    });
  });

  it('of windows turn theirs', async () => {
    const config = {
      keyOf: ({ sku }: Price) => sku,
      windowOf: ({ at_ms }: Price) => ({ start_ms: at_ms, end_ms: at_ms + 10 }),
      retain_ms: 1_000,
    };
    const build = (version: number) => (input: Stream<Price>) =>
      input.pipe(
        toWindowTable<Price, number>('sales', {
          ...{ ...config, value: ({ cents = 0 }: Price) => cents, codec: floatCodec, version },
          ...(version === 1 ? {} : { migrate: (old: unknown) => (old as number) * 2 }),
        }),
      );
    const driver = await TestDriver.start(build(1));
    await driver.push({ sku: 'a', at_ms: 10, cents: 3 }, { sku: 'a', at_ms: 20, cents: 4 });
    const snapshot = driver.snapshot();
    const again = await resumed(build(2), snapshot);
    await again.push({ sku: 'a', at_ms: 20, cents: 5 });
    again.commit();
    const query = { kind: 'window', key: 'a', start_ms: 0, end_ms: 100 } as const;
    expect(queryTable(again.disk.reader(), windowTableOf('sales', floatCodec, 2), query)).toMatchObject({
      values: [
        { start_ms: 10, value: 6 },
        { start_ms: 20, value: 5 },
      ],
    });
    // Its windows still go when their time has come.
    await again.advanceTo(2_000);
    again.commit();
    expect(queryTable(again.disk.reader(), windowTableOf('sales', floatCodec), query)).toMatchObject({
      values: [],
    });
  });
});
