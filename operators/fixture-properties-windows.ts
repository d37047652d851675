import { collect, count, distinct, quantiles, sum } from './aggregates/index.ts';
import { type Item, keyed, type PropertyCase } from './fixture-properties.ts';
import {
  countWindow,
  cumulate,
  earlyEvery,
  earlyEveryEvents,
  global,
  hopping,
  session,
  sliding,
  type Trigger,
  tumbling,
  type WindowMode,
  type WindowResult,
  type WindowSpec,
  window,
} from './windows/index.ts';

const LATE_MS = 7;

const aggregate = {
  events: count(),
  sum: sum(({ amount }: Item) => amount),
  kinds: distinct(({ kind }: Item) => kind),
  middle: quantiles(({ amount }: Item) => amount, [0.5]),
  some: collect<Item>(2),
};
type Result = WindowResult<{ readonly events: number; readonly sum: number }>;

/** Parts that are added up here are no exact sum, other than those of the operator. */
const rounded = ({ sum: total }: Result['value']): number => Math.round(total * 1e6) / 1e6;

/** What a reader of the results has in the end, of the windows that the watermark has passed. */
const standing =
  (mode: WindowMode, end_ms: number) =>
  (results: readonly Result[]): unknown => {
    const windows = new Map<string, unknown>();
    for (const { key, window: of, value, kind } of results) {
      if (of.end_ms > end_ms) continue;
      const name = `${key} ${of.start_ms} ${of.end_ms}`;
      if (mode === 'retract') {
        // A retraction that is missing, or of what was never given, leaves a count.
        const given = `${name} ${JSON.stringify(value)}`;
        const times = ((windows.get(given) ?? 0) as number) + (kind === 'insert' ? 1 : -1);
        if (times === 0) windows.delete(given);
        else windows.set(given, times);
      } else if (mode === 'accumulate') {
        if (kind === 'retract') windows.delete(name);
        else windows.set(name, value);
      } else {
        const { events, sum: total } = (windows.get(name) ?? { events: 0, sum: 0 }) as Result['value'];
        windows.set(name, { events: events + value.events, sum: total + value.sum });
      }
    }
    const sorted = [...windows].sort(([a], [b]) => (a < b ? -1 : 1));
    if (mode !== 'discard') return sorted;
    return sorted.map(([name, value]) => [
      name,
      { ...(value as Result['value']), sum: rounded(value as Result['value']) },
    ]);
  };

const SPECS: Readonly<Record<string, WindowSpec>> = {
  tumbling: tumbling({ size_ms: 10, offset_ms: 3 }),
  hopping: hopping({ size_ms: 12, hop_ms: 4 }),
  cumulate: cumulate({ step_ms: 5, size_ms: 15 }),
  session: session({ gap_ms: 4 }),
  sliding: sliding({ before_ms: 6, after_ms: 2 }),
  count: countWindow({ count: 3 }),
};

function lateCase(
  kind: string,
  mode: WindowMode,
  trigger: Trigger | undefined,
  end_ms: number,
): PropertyCase {
  return {
    name: `${kind} windows, ${mode}${trigger === undefined ? '' : `, early by ${trigger.kind}`}, until ${end_ms}`,
    kinds: ['window'],
    build: (input) =>
      input.pipe(
        window('w', {
          ...keyed,
          window: SPECS[kind] as WindowSpec,
          aggregate: mode === 'discard' ? { events: aggregate.events, sum: aggregate.sum } : aggregate,
          allowedLateness_ms: LATE_MS,
          mode,
          ...(trigger === undefined ? {} : { trigger }),
          max_cached_rows: 4,
        }),
      ),
    final: standing(mode, end_ms),
    lateness_ms: LATE_MS,
    end_ms,
  };
}

/** Results that come once, of every kind of windows. */
const once: PropertyCase[] = Object.entries(SPECS).map(([kind, spec]) => ({
  name: `${kind} windows`,
  kinds: ['window'],
  build: (input) => input.pipe(window('w', { ...keyed, window: spec, aggregate, max_cached_rows: 4 })),
}));

/** A session that became longer after its end keeps its result until the next one, so it has to end. */
const endsFor = (kind: string): readonly number[] => (kind === 'session' ? [10_000] : [45, 10_000]);

const late: PropertyCase[] = Object.keys(SPECS).flatMap((kind) => {
  const triggers =
    kind === 'sliding' || kind === 'count' ? [undefined] : [undefined, earlyEveryEvents(2), earlyEvery(3)];
  return (['accumulate', 'discard', 'retract'] as const).flatMap((mode) =>
    triggers.flatMap((trigger) =>
      endsFor(kind)
        // Results of sessions that merged later stand beside those of the whole, and add up with them.
        .filter(() => kind !== 'session' || mode !== 'discard')
        .map((end_ms) => lateCase(kind, mode, trigger, end_ms)),
    ),
  );
});

const globally: PropertyCase = {
  name: 'the global window',
  kinds: ['window'],
  build: (input) =>
    input.pipe(
      window('w', {
        ...keyed,
        window: global(),
        aggregate,
        trigger: earlyEveryEvents(1),
        max_cached_rows: 2,
      }),
    ),
  final: (results: readonly Result[]) => [...new Map(results.map(({ key, value }) => [key, value]))].sort(),
};

export const WINDOW_CASES: readonly PropertyCase[] = [...once, ...late, globally];
