import {
  MemoryDisk,
  type Source,
  type SourceRecord,
  systemClock,
  Task,
  type Topology,
  topology,
} from '../engine/index.ts';
import { count, json, map, sum, toTable, tumbling, watermark, window } from '../operators/index.ts';
import { machine, median } from './rig.ts';

const EVENTS = Number(process.env.BENCH_EVENTS ?? 300_000);
const REPETITIONS = Number(process.env.BENCH_REPETITIONS ?? 5);
const TAKE_EVENTS = 4_096;
const KEYS = 5_000;
/** Event time between two events, ms. */
const STEP_MS = 20;
const START_MS = 1_750_000_000_000;

interface Event {
  readonly key: string;
  readonly time_ms: number;
  readonly amount: number;
}

/** The same records again and again, with times that go on. */
class Records implements Source {
  readonly partition = '0';
  #next = 0;

  facts() {
    return Promise.resolve({ stream: 'S', incarnation: 'i', firstSequence: 1, lastSequence: EVENTS });
  }

  start(after: number): Promise<void> {
    this.#next = after;
    return Promise.resolve();
  }

  take({ max }: { readonly max: number }): Promise<readonly SourceRecord[]> {
    const records: SourceRecord[] = [];
    for (let left = Math.min(max, TAKE_EVENTS, EVENTS - this.#next); left > 0; left--) {
      const at = this.#next++;
      const time_ms = START_MS + at * STEP_MS;
      const event: Event = { key: `key-${(at * 7_919) % KEYS}`, time_ms, amount: at % 1_000 };
      records.push({
        ...{
          sequence: at + 1,
          stored_ms: time_ms,
          subject: 'p.0.event',
          data: Buffer.from(JSON.stringify(event)),
        },
        ...{ hasHeaders: false, header: () => undefined },
      });
    }
    return Promise.resolve(records);
  }

  state() {
    return { headSequence: EVENTS, caughtUp: this.#next === EVENTS, connected: true, skipped: 0 };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

const items = (t: Parameters<Parameters<typeof topology>[1]>[0]) =>
  t
    .source('source')
    .pipe(
      json<Event>('events', { parse: (value) => value as Event }),
      watermark<Event>('time', { timeOf: ({ time_ms }) => time_ms, outOfOrderness_ms: 1_000 }),
    );

const TOPOLOGIES: Readonly<Record<string, () => Topology>> = {
  'five maps': () =>
    topology('maps', (t) => {
      const one = (name: string) => map(name, (event: Event) => ({ ...event, amount: event.amount + 1 }));
      items(t).pipe(one('a'), one('b'), one('c'), one('d'), one('e'));
    }),
  'windows of a minute': () =>
    topology('windows', (t) => {
      items(t)
        .pipe(
          window('w', {
            ...{ keyOf: ({ key }: Event) => key, timeOf: ({ time_ms }: Event) => time_ms },
            ...{
              window: tumbling({ size_ms: 60_000 }),
              aggregate: { n: count(), sum: sum(({ amount }: Event) => amount) },
            },
          }),
        )
        .pipe(map('results', ({ value }) => value));
    }),
  'a table': () =>
    topology('table', (t) => {
      items(t).pipe(toTable<Event>('table', { keyOf: ({ key }) => key }));
    }),
};

/** CPU of an event, µs: without the making of the records, which is measured alone. */
async function cpu_us(build: () => Topology, ordered: boolean): Promise<number> {
  const source = new Records();
  const task = new Task({
    ...{ topology: build(), source, store: new MemoryDisk().open(), clock: systemClock, ordered },
    publisher: { publish: () => Promise.resolve() },
    limits: { barrier_interval_ms: Number.POSITIVE_INFINITY },
  });
  await task.open();
  const before = process.cpuUsage();
  for (let taken = 0; taken < EVENTS; ) taken += await task.step(0);
  task.commit();
  const { user, system } = process.cpuUsage(before);
  task.close();
  return (user + system) / EVENTS;
}

async function makingOf(): Promise<number> {
  const source = new Records();
  const before = process.cpuUsage();
  for (let taken = 0; taken < EVENTS; ) taken += (await source.take({ max: TAKE_EVENTS })).length;
  const { user, system } = process.cpuUsage(before);
  return (user + system) / EVENTS;
}

/** What order costs a task: the CPU of an event in tasks that are ordered and in others. */
export async function orderedBench(): Promise<object> {
  process.stdout.write(`${machine()}\n`);
  const making: number[] = [];
  for (let run = 0; run < REPETITIONS; run++) making.push(await makingOf());
  const result: Record<string, object> = {};
  for (const [name, build] of Object.entries(TOPOLOGIES)) {
    const [loose, ordered]: [number[], number[]] = [[], []];
    // In turn: what else the machine does meets both.
    for (let run = 0; run <= REPETITIONS; run++) {
      loose.push((await cpu_us(build, false)) - median(making));
      ordered.push((await cpu_us(build, true)) - median(making));
    }
    // The first run of each compiles.
    const [a, b] = [median(loose.slice(1)), median(ordered.slice(1))];
    result[name] = { cpu_us: round(a), ordered_cpu_us: round(b), more: `${Math.round((b / a - 1) * 100)} %` };
  }
  return result;
}

const round = (value: number): number => Math.round(value * 100) / 100;
