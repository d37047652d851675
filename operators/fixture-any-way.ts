import { type MemoryDisk, SeededRandom, type Sides, type Stream, TestDriver } from '../engine/index.ts';

/** A batch, or a move of the watermark. */
export type Op<A> = { readonly items: readonly A[] } | { readonly advanceTo_ms: number };

type Build<A, B> = (input: Stream<A>) => Stream<B, Sides>;

export interface AnyWayOptions<A> {
  readonly timeOf: (item: A) => number;
  readonly seed: number;
  /** Where the watermark ends. */
  readonly end_ms: number;
  /** How far behind the watermark items may come, ms. Default: 0, so that none is late. */
  readonly lateness_ms?: number;
  /** How far out of the order of time they come, ms: with less the watermark moves earlier. Default: without a bound. */
  readonly disorder_ms?: number;
}

export interface AnyWayRun<A, B> {
  readonly driver: TestDriver<A, B>;
  /** What commits contained: what came out and was lost with a crash is not among it. */
  readonly out: readonly B[];
}

function apply<A, B>(driver: TestDriver<A, B>, op: Op<A>): Promise<void> {
  return 'items' in op ? driver.push(...op.items) : driver.advanceTo(op.advanceTo_ms);
}

/** Items in the order of time, each a batch, and the watermark behind each. */
export function planStraight<A>(
  items: readonly A[],
  { timeOf, end_ms }: Pick<AnyWayOptions<A>, 'timeOf' | 'end_ms'>,
): Op<A>[] {
  const sorted = items.toSorted((a, b) => timeOf(a) - timeOf(b));
  const ops = sorted.flatMap((item): Op<A>[] => [
    { items: [item] },
    { advanceTo_ms: Math.min(timeOf(item), end_ms) },
  ]);
  return [...ops, { advanceTo_ms: end_ms }];
}

/**
 * Items in a random order, cut into random batches, with the watermark moved at random as far as no item comes
 * too late, and to its end.
 */
export function planAnyWay<A>(
  items: readonly A[],
  { timeOf, end_ms, lateness_ms = 0, disorder_ms = Number.POSITIVE_INFINITY }: AnyWayOptions<A>,
  random: SeededRandom,
): Op<A>[] {
  const ops: Op<A>[] = [];
  let watermark_ms = 0;
  const left = arriving(items, timeOf, disorder_ms, random);
  while (left.length > 0) {
    ops.push({ items: left.splice(0, random.int(1, 5)) });
    const latest_ms = Math.min(end_ms, ...left.map((item) => timeOf(item) + lateness_ms));
    if (random.chance(0.5)) {
      watermark_ms = random.int(watermark_ms, latest_ms);
      ops.push({ advanceTo_ms: watermark_ms });
    }
  }
  return [...ops, { advanceTo_ms: end_ms }];
}

function arriving<A>(
  items: readonly A[],
  timeOf: (item: A) => number,
  disorder_ms: number,
  random: SeededRandom,
): A[] {
  const shuffled = random.shuffled(items);
  if (disorder_ms === Number.POSITIVE_INFINITY) return shuffled;
  return shuffled
    .map((item) => ({ item, at_ms: timeOf(item) + random.int(0, disorder_ms) }))
    .sort((a, b) => a.at_ms - b.at_ms)
    .map(({ item }) => item);
}

/** As planned, with a commit at the end. */
export async function runPlan<A, B>(
  build: Build<A, B>,
  ops: readonly Op<A>[],
  driver?: TestDriver<A, B>,
): Promise<AnyWayRun<A, B>> {
  const used = driver ?? (await TestDriver.start(build));
  for (const op of ops) await apply(used, op);
  used.commit();
  return { driver: used, out: used.take() };
}

/**
 * Feeds items in a random order, cut into random batches, with the watermark moved at random as far as no
 * item comes late, and with commits, crashes and moves to another disk in between.
 */
export async function runAnyWay<A, B>(
  build: Build<A, B>,
  items: readonly A[],
  options: AnyWayOptions<A>,
): Promise<AnyWayRun<A, B>> {
  const random = new SeededRandom(options.seed);
  let driver = await TestDriver.start(build);
  const out: B[] = [];
  let uncommitted: Op<A>[] = [];
  const committed = (): void => {
    out.push(...driver.take());
    uncommitted = [];
  };
  for (const op of planAnyWay(items, options, random)) {
    await apply(driver, op);
    uncommitted.push(op);
    if (random.chance(0.3)) {
      driver.commit();
      committed();
    }
    if (random.chance(0.15)) {
      driver = await driver.restart();
      for (const again of uncommitted) await apply(driver, again);
    } else if (random.chance(0.1)) {
      const snapshot = driver.snapshot();
      committed();
      driver = await TestDriver.start(build, { snapshot });
    }
  }
  driver.commit();
  committed();
  return { driver, out };
}

/**
 * Follows a plan and takes a snapshot after each of its steps; goes on from each of them in two new drivers,
 * one after the other, and from the last in the first driver.
 */
export async function* runFromEverySnapshot<A, B>(
  build: Build<A, B>,
  ops: readonly Op<A>[],
): AsyncGenerator<AnyWayRun<A, B>> {
  const driver = await TestDriver.start(build);
  const out: B[] = [];
  for (const [at, op] of ops.entries()) {
    await apply(driver, op);
    const snapshot = driver.snapshot();
    out.push(...driver.take());
    for (let time = 0; time < 2; time++) {
      const other = await TestDriver.start(build, { snapshot });
      const rest = await runPlan(build, ops.slice(at + 1), other);
      yield { driver: other, out: [...out, ...rest.out] };
    }
  }
  yield { driver, out };
}

/** Follows a plan once for each of its steps, with a crash after it, and with commits where `random` puts them. */
export async function* runCrashedAnywhere<A, B>(
  build: Build<A, B>,
  ops: readonly Op<A>[],
  random: SeededRandom,
): AsyncGenerator<AnyWayRun<A, B>> {
  for (let crash = 0; crash < ops.length; crash++) {
    let driver = await TestDriver.start(build);
    const out: B[] = [];
    let uncommitted: Op<A>[] = [];
    for (const [at, op] of ops.entries()) {
      await apply(driver, op);
      uncommitted.push(op);
      if (at === crash) {
        driver = await driver.restart();
        for (const again of uncommitted) await apply(driver, again);
      }
      if (random.chance(0.3)) {
        driver.commit();
        out.push(...driver.take());
        uncommitted = [];
      }
    }
    driver.commit();
    out.push(...driver.take());
    yield { driver, out };
  }
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
