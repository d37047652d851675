import { filter, keyedProcess, windowJoin } from '../../../index.ts';
import { auctionCodec, personCodec } from '../codecs.ts';
import type { Projection } from '../messages.ts';
import type { Auction, NexmarkEvent, Person } from '../model.ts';
import type { NexmarkQuery } from '../query.ts';

export interface NewSeller {
  readonly id: number;
  readonly name: string;
  /** Of the window of 10 s. */
  readonly starttime: number;
}

const PROJECTION: Projection = { kinds: ['person', 'auction'], bidText: 'none' };
const SIZE_MS = 10_000;

const isPerson = (event: NexmarkEvent): event is Person => event.kind === 'person';
const isAuction = (event: NexmarkEvent): event is Auction => event.kind === 'auction';

/** Monitor new users: who sells something in the same 10 s in which they came, once each. */
export const q8: NexmarkQuery<NewSeller> = {
  name: 'q8',
  title: 'Monitor new users',
  projection: PROJECTION,
  build: (events) => {
    const auctions = events.pipe(filter('auctions', isAuction));
    const persons = events.pipe(filter('persons', isPerson));
    return persons
      .connect(
        auctions,
        windowJoin<Person, Auction, NewSeller>('sales', {
          type: 'inner',
          left: { keyOf: ({ id }) => String(id), timeOf: ({ dateTime }) => dateTime, codec: personCodec },
          right: {
            keyOf: ({ seller }) => String(seller),
            timeOf: ({ dateTime }) => dateTime,
            codec: auctionCodec,
          },
          size_ms: SIZE_MS,
          join: ({ id, name }, _, { start_ms }) => ({ id, name, starttime: start_ms }),
        }),
      )
      .pipe(
        // A match for each auction of the seller: the first one counts.
        keyedProcess<NewSeller, NewSeller, boolean>('first-sales', {
          keyOf: ({ id, starttime }) => `${id} ${starttime}`,
          onEvent: (seller, context) => {
            if (context.state === true) return;
            context.setState(true);
            context.timers.set(seller.starttime + SIZE_MS);
            context.emit(seller);
          },
          onTimer: (_, context) => context.clearState(),
        }),
      );
  },
};
