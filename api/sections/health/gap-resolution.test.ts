import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ManualClock, type StreamGap } from '../../../engine/index.ts';
import { Definitions, openKeyTrust } from '../../../runtime/index.ts';
import { fc } from '../../../test/property.ts';
import { Scratch } from '../../../test/scratch.ts';
import { codeOf, startTestApi, type TestApi } from '../../fixture-api.ts';
import { MemoryKeyValueStore } from '../../fixture-memory.ts';
import { ErasedMessages, erasedKind, openGaps } from './gap-resolution.ts';

const scratch = new Scratch();
afterAll(() => scratch.clean());

const OF = { stream: 'EVENTS', incarnation: 'i1' };

const gap = (first: number, last: number, other: Partial<StreamGap> = {}): StreamGap => ({
  ...{ ...OF, kind: 'removed', node: 'events', first, last, messages: last - first + 1, noticed_at_ms: 5 },
  ...other,
});
const done = (first: number, last: number, messages = last - first + 1) => ({ ...OF, first, last, messages });

const sequencesOf = (gaps: readonly { readonly first: number; readonly last: number }[]): number[] =>
  gaps.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, index) => first + index));

describe('gaps that were resolved', () => {
  it('leave exactly the messages that were not, however the gaps lie', () => {
    const ranges = fc.array(
      fc
        .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 12 }))
        .map(([first, more]) => ({ first, last: first + more })),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(ranges, ranges, (lost, resolved) => {
        const gaps = lost.map(({ first, last }, index) => gap(100 * index + first, 100 * index + last));
        const said = resolved.map(({ first, last }, index) =>
          done(100 * (index % 3) + first, 100 * (index % 3) + last),
        );
        const dealtWith = new Set(sequencesOf(said));
        const open = openGaps(gaps, said);
        expect(sequencesOf(open)).toEqual(sequencesOf(gaps).filter((at) => !dealtWith.has(at)));
        expect(open.every(({ first, last, messages }) => messages === last - first + 1)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('say nothing of another stream of the name, nor of what was applied', () => {
    const others = [
      gap(1, 3, { incarnation: 'i2' }),
      gap(1, 3, { kind: 'lost' }),
      gap(1, 3, { kind: 'replaced' }),
    ];
    expect(openGaps(others, [done(1, 3)])).toEqual(others);
  });

  it('of a gap that stands for several leave what came since', () => {
    const wide = gap(10, 90, { messages: 12 });
    expect(openGaps([wide], [done(10, 50, 7)])).toEqual([{ ...wide, first: 51, messages: 5 }]);
    expect(openGaps([wide], [done(10, 90, 12)])).toEqual([]);
    expect(openGaps([wide], [done(20, 50, 7)])).toEqual([wide]);
    expect(openGaps([wide], [])).toEqual([wide]);
  });
});

it('erased messages fill few records, in however many calls, also of two processes', async () => {
  const store = new MemoryKeyValueStore();
  const [clock, trust] = [new ManualClock(1_000), openKeyTrust(await scratch.dir('trust'), undefined, false)];
  const processes = Array.from({ length: 2 }, () => {
    const definitions = new Definitions({ store, clock, log: pino({ level: 'silent' }) });
    const records = definitions.kind(erasedKind(trust));
    return { definitions, records, erased: new ErasedMessages(records) };
  });
  for (const { definitions } of processes) await definitions.open();
  // Every third sequence: none meets another.
  const all = Array.from({ length: 2_500 }, (_, at) => 3 * at + 1);
  for (let at = 0; at < all.length; at += 100)
    await Promise.all(
      processes.map(({ erased }, of) =>
        erased.add(
          'i1',
          all.slice(at, at + 100).filter((_, index) => index % 2 === of),
        ),
      ),
    );
  const [one] = processes;
  if (one === undefined) throw new Error('There are two');
  await one.erased.add('i1', [2, 3]);
  await one.erased.add('i2', [5]);
  // Once more, as after a crash.
  await one.erased.add('i1', all.slice(-100));
  for (const { definitions } of processes) await definitions.close();
  const known = new Definitions({ store, clock, log: pino({ level: 'silent' }) });
  const records = known.kind(erasedKind(trust));
  await known.open();
  const kept = new ErasedMessages(records).resolved.filter(({ incarnation }) => incarnation === 'i1');
  expect([...new Set(sequencesOf(kept))].sort((a, b) => a - b)).toEqual([...all, 2, 3].sort((a, b) => a - b));
  expect(records.list('default').length).toBeLessThan(7);
  await known.close();
});

describe('over HTTP', () => {
  let test: TestApi;
  let key: string;

  beforeAll(async () => {
    test = await startTestApi();
    key = await test.key('admin', { tenants: '*' });
    await test.apply();
  });
  afterAll(() => test.close());

  const read = async (of: TestApi = test): Promise<unknown> => (await of.send('/gaps', { key })).json();
  const resolve = (ranges: readonly (readonly [number, number])[], as = key): Promise<Response> =>
    test.send('/gaps/resolve', {
      key: as,
      json: { gaps: ranges.map(([first, last]) => ({ stream: 'EVENTS', first, last })), note: 'Sent again.' },
    });

  it('an admin of the installation resolves what is listed, all or none, and it stays so', async () => {
    test.lose(5, 7);
    test.lose(20, 20);
    expect(await read()).toMatchObject({ messages_missing: 4, messages_resolved: 0 });
    expect(await codeOf(await resolve([[5, 7]], await test.key('admin')))).toBe('tenant_forbidden');
    expect(
      await codeOf(
        await resolve([
          [5, 7],
          [20, 21],
        ]),
      ),
    ).toBe('wrong_state');
    expect(await read()).toMatchObject({ messages_missing: 4, messages_resolved: 0 });
    expect(
      (
        await resolve([
          [5, 7],
          [5, 7],
        ])
      ).status,
    ).toBe(200);
    const left = { messages_missing: 1, messages_resolved: 3, gaps: [{ first: 20, last: 20 }] };
    expect(await read()).toMatchObject(left);
    expect(await codeOf(await resolve([[5, 7]]))).toBe('wrong_state');
    // What the gap grows by is lost anew.
    test.lose(8, 8);
    expect(await read()).toMatchObject({ messages_missing: 2, gaps: [{ first: 8, last: 8 }, { first: 20 }] });
    test = await test.restart();
    expect(await read()).toMatchObject({ messages_missing: 2, messages_resolved: 3 });
  });
});
