import { type Codec, defineOperator, mapTable, type Operator, uintKey } from '../../index.ts';
import { auctionCodec, bidCodec, listCodec, optionalCodec } from './codecs.ts';
import { type Auction, type Bid, compareBids, type NexmarkEvent } from './model.ts';

/** An auction that is over, with the bid that won it. */
export interface WonAuction {
  readonly auction: Auction;
  readonly bid: Bid;
}

/** An auction's highest bid became another. */
export interface Raise {
  readonly auction: number;
  readonly category: number;
  /** undefined for the auction's first bid. */
  readonly before: number | undefined;
  readonly after: number;
}

interface OpenAuction {
  readonly auction: Auction;
  readonly best: Bid | undefined;
}

const openAuctionCodec: Codec<OpenAuction> = {
  write: (writer, { auction, best }) => {
    auctionCodec.write(writer, auction);
    optionalCodec(bidCodec).write(writer, best);
  },
  read: (reader) => ({ auction: auctionCodec.read(reader), best: optionalCodec(bidCodec).read(reader) }),
};

/** Bids that wait for their auction are looked at once in so much event time, ms. */
const WAITING_STEP_MS = 1_000;
const WAITING = 'w';
const OPEN = 'o';

/**
 * The winning bid of each auction: the highest of those within its life, the earliest of equals. What wins
 * comes out once, when the watermark has passed the end of the auction, in the order of (end, id); each new
 * highest bid until then goes to the side output `raised`. A bid may come before its auction: it waits until
 * the watermark says that the auction cannot come any more. An auction without a bid in its life gives nothing.
 * State: a row for each auction until its end, and the bids that wait.
 */
export function winningBids(name: string): Operator<NexmarkEvent, WonAuction, { readonly raised: Raise }> {
  return make(name, undefined);
}

const tables = () => ({
  open: mapTable<number, OpenAuction>({ key: uintKey, value: openAuctionCodec, version: 1 }),
  waiting: mapTable<number, readonly Bid[]>({ key: uintKey, value: listCodec(bidCodec), version: 1 }),
});

const beats = (bid: Bid, other: Bid): boolean =>
  bid.price > other.price || (bid.price === other.price && compareBids(bid, other) < 0);

const make = defineOperator<
  NexmarkEvent,
  WonAuction,
  undefined,
  ReturnType<typeof tables>,
  { readonly raised: Raise }
>({
  kind: 'winning-bids',
  summary: 'The highest bid of each auction within its life',
  state: tables,
  sides: ['raised'],
  start: ({ state, timers, emit, emitTo, initialWatermark_ms }) => {
    const open = state.open.scope('');
    const waiting = state.waiting.scope('');
    let watermark_ms = initialWatermark_ms ?? Number.NEGATIVE_INFINITY;
    let raises: Raise[] = [];
    let won: WonAuction[] = [];
    const offer = (at: OpenAuction, bid: Bid): OpenAuction => {
      const { auction, best } = at;
      if (bid.dateTime < auction.dateTime || bid.dateTime > auction.expires) return at;
      if (best !== undefined && !beats(bid, best)) return at;
      if (best?.price !== bid.price) {
        raises.push({
          auction: auction.id,
          category: auction.category,
          before: best?.price,
          after: bid.price,
        });
      }
      return { auction, best: bid };
    };
    const addBid = (bid: Bid): void => {
      const at = open.get(bid.auction);
      if (at !== undefined) {
        const after = offer(at, bid);
        if (after !== at) open.set(bid.auction, after);
        return;
      }
      // An auction that begins after the bid never counts it, and one before it has come and is over.
      if (bid.dateTime < watermark_ms) return;
      waiting.set(bid.auction, [...(waiting.get(bid.auction) ?? []), bid]);
      const step = Math.floor(bid.dateTime / WAITING_STEP_MS) + 1;
      timers.set(step * WAITING_STEP_MS, `${WAITING}${bid.auction}`);
    };
    const addAuction = (auction: Auction): void => {
      let at: OpenAuction = { auction, best: undefined };
      const early = waiting.get(auction.id);
      if (early !== undefined) {
        for (const bid of early) at = offer(at, bid);
        waiting.delete(auction.id);
      }
      open.set(auction.id, at);
      timers.set(auction.expires + 1, `${OPEN}${auction.id}`);
    };
    const close = (id: number): void => {
      const at = open.get(id);
      if (at?.best !== undefined) won.push({ auction: at.auction, bid: at.best });
      open.delete(id);
    };
    const expire = (id: number): void => {
      const left = waiting.get(id)?.filter(({ dateTime }) => dateTime >= watermark_ms) ?? [];
      if (left.length > 0) waiting.set(id, left);
      else waiting.delete(id);
    };
    return {
      onBatch: (events) => {
        for (const event of events) {
          if (event.kind === 'bid') addBid(event);
          else if (event.kind === 'auction') addAuction(event);
        }
        const fresh = raises;
        raises = [];
        emitTo('raised', fresh);
      },
      onTimer: (time_ms, key) => {
        watermark_ms = Math.max(watermark_ms, time_ms);
        const id = Number(key.slice(1));
        if (key.startsWith(OPEN)) close(id);
        else expire(id);
      },
      onWatermark: (time_ms) => {
        watermark_ms = Math.max(watermark_ms, time_ms);
        const over = won;
        won = [];
        emit(over.sort((a, b) => a.auction.expires - b.auction.expires || a.auction.id - b.auction.id));
      },
    };
  },
});
