/** The three kinds of events of Nexmark. Times are ms since the Unix epoch, prices are whole cents. */

export interface Person {
  readonly kind: 'person';
  readonly id: number;
  readonly name: string;
  readonly emailAddress: string;
  readonly creditCard: string;
  readonly city: string;
  readonly state: string;
  readonly dateTime: number;
  readonly extra: string;
}

export interface Auction {
  readonly kind: 'auction';
  readonly id: number;
  readonly itemName: string;
  readonly description: string;
  readonly initialBid: number;
  readonly reserve: number;
  readonly dateTime: number;
  /** The last moment at which a bid counts. */
  readonly expires: number;
  readonly seller: number;
  readonly category: number;
  readonly extra: string;
}

export interface Bid {
  readonly kind: 'bid';
  readonly auction: number;
  readonly bidder: number;
  readonly price: number;
  readonly channel: string;
  readonly url: string;
  readonly dateTime: number;
  readonly extra: string;
}

export type NexmarkEvent = Person | Auction | Bid;

/**
 * Says which of two bids comes first where a query's order leaves them equal: by every field, so that the
 * choice is the same whatever the order of arrival. Negative when `a` does.
 */
export function compareBids(a: Bid, b: Bid): number {
  return (
    a.dateTime - b.dateTime ||
    a.price - b.price ||
    a.auction - b.auction ||
    a.bidder - b.bidder ||
    compareText(a.channel, b.channel) ||
    compareText(a.url, b.url) ||
    compareText(a.extra, b.extra)
  );
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
