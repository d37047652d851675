import { type MemoryDisk, SeededRandom, type Stream, TestDriver } from '../engine/index.ts';

type Op<A> = { readonly items: readonly A[] } | { readonly advanceTo_ms: number };

export interface AnyWayOptions<A> {
  readonly timeOf: (item: A) => number;
  readonly seed: number;
  /** Where the watermark ends. */
  readonly end_ms: number;
}

export interface AnyWayRun<A, B> {
  readonly driver: TestDriver<A, B>;
  /** What commits contained: what came out and was lost with a crash is not among it. */
  readonly out: readonly B[];
}

/**
 * Feeds items in a random order, cut into random batches, with the watermark moved at random as far as no
 * item comes late, and with commits, crashes and moves to another disk in between.
 */
export async function runAnyWay<A, B>(
  build: (input: Stream<A>) => Stream<B>,
  items: readonly A[],
  { timeOf, seed, end_ms }: AnyWayOptions<A>,
): Promise<AnyWayRun<A, B>> {
  const random = new SeededRandom(seed);
  let driver = await TestDriver.start(build);
  const out: B[] = [];
  let uncommitted: Op<A>[] = [];
  const apply = (op: Op<A>): Promise<void> =>
    'items' in op ? driver.push(...op.items) : driver.advanceTo(op.advanceTo_ms);
  const step = async (op: Op<A>): Promise<void> => {
    await apply(op);
    uncommitted.push(op);
    if (random.chance(0.3)) {
      driver.commit();
      out.push(...driver.take());
      uncommitted = [];
    }
    if (random.chance(0.15)) {
      driver = await driver.restart();
      for (const again of uncommitted) await apply(again);
    } else if (uncommitted.length === 0 && random.chance(0.1)) {
      driver = await TestDriver.start(build, { snapshot: driver.snapshot() });
    }
  };
  let watermark_ms = 0;
  const left = random.shuffled(items);
  while (left.length > 0) {
    await step({ items: left.splice(0, random.int(1, 5)) });
    const earliest_ms = Math.min(end_ms, ...left.map(timeOf));
    if (random.chance(0.5)) {
      watermark_ms = random.int(watermark_ms, earliest_ms);
      await step({ advanceTo_ms: watermark_ms });
    }
  }
  await step({ advanceTo_ms: end_ms });
  driver.commit();
  out.push(...driver.take());
  return { driver, out };
}

/** Rows that the tables of an operator have in the committed state, by table. */
export function rowsOf({ disk }: { readonly disk: MemoryDisk }, operator: string): Record<string, number> {
  const reader = disk.reader();
  const names = reader.tableNames().filter((name) => name.startsWith(`${operator}/`));
  return Object.fromEntries(
    names.map((name) => [
      name.slice(operator.length + 1),
      reader.snapshot((table) => [...table(name).scan()].length),
    ]),
  );
}
