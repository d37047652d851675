import { describe, expect, it } from 'vitest';
import { type Codec, intCodec, type Stream, TestDriver } from '../../engine/index.ts';
import { type Aggregate, count, filtered, mapResult } from '../aggregates/index.ts';
import { earlyEveryEvents } from './trigger.ts';
import { window } from './window.ts';
import type { WindowConfig, WindowResult } from './window-types.ts';
import { countWindow, session, sliding, tumbling } from './windows.ts';

interface Reading {
  readonly key: string;
  readonly at_ms: number;
}
const reading = (at_ms: number): Reading => ({ key: 'k', at_ms });

const WINDOWS: Readonly<Record<string, Pick<WindowConfig<Reading, never>, 'window' | 'trigger' | 'mode'>>> = {
  sliced: { window: tumbling({ size_ms: 100 }) },
  paned: { window: tumbling({ size_ms: 100 }), trigger: earlyEveryEvents(2), mode: 'retract' },
  session: { window: session({ gap_ms: 30 }), trigger: earlyEveryEvents(2) },
  sliding: { window: sliding({ before_ms: 20, after_ms: 20 }) },
  count: { window: countWindow({ count: 3 }) },
};

describe('windows of the next version', () => {
  const merged = (a: number[], b: number[]): number[] => [...a, ...b];
  /** Keeps how many there were; the next one keeps the times, of which the first one's are not known. */
  const counted: Aggregate<Reading, number, string> = {
    init: () => 0,
    add: (acc) => acc + 1,
    merge: (a, b) => a + b,
    result: String,
    codec: intCodec,
  };
  const listed = (from: number[]): Aggregate<Reading, number[], string> => ({
    init: () => [],
    add: (acc, { at_ms }) => [...acc, at_ms],
    merge: merged,
    result: (acc) => acc.toSorted((a, b) => a - b).join(' '),
    formerCodec: () => intCodec as Codec<unknown>,
    migrate: (old, fromVersion) => {
      from.push(fromVersion);
      return Array.from({ length: old as number }, () => 0);
    },
  });
  const of =
    (how: keyof typeof WINDOWS, version: number, own: Aggregate<Reading, never, string>) =>
    (input: Stream<Reading>): Stream<WindowResult<{ n: number; own: string }>> =>
      input.pipe(
        window('w', {
          ...{ keyOf: ({ key }: Reading) => key, timeOf: ({ at_ms }: Reading) => at_ms, version },
          ...{ aggregate: { n: count(), own: own as Aggregate<Reading, unknown, string> } },
          ...(WINDOWS[how] as (typeof WINDOWS)[string]),
        }),
      );

  it.each([
    ['sliced', ['4: 0 0 0 27']],
    ['paned', ['-2: 0 0', '4: 0 0 0 27']],
    ['session', ['-2: 0 0', '4: 0 0 0 27', '4: 0 0 0 27']],
    ['sliding', ['3: 0 0 0', '4: 0 0 0 27', '4: 0 0 0 27', '3: 0 0 27']],
    ['count', ['3: 0 0 20', '1: 27']],
  ] as const)(
    'turn the accumulators of an aggregate of your own, and what was given: %s',
    async (how, said) => {
      const driver = await TestDriver.start(of(how, 1, counted as Aggregate<Reading, never, string>));
      await driver.push(reading(1), reading(10), reading(20));
      await driver.advanceTo(15);
      const before = driver.snapshot();
      const from: number[] = [];
      const next = listed(from) as Aggregate<Reading, never, string>;
      const again = await TestDriver.start(of(how, 2, next), { snapshot: before });
      expect(new Set(from)).toEqual(new Set([1]));
      await again.push(reading(27));
      await again.advanceTo(10 ** 9);
      const told = again.out.map(
        ({ kind, value: { n, own } }) => `${kind === 'retract' ? '-' : ''}${n}: ${own}`,
      );
      expect(told).toEqual(said);
      const { migrate: _, formerCodec: __, ...without } = next;
      await expect(TestDriver.start(of(how, 2, without), { snapshot: before })).rejects.toMatchObject({
        code: 'state_schema_mismatch',
      });
    },
  );

  it('turn those of an aggregate that is filtered, mapped, or an instance of a class', async () => {
    class Listed {
      readonly #unknown_ms = -1;
      init = (): number[] => [];
      add = (acc: number[], { at_ms }: Reading): number[] => [...acc, at_ms];
      merge = merged;
      result = (acc: number[]): string => acc.join(' ');
      migrate(old: unknown): number[] {
        return [(old as number) * this.#unknown_ms];
      }
      formerCodec = () => intCodec as Codec<unknown>;
    }
    const wraps = [
      <A>(own: Aggregate<Reading, A, string>) => own,
      <A>(own: Aggregate<Reading, A, string>) => filtered(() => true, own),
      <A>(own: Aggregate<Reading, A, string>) => mapResult(own, (result) => result),
    ];
    for (const wrap of wraps) {
      const driver = await TestDriver.start(
        of('sliced', 1, wrap(counted) as Aggregate<Reading, never, string>),
      );
      await driver.push(reading(1), reading(2));
      const own = wrap(new Listed()) as Aggregate<Reading, never, string>;
      const again = await TestDriver.start(of('sliced', 2, own), { snapshot: driver.snapshot() });
      await again.push(reading(3));
      await again.advanceTo(1_000);
      expect(again.out.map(({ value }) => value)).toEqual([{ n: 3, own: '-2 3' }]);
    }
  });
});
