import {
  type ByteReader,
  type ByteWriter,
  type Codec,
  defineOperator,
  intCodec,
  invariant,
  mapTable,
  type Operator,
  type ScopedMap,
  stringKey,
  uintKey,
} from '../../index.ts';
import type { NexmarkEvent } from './model.ts';

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
  invariant(id < ID_LIMIT && group < GROUPS_LIMIT, 'an id and the number of groups a day fit a key');
  return (group * 2 + kind) * ID_LIMIT + id;
}

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
 * order of (day, channel). State: a row for each group, and one for each bidder and each auction in a group, until
 * the watermark passes the end of the day.
 */
export function bidStatistics(
  name: string,
  config: BidStatisticsConfig,
): Operator<NexmarkEvent, GroupStatistics> {
  return make(name, config);
}

const make = defineOperator<NexmarkEvent, GroupStatistics, BidStatisticsConfig, ReturnType<typeof tables>>({
  kind: 'bid-statistics',
  summary: 'Counts of bids, bidders and auctions by day, channel and price rank',
  state: tables,
  start: ({ config: { byChannel }, state, timers, emit }) => {
    const days = state.days.scope('');
    let day: Day = { name: '', groups: state.groups.scope(''), seen: state.seen.scope('') };
    let dayNumber = Number.NaN;
    const changed = new Map<string, Map<string, Group>>();
    const openDay = (number: number): void => {
      dayNumber = number;
      const name = new Date(number * DAY_MS).toISOString().slice(0, 10);
      day = { name, groups: state.groups.scope(name), seen: state.seen.scope(name) };
      if (days.get(name) === undefined) {
        days.set(name, 0);
        timers.set((number + 1) * DAY_MS, name);
      }
    };
    const openGroup = (channel: string): Group => {
      const known = day.groups.get(channel);
      if (known !== undefined) return known;
      const number = days.get(day.name) ?? 0;
      days.set(day.name, number + 1);
      return { number, latest_ms: 0, counts: new Array<number>(COUNTS).fill(0) };
    };
    const see = (counts: number[], at: number, key: number, rank: number): void => {
      const ranks = day.seen.get(key) ?? 0;
      const bit = 1 << rank;
      if ((ranks & bit) !== 0) return;
      day.seen.set(key, ranks | bit);
      if (ranks === 0) counts[at] = (counts[at] as number) + 1;
      counts[at + rank] = (counts[at + rank] as number) + 1;
    };
    const add = (channel: string, dateTime: number, price: number, bidder: number, auction: number): void => {
      const number = Math.floor(dateTime / DAY_MS);
      if (number !== dayNumber) openDay(number);
      const group = openGroup(channel);
      const { counts } = group;
      const rank = price < RANK2_FROM ? 1 : price < RANK3_FROM ? 2 : 3;
      counts[BIDS] = (counts[BIDS] as number) + 1;
      counts[BIDS + rank] = (counts[BIDS + rank] as number) + 1;
      see(counts, BIDDERS, seenKey(group.number, 0, bidder), rank);
      see(counts, AUCTIONS, seenKey(group.number, 1, auction), rank);
      if (dateTime > group.latest_ms) group.latest_ms = dateTime;
      day.groups.set(channel, group);
      let groups = changed.get(day.name);
      if (groups === undefined) {
        groups = new Map();
        changed.set(day.name, groups);
      }
      groups.set(channel, group);
    };
    return {
      onBatch: (events) => {
        for (const event of events) {
          if (event.kind !== 'bid') continue;
          add(byChannel ? event.channel : '', event.dateTime, event.price, event.bidder, event.auction);
        }
        const rows: GroupStatistics[] = [];
        for (const [name, groups] of changed) {
          for (const [channel, group] of groups) rows.push(rowOf(name, channel, group));
        }
        changed.clear();
        emit(rows.sort(byDayAndChannel));
      },
      onTimer: (_, name) => {
        state.groups.drop(name);
        state.seen.drop(name);
        days.delete(name);
        // Late bids of the day would begin it anew, with handles of their own.
        dayNumber = Number.NaN;
      },
    };
  },
});

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
