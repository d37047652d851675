import {
  type Codec,
  defineOperator,
  type Handlers,
  mapTable,
  type Operator,
  type OperatorContext,
  type ScopedMap,
  uintKey,
} from '../../index.ts';
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

export type WinningBidsSides = { readonly raised: Raise };

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

const beats = (bid: Bid, other: Bid): boolean =>
  bid.price > other.price || (bid.price === other.price && compareBids(bid, other) < 0);

/**
 * The winning bid of each auction: the highest of those within its life, the earliest of equals. What wins
 * comes out once, when the watermark has passed the end of the auction, in the order of (end, id); each new
 * highest bid until then goes to the side output `raised`. A bid may come before its auction: it waits until
 * the watermark says that the auction cannot come any more. An auction without a bid in its life gives nothing.
 * State: a row for each auction until its end, and the bids that wait.
 */
export function winningBids(name: string): Operator<NexmarkEvent, WonAuction, WinningBidsSides> {
  return make(name, undefined);
}

const tables = () => ({
  open: mapTable<number, OpenAuction>({ key: uintKey, value: openAuctionCodec, version: 1 }),
  waiting: mapTable<number, readonly Bid[]>({ key: uintKey, value: listCodec(bidCodec), version: 1 }),
});

const make = defineOperator<NexmarkEvent, WonAuction, undefined, ReturnType<typeof tables>, WinningBidsSides>(
  {
    kind: 'winning-bids',
    summary: 'The highest bid of each auction within its life',
    state: tables,
    sides: ['raised'],
    start: (context) => new WinningBids(context),
  },
);

type Context = OperatorContext<undefined, ReturnType<typeof tables>, WonAuction, WinningBidsSides>;

class WinningBids implements Handlers<NexmarkEvent> {
  readonly #context: Context;
  readonly #open: ScopedMap<number, OpenAuction>;
  readonly #waiting: ScopedMap<number, readonly Bid[]>;
  #watermark_ms: number;
  #raised: Raise[] = [];
  #won: WonAuction[] = [];

  constructor(context: Context) {
    this.#context = context;
    this.#open = context.state.open.scope('');
    this.#waiting = context.state.waiting.scope('');
    this.#watermark_ms = context.initialWatermark_ms ?? Number.NEGATIVE_INFINITY;
  }

  onBatch(events: readonly NexmarkEvent[]): void {
    for (const event of events) {
      if (event.kind === 'bid') this.#onBid(event);
      else if (event.kind === 'auction') this.#onAuction(event);
    }
    const raised = this.#raised;
    this.#raised = [];
    this.#context.emitTo('raised', raised);
  }

  #onBid(bid: Bid): void {
    const at = this.#open.get(bid.auction);
    if (at !== undefined) {
      const after = this.#offer(at, bid);
      if (after !== at) this.#open.set(bid.auction, after);
      return;
    }
    // An auction that begins after the bid never counts it, and one before it has come and is over.
    if (bid.dateTime < this.#watermark_ms) return;
    this.#waiting.set(bid.auction, [...(this.#waiting.get(bid.auction) ?? []), bid]);
    const step = Math.floor(bid.dateTime / WAITING_STEP_MS) + 1;
    this.#context.timers.set(step * WAITING_STEP_MS, `${WAITING}${bid.auction}`);
  }

  #onAuction(auction: Auction): void {
    let at: OpenAuction = { auction, best: undefined };
    const early = this.#waiting.get(auction.id);
    if (early !== undefined) {
      for (const bid of early) at = this.#offer(at, bid);
      this.#waiting.delete(auction.id);
    }
    this.#open.set(auction.id, at);
    this.#context.timers.set(auction.expires + 1, `${OPEN}${auction.id}`);
  }

  /** The auction after the bid: itself when nothing changes. */
  #offer(at: OpenAuction, bid: Bid): OpenAuction {
    const { auction, best } = at;
    if (bid.dateTime < auction.dateTime || bid.dateTime > auction.expires) return at;
    if (best !== undefined && !beats(bid, best)) return at;
    if (best?.price !== bid.price) {
      const { id, category } = auction;
      this.#raised.push({ auction: id, category, before: best?.price, after: bid.price });
    }
    return { auction, best: bid };
  }

  onTimer(time_ms: number, key: string): void {
    const id = Number(key.slice(1));
    if (key.startsWith(OPEN)) this.#close(id);
    else this.#expire(id, time_ms);
  }

  #close(id: number): void {
    const at = this.#open.get(id);
    if (at?.best !== undefined) this.#won.push({ auction: at.auction, bid: at.best });
    this.#open.delete(id);
  }

  #expire(id: number, until_ms: number): void {
    const left = this.#waiting.get(id)?.filter(({ dateTime }) => dateTime >= until_ms) ?? [];
    if (left.length > 0) this.#waiting.set(id, left);
    else this.#waiting.delete(id);
  }

  onWatermark(time_ms: number): void {
    this.#watermark_ms = Math.max(this.#watermark_ms, time_ms);
    const won = this.#won;
    this.#won = [];
    this.#context.emit(
      won.sort((a, b) => a.auction.expires - b.auction.expires || a.auction.id - b.auction.id),
    );
  }
}
