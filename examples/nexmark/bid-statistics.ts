import {
  type ByteReader,
  type ByteWriter,
  type Codec,
  type Counter,
  defineOperator,
  type Handlers,
  intCodec,
  MillraceError,
  mapTable,
  type Operator,
  type OperatorContext,
  type ScopedMap,
  stringKey,
  uintKey,
} from '../../index.ts';
import type { Bid, NexmarkEvent } from './model.ts';

/** Counts of bids by price rank, and of the distinct bidders and auctions in them. */
export interface BidStatistics {
  readonly total_bids: number;
  readonly rank1_bids: number;
  readonly rank2_bids: number;
  readonly rank3_bids: number;
  readonly total_bidders: number;
  readonly rank1_bidders: number;
  readonly rank2_bidders: number;
  readonly rank3_bidders: number;
  readonly total_auctions: number;
  readonly rank1_auctions: number;
  readonly rank2_auctions: number;
  readonly rank3_auctions: number;
}

export interface GroupStatistics extends BidStatistics {
  /** '' where there is one group only. */
  readonly channel: string;
  /** `2015-07-15`, UTC. */
  readonly day: string;
  /** The latest minute with a bid, `23:59`. */
  readonly minute: string;
}

export const RANK2_FROM = 10_000;
export const RANK3_FROM = 1_000_000;
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** Where the counts of a kind begin in a group's counts: the total, then each rank's. */
const BIDS = 0;
const BIDDERS = 4;
const AUCTIONS = 8;
const COUNTS = 12;

interface Group {
  /** Numbered from 0 in each day: the keys of what was seen begin with it. */
  readonly number: number;
  latest_ms: number;
  readonly counts: number[];
}

const groupCodec: Codec<Group> = {
  write: (writer: ByteWriter, { number, latest_ms, counts }) => {
    writer.varint(number).u48(latest_ms);
    for (const count of counts) writer.varint(count);
  },
  read: (reader: ByteReader) => ({
    number: reader.varint(),
    latest_ms: reader.u48(),
    counts: Array.from({ length: COUNTS }, () => reader.varint()),
  }),
};

const ID_LIMIT = 2 ** 31;
const GROUPS_LIMIT = 2 ** 16;

/** One number of 48 bits for a bidder or an auction of a group. */
function seenKey(group: number, kind: 0 | 1, id: number): number {
  if (id >= ID_LIMIT || group >= GROUPS_LIMIT) {
    throw new MillraceError(
      'bid_statistics_limit',
      `The id ${id} or the group number ${group} does not fit: ids end at ${ID_LIMIT}, groups of a day at ${GROUPS_LIMIT}.`,
    );
  }
  return (group * 2 + kind) * ID_LIMIT + id;
}

export type LateBids = { readonly late: Bid };

const dayEnd = (time_ms: number): number => (Math.floor(time_ms / DAY_MS) + 1) * DAY_MS;

const tables = () => ({
  groups: mapTable<string, Group>({ key: stringKey, value: groupCodec, version: 1 }),
  /** Which ranks a bidder or an auction was seen with in a group, as bits. */
  seen: mapTable<number, number>({ key: uintKey, value: intCodec, version: 1 }),
  /** The number of groups, by day. */
  days: mapTable<string, number>({ key: stringKey, value: intCodec, version: 1 }),
});

interface Day {
  readonly name: string;
  readonly groups: ScopedMap<string, Group>;
  readonly seen: ScopedMap<number, number>;
}

export interface BidStatisticsConfig {
  /** Groups by channel, or one group a day. */
  readonly byChannel: boolean;
}

/**
 * Statistics of the bids of each day, kept exactly. The groups that a batch has changed come out after it, in the
 * order of (day, channel). Bids that come when their day is over go to the side output `late`, counted as
 * `millrace.bid_statistics.late`. State: a row for each group, and one for each bidder and each auction in a group,
 * until the watermark reaches the end of the day. Throws `bid_statistics_limit` for ids from 2^31 on, and for more
 * than 65,536 groups in a day.
 */
export function bidStatistics(
  name: string,
  config: BidStatisticsConfig,
): Operator<NexmarkEvent, GroupStatistics, LateBids> {
  return make(name, config);
}

const make = defineOperator<
  NexmarkEvent,
  GroupStatistics,
  BidStatisticsConfig,
  ReturnType<typeof tables>,
  LateBids
>({
  kind: 'bid-statistics',
  summary: 'Counts of bids, bidders and auctions by day, channel and price rank',
  state: tables,
  sides: ['late'],
  start: (context) => new Statistics(context),
});

type Context = OperatorContext<BidStatisticsConfig, ReturnType<typeof tables>, GroupStatistics, LateBids>;

class Statistics implements Handlers<NexmarkEvent> {
  readonly #context: Context;
  readonly #days: ScopedMap<string, number>;
  readonly #late: Counter;
  #watermark_ms: number;
  #day: Day;
  /** Of `#day`; NaN when it has to be looked up. */
  #dayNumber = Number.NaN;
  /** Groups of the batch in hand, by day and channel. */
  readonly #changed = new Map<string, Map<string, Group>>();

  constructor(context: Context) {
    const { name, state, metrics, initialWatermark_ms } = context;
    this.#context = context;
    this.#days = state.days.scope('');
    this.#day = { name: '', groups: state.groups.scope(''), seen: state.seen.scope('') };
    this.#watermark_ms = initialWatermark_ms ?? Number.NEGATIVE_INFINITY;
    this.#late = metrics.counter('millrace.bid_statistics.late', 'Bids of days that are over', {
      operator: name,
    });
  }

  onBatch(events: readonly NexmarkEvent[]): void {
    const { byChannel } = this.#context.config;
    const late: Bid[] = [];
    for (const event of events) {
      if (event.kind !== 'bid') continue;
      const isBehind = event.dateTime < this.#watermark_ms;
      if (isBehind && dayEnd(event.dateTime) <= this.#watermark_ms) late.push(event);
      else this.#add(byChannel ? event.channel : '', event);
    }
    this.#late.add(late.length);
    this.#context.emitTo('late', late);
    const rows: GroupStatistics[] = [];
    for (const [day, groups] of this.#changed) {
      for (const [channel, group] of groups) rows.push(rowOf(day, channel, group));
    }
    this.#changed.clear();
    this.#context.emit(rows.sort(byDayAndChannel));
  }

  #add(channel: string, { dateTime, price, bidder, auction }: Bid): void {
    const number = Math.floor(dateTime / DAY_MS);
    if (number !== this.#dayNumber) this.#openDay(number);
    const group = this.#openGroup(channel);
    const { counts } = group;
    const rank = price < RANK2_FROM ? 1 : price < RANK3_FROM ? 2 : 3;
    increment(counts, BIDS);
    increment(counts, BIDS + rank);
    this.#see(counts, BIDDERS, seenKey(group.number, 0, bidder), rank);
    this.#see(counts, AUCTIONS, seenKey(group.number, 1, auction), rank);
    if (dateTime > group.latest_ms) group.latest_ms = dateTime;
    this.#day.groups.set(channel, group);
    let groups = this.#changed.get(this.#day.name);
    if (groups === undefined) {
      groups = new Map();
      this.#changed.set(this.#day.name, groups);
    }
    groups.set(channel, group);
  }

  #openDay(number: number): void {
    const { state, timers } = this.#context;
    const name = new Date(number * DAY_MS).toISOString().slice(0, 10);
    this.#dayNumber = number;
    this.#day = { name, groups: state.groups.scope(name), seen: state.seen.scope(name) };
    if (this.#days.get(name) !== undefined) return;
    this.#days.set(name, 0);
    timers.set((number + 1) * DAY_MS, name);
  }

  #openGroup(channel: string): Group {
    const known = this.#day.groups.get(channel);
    if (known !== undefined) return known;
    const number = this.#days.get(this.#day.name) ?? 0;
    this.#days.set(this.#day.name, number + 1);
    return { number, latest_ms: 0, counts: new Array<number>(COUNTS).fill(0) };
  }

  #see(counts: number[], at: number, key: number, rank: number): void {
    const ranks = this.#day.seen.get(key) ?? 0;
    const bit = 1 << rank;
    if ((ranks & bit) !== 0) return;
    this.#day.seen.set(key, ranks | bit);
    if (ranks === 0) increment(counts, at);
    increment(counts, at + rank);
  }

  onTimer(_: number, day: string): void {
    const { state } = this.#context;
    state.groups.drop(day);
    state.seen.drop(day);
    this.#days.delete(day);
  }

  onWatermark(time_ms: number): void {
    this.#watermark_ms = Math.max(this.#watermark_ms, time_ms);
    // The day may have been dropped, and its handles are of no use then.
    this.#dayNumber = Number.NaN;
  }
}

function increment(counts: number[], at: number): void {
  counts[at] = (counts[at] as number) + 1;
}

function byDayAndChannel(a: GroupStatistics, b: GroupStatistics): number {
  if (a.day !== b.day) return a.day < b.day ? -1 : 1;
  return a.channel < b.channel ? -1 : 1;
}

function rowOf(day: string, channel: string, { latest_ms, counts }: Group): GroupStatistics {
  const minutes = Math.floor((latest_ms % DAY_MS) / MINUTE_MS);
  const two = (value: number): string => String(value).padStart(2, '0');
  return {
    channel,
    day,
    minute: `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`,
    total_bids: counts[0] as number,
    rank1_bids: counts[1] as number,
    rank2_bids: counts[2] as number,
    rank3_bids: counts[3] as number,
    total_bidders: counts[4] as number,
    rank1_bidders: counts[5] as number,
    rank2_bidders: counts[6] as number,
    rank3_bidders: counts[7] as number,
    total_auctions: counts[8] as number,
    rank1_auctions: counts[9] as number,
    rank2_auctions: counts[10] as number,
    rank3_auctions: counts[11] as number,
  };
}
