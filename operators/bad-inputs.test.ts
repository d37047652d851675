import { describe, expect, it } from 'vitest';
import { TestDriver } from '../engine/index.ts';
import {
  BAD_INPUT_CASES,
  BAD_VALUES,
  type BadInputCase,
  FAR_TIMES_MS,
  type Field,
} from './fixture-bad-inputs.ts';
import type { Item } from './fixture-properties.ts';
import * as operators from './index.ts';

const CODES: Readonly<Record<Field, string>> = { time_ms: 'bad_event_time', key: 'bad_text', id: 'bad_text' };

/** They read neither key nor time nor id of an item; what they are given is a function's, or columns. */
const EXCUSED: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['branch', 'decode', 'filter', 'flat-map', 'json', 'lift', 'map'].map((kind) => [
      kind,
      'reads no key and no time',
    ]),
  ),
  'to-jetstream': 'puts aside what has no subject or id, see result-ids.test.ts',
  'to-callback': 'is to-jetstream with a subject of its own',
  'dedup-events': 'takes columns, whose types hold nothing else',
  'event-log': 'takes columns, whose types hold nothing else',
  cubes: 'takes columns, whose types hold nothing else',
};

const item = (id: number, over: Partial<Item> = {}): Item => ({
  id: String(id),
  side: id % 2 === 0 ? 'left' : 'right',
  key: id % 3 === 0 ? 'a' : 'b',
  kind: id % 2 === 0 ? 'visit' : 'cart',
  amount: 1,
  time_ms: 10 + id,
  ...over,
});
const GOOD = Array.from({ length: 8 }, (_, id) => item(id));

interface Outcome {
  readonly out: readonly unknown[];
  readonly digest: string;
}

/** The good items in two batches, with `between` between them. */
async function run(
  { build }: BadInputCase,
  between?: (driver: TestDriver<Item, unknown>) => Promise<TestDriver<Item, unknown>>,
): Promise<Outcome> {
  let driver = await TestDriver.start<Item, unknown>(build);
  await driver.push(...GOOD.slice(0, 4));
  driver.commit();
  const before = driver.take();
  if (between !== undefined) driver = await between(driver);
  await driver.push(...GOOD.slice(4));
  await driver.advanceTo(1_000);
  driver.commit();
  return { out: [...before, ...driver.take()], digest: driver.digest() };
}

const badItems = ({ reads }: BadInputCase): (readonly [Field, Item])[] =>
  reads.flatMap((field) =>
    BAD_VALUES[field].flatMap((value) =>
      // Both sides of a join, and both kinds of event.
      [100, 101].map((id) => [field, item(id, { [field]: value })] as const),
    ),
  );

describe.each(BAD_INPUT_CASES)('$name', (of) => {
  it('refuses each bad input on its record, and is then as if it had never come, also after restarts', async () => {
    const wanted = await run(of);
    const given = await run(of, async (first) => {
      let driver = first;
      for (const [field, bad] of badItems(of)) {
        // With good ones before it in the batch, of which nothing may stay.
        const pushed = driver.push(item(50), bad);
        await expect(pushed, `${field} ${String(bad[field])}`).rejects.toMatchObject({ code: CODES[field] });
        driver = await driver.restart();
      }
      return driver;
    });
    expect(given).toEqual(wanted);
  });

  it('refuses them before anything was committed too', async () => {
    for (const [field, bad] of badItems(of)) {
      const driver = await TestDriver.start<Item, unknown>(of.build);
      await expect(driver.push(bad)).rejects.toMatchObject({ code: CODES[field] });
    }
  });

  it('refuses times that no timer can hold, or puts them aside', async () => {
    if (!of.reads.includes('time_ms')) return;
    for (const time_ms of FAR_TIMES_MS) {
      const far = item(100, { time_ms });
      if (of.far === undefined) {
        const driver = await TestDriver.start<Item, unknown>(of.build);
        await expect(driver.push(far)).rejects.toMatchObject({ code: 'bad_event_time' });
      } else if (of.far === 'put aside') {
        const given = await run(of, async (driver) => {
          await driver.push(far);
          driver.commit();
          return driver.restart();
        });
        expect(given).toEqual(await run(of));
      }
    }
  });
});

it('every kind of operator is among them, or has an excuse', () => {
  const kinds = Object.entries(operators)
    .filter(([name]) => name.endsWith('Doc'))
    .map(([, doc]) => (doc as { readonly kind: string }).kind);
  const covered = new Set([...BAD_INPUT_CASES.map(({ kind }) => kind), ...Object.keys(EXCUSED)]);
  expect(kinds.filter((kind) => !covered.has(kind))).toEqual([]);
});
