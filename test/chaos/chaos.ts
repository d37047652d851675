import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../process.ts';
import { FAULTS, type Fault } from './faults.ts';
import { Ledger } from './ledger.ts';
import { Observer } from './observer.ts';
import { World } from './world.ts';

/** How long the service has to be well again after a fault, or to say what is wrong. */
const RECOVERY_TIMEOUT_MS = 90_000;
const POLL_MS = 100;
/** Acknowledged orders that the broker has lost have to be named so soon. */
const NOTICED_WITHIN_MS = 15_000;

export interface ChaosPlan {
  readonly seed: number;
  /** Ends with the fault under way. */
  readonly minutes: number;
  readonly max_faults: number;
  readonly kinds: readonly string[];
  /** Faults beside those of the registry. */
  readonly more?: readonly Fault[];
  readonly tell?: (line: string) => void;
}

interface KindResult {
  faults: number;
  /** Until every acknowledged order was counted, from the end of the fault on, ms. */
  recovered_max_ms: number;
  /** Faults that did not end as they have to. */
  failures: number;
  /** Errors that it stopped with, and how often. */
  readonly named: Record<string, number>;
}

export interface ChaosResult {
  readonly seed: number;
  readonly date: string;
  readonly faults: number;
  readonly kinds: Readonly<Record<string, KindResult>>;
  readonly orders_acknowledged: number;
  readonly answers_checked: number;
  /** Faults that did not end as they have to. */
  readonly failures: readonly string[];
  /** What answers claimed and the ledger knows otherwise. */
  readonly violations: Observer['violations'];
}

/** Strikes a running service with faults that the seed draws, and holds what it says against the publisher's ledger. */
export async function runChaos({
  seed,
  minutes,
  max_faults,
  kinds,
  more = [],
  tell,
}: ChaosPlan): Promise<ChaosResult> {
  const date = new Date().toISOString();
  const world = await World.start(seed);
  const observer = new Observer(world);
  const results: Record<string, KindResult> = {};
  const failures: string[] = [];
  const end_ms = Date.now() + minutes * 60_000;
  const drawn = drawnFrom(world, kinds, more);
  let faults = 0;
  try {
    for (; faults < max_faults && (faults < 1 || Date.now() < end_ms); faults++) {
      const fault = drawn.next().value;
      const result = results[fault.kind] ?? { faults: 0, recovered_max_ms: 0, failures: 0, named: {} };
      results[fault.kind] = result;
      result.faults++;
      observer.during = fault.kind;
      await sleep(world.random.int(200, 1_500));
      try {
        await fault.strike(world);
        const struck_ms = Date.now();
        const named = await settled(world, fault, observer);
        for (const code of named) result.named[code] = (result.named[code] ?? 0) + 1;
        result.recovered_max_ms = Math.max(result.recovered_max_ms, Date.now() - struck_ms);
        tell?.(`${faults + 1} ${fault.kind} ${named.join(' ')} ${Date.now() - struck_ms} ms`);
      } catch (error) {
        const text = `${fault.kind}: ${error instanceof Error ? error.message : String(error)}`;
        failures.push(text.slice(0, 500));
        result.failures++;
        tell?.(`${faults + 1} ${text}`);
        await world.startOver();
      }
      world.publisher.resume();
    }
  } finally {
    await observer.close();
    const whole = world.ledger.all;
    await world.close();
    tell?.(`${whole.length} orders were sent`);
  }
  return {
    ...{ seed, date, faults, kinds: results },
    orders_acknowledged: Ledger.acknowledged(world.ledger.all),
    answers_checked: observer.answers,
    failures,
    violations: observer.violations,
  };
}

/** Each kind once, in an order that the seed draws, then again in another one. */
function* drawnFrom(
  { random, disk }: World,
  kinds: readonly string[],
  more: readonly Fault[],
): Generator<Fault, never> {
  const known = FAULTS.filter(
    ({ kind, needsDisk }) => kinds.includes(kind) && (needsDisk !== true || disk !== undefined),
  );
  const all = [...known, ...more];
  for (;;) yield* random.shuffled(all);
}

/** Waits until every acknowledged order is counted, mending what the service asks to be mended; the codes it named. */
async function settled(world: World, fault: Fault, observer: Observer): Promise<string[]> {
  await world.publisher.pause();
  const named: string[] = [];
  const first = await outcome(world, fault);
  if (first !== 'ok') named.push(first);
  else if (fault.isOfFile === true) {
    // What nothing has read yet would show while another fault is under way.
    const { code } = await world.command('state', 'verify');
    if (code !== 0) {
      named.push('found_by_verify');
      await fault.mend?.(world);
    }
  } else if (fault.losesOrders === true) throw new Error('acknowledged orders are lost, and nothing says so');
  if (fault.losesOrders === true) await world.publisher.send(world.ledger.all);
  if (first !== 'ok') {
    if (fault.mayStop?.includes(first) !== true) throw new Error(`the service stopped with ${first}`);
    await fault.mend?.(world);
    const after = await outcome(world, { ...fault, losesOrders: false });
    if (after !== 'ok') throw new Error(`after it was mended the service stopped with ${after}`);
  }
  for (const tenant of world.ledger.tenants) await requireExact(world, observer, tenant);
  return named;
}

/** `ok`, or the code that the service stopped with for good. */
function outcome(world: World, { mayStop, losesOrders }: Fault): Promise<string> {
  let last = '';
  const well_ms = Date.now() + (losesOrders === true ? NOTICED_WITHIN_MS : 0);
  return until(
    async () => {
      const { service } = world;
      if (!service.isRunning) return mayStop?.includes('crashed') === true ? await crashed(world) : 'crashed';
      const { status, subsystems } = await service.health();
      last = JSON.stringify(subsystems);
      if (status === 'ok') return Date.now() < well_ms ? undefined : 'ok';
      const failed = Object.values(subsystems).find((subsystem) => subsystem.status === 'failed');
      return failed?.code;
    },
    () => `the service is well or says what is wrong; it said ${last}`,
    RECOVERY_TIMEOUT_MS,
    POLL_MS,
  );
}

/** LMDB has ended the process: the command has to say why. */
async function crashed(world: World): Promise<string> {
  const { code } = await world.command('state', 'verify');
  return code === 0 ? 'crashed_without_a_name' : 'crashed';
}

async function requireExact(world: World, observer: Observer, tenant: string): Promise<void> {
  const wanted = world.ledger.of(tenant).length;
  let last = '';
  const found = await until(
    async () => {
      const { status, json } = await observer.ask(tenant, { force_fresh: true });
      const { groups } = json as { groups?: readonly { totals: { orders_count: number } }[] };
      last = status === 200 ? `${groups?.[0]?.totals.orders_count} orders` : `${status} ${String(json.code)}`;
      if (status !== 200) return undefined;
      return groups?.[0]?.totals.orders_count === wanted ? 'exact' : 'another';
    },
    () => `${tenant} has all of its ${wanted} orders; the last answer was ${last}`,
    RECOVERY_TIMEOUT_MS,
    POLL_MS,
  );
  if (found === 'another')
    throw new Error(`${tenant}: a fresh answer has ${last}, ${wanted} were acknowledged`);
}
