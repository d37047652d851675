import type {
  OutMessage,
  SeededRandom,
  SeedsOptions,
  SimulatedMessage,
  SourceRecord,
  Stream,
  Topology,
} from '../engine/index.ts';
import { dedup, keyedProcess, map, toJetStream, watermark } from '../operators/index.ts';

/** What the simulated topologies read: small, with few keys, so that much of it meets. */
export interface Happening {
  readonly id: string;
  readonly key: string;
  readonly kind: string;
  readonly amount: number;
  readonly time_ms: number;
}

/** A topology of the library under simulation, and what it is fed with. */
export interface LibraryCase
  extends Pick<SeedsOptions, 'generate' | 'disorder' | 'duplicates' | 'start_ms' | 'end_ms'> {
  /** `cacheRows`: how many rows of each table stay in memory. */
  readonly topology: (limits: Limits) => Topology;
}

export interface Limits {
  readonly cacheRows: number;
  readonly memoryIds: number;
}

export const T0_MS = Date.UTC(2025, 5, 1);
/**
 * The clock stays before the events. So an idle source's watermark never passes them, and a run ends with the
 * watermark where the newest event puts it: with windows open and rows waiting, which are then compared, too.
 */
export const TIMES = { start_ms: T0_MS - 86_400_000, end_ms: T0_MS } as const;
/** What the watermarks allow. */
export const DISORDER_MS = 2_000;
const IDLE_MS = 60_000;
const KINDS = ['visit', 'cart', 'pay', 'refund'];
/** The last event of each stream; with several sources of the same time, so that all come to one watermark. */
const END_KEY = 'end';
/** Every second set ends hours later. */
export const SETS_THAT_END = 2;
const HOURS_MS = 4 * 3_600_000;

export function happeningOf({ data }: { readonly data: Uint8Array }): Happening {
  return JSON.parse(Buffer.from(data).toString()) as Happening;
}

export const timeOf = ({ time_ms }: Happening): number => time_ms;
export const keyOf = ({ key }: Happening): string => key;

/** Events of `span_ms`, one in `step_ms` on average: some at the same time, some after a pause. */
export function happenings(
  subject: string,
  { span_ms, step_ms }: { readonly span_ms: number; readonly step_ms: number },
  set: number,
  random: SeededRandom,
): SimulatedMessage[] {
  const messages: SimulatedMessage[] = [];
  const put = (event: Happening): void => {
    messages.push({ subject, data: Buffer.from(JSON.stringify(event)) });
  };
  let time_ms = T0_MS + random.int(0, step_ms);
  while (time_ms < T0_MS + span_ms) {
    const id = `${subject}-${messages.length}`;
    const key = random.pick(['a', 'a', 'b', 'c', `k${random.int(0, 9)}`]);
    put({ id, key, kind: random.pick(KINDS), amount: random.int(-5, 40), time_ms });
    if (random.chance(0.8)) time_ms += random.int(1, 2 * step_ms);
    if (random.chance(0.03)) time_ms += 10 * step_ms;
  }
  // Far behind all others it ends all that can end; right behind them much stays open.
  const end_ms = T0_MS + span_ms + (set % SETS_THAT_END === 0 ? HOURS_MS : 0);
  put({ id: `${subject}-end`, key: END_KEY, kind: END_KEY, amount: 0, time_ms: end_ms });
  return messages;
}

export const disorder = (max_ms: number) => ({
  timeOf: (message: SimulatedMessage) => happeningOf(message).time_ms,
  max_ms,
});

/** Events once each, and their watermark. */
export function read(
  records: Stream<SourceRecord>,
  name: string,
  { memoryIds }: Limits,
  outOfOrderness_ms = DISORDER_MS,
): Stream<Happening> {
  return records.pipe(
    map<SourceRecord, Happening>(`${name}-parse`, happeningOf),
    dedup<Happening>(`${name}-once`, { idOf: ({ id }) => id, timeOf, memory_ids: memoryIds }),
    watermark<Happening>(`${name}-time`, { timeOf, outOfOrderness_ms, idle_ms: IDLE_MS }),
  );
}

/** Sends each item under an id made of what it says: the same for the same item, whatever came before. */
export function send<A>(items: Stream<A>, name: string): void {
  items.pipe(
    toJetStream<A>(name, {
      subject: `out.${name}`,
      idOf: (item): OutMessage['id'] => `${name} ${JSON.stringify(item)}`,
    }),
  );
}

/** Counts items by what they say: what comes late, or twice, shows in the table. */
export function tally<A>(items: Stream<A>, name: string): void {
  items.pipe(
    keyedProcess<A, never, number>(name, {
      keyOf: (item) => JSON.stringify(item),
      initial: () => 0,
      onEvent: (_, { state, setState }) => setState(state + 1),
    }),
  );
}
