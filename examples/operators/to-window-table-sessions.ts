import {
  count,
  queryTable,
  type Stream,
  session,
  TestDriver,
  toWindowTable,
  type WindowResult,
  window,
  windowTableOf,
} from '../../index.ts';

interface Click {
  readonly visitor: string;
  readonly time_ms: number;
}

const MINUTE_MS = 60_000;

/** A table of visits in which a click counts once, also when it makes one visit of two that were given. */
export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start((clicks: Stream<Click>) =>
    clicks.pipe(
      window('visits', {
        keyOf: (click) => click.visitor,
        timeOf: (click) => click.time_ms,
        window: session({ gap_ms: 30 * MINUTE_MS }),
        aggregate: count(),
        allowedLateness_ms: 120 * MINUTE_MS,
      }),
      toWindowTable<WindowResult<number>, number>('by-visit', {
        keyOf: (visit) => visit.key,
        windowOf: (visit) => visit.window,
        value: (visit) => visit.value,
        retain_ms: Number.POSITIVE_INFINITY,
      }),
    ),
  );
  const visits = () => {
    driver.commit();
    const query = { kind: 'window', key: 'ada', start_ms: 0, end_ms: 1_000 * MINUTE_MS } as const;
    const answer = queryTable(driver.disk.reader(), windowTableOf<number>('by-visit'), query);
    if (!answer.ok) return answer.reason;
    return answer.values.map(({ start_ms, end_ms, value }) => {
      const [from, to] = [start_ms / MINUTE_MS, end_ms / MINUTE_MS];
      return `${from}-${to} min: ${value}`;
    });
  };
  await driver.push({ visitor: 'ada', time_ms: 0 }, { visitor: 'ada', time_ms: 40 * MINUTE_MS });
  await driver.advanceTo(90 * MINUTE_MS);
  const before = visits();
  // It comes late, and what was given as two visits is one: their rows are taken back.
  await driver.push({ visitor: 'ada', time_ms: 20 * MINUTE_MS });
  return [before, visits()];
}

export const expected: unknown[] = [['0-30 min: 1', '40-70 min: 1'], ['0-70 min: 3']];
