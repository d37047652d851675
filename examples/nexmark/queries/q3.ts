import { filter, streamJoin } from '../../../index.ts';
import { auctionCodec, personCodec } from '../codecs.ts';
import type { Projection } from '../messages.ts';
import type { Auction, NexmarkEvent, Person } from '../model.ts';
import type { NexmarkQuery } from '../query.ts';

export interface LocalItem {
  readonly name: string;
  readonly city: string;
  readonly state: string;
  /** The auction. */
  readonly id: number;
}

const PROJECTION: Projection = { kinds: ['person', 'auction'], bidText: 'none' };
const CATEGORY = 10;
const STATES: ReadonlySet<string> = new Set(['OR', 'ID', 'CA']);

const isLocal = (event: NexmarkEvent): event is Person => event.kind === 'person' && STATES.has(event.state);
const isWanted = (event: NexmarkEvent): event is Auction =>
  event.kind === 'auction' && event.category === CATEGORY;

/** Local item suggestion: what people of three states sell in one category. */
export const q3: NexmarkQuery<LocalItem> = {
  name: 'q3',
  title: 'Local item suggestion',
  projection: PROJECTION,
  build: (events) => {
    const auctions = events.pipe(filter('auctions', isWanted));
    const persons = events.pipe(filter('persons', isLocal));
    return auctions.connect(
      persons,
      streamJoin<Auction, Person, LocalItem>('local-items', {
        left: { keyOf: ({ seller }) => String(seller), codec: auctionCodec },
        right: { keyOf: ({ id }) => String(id), codec: personCodec },
        join: ({ id }, { name, city, state }) => ({ name, city, state, id }),
      }),
    );
  },
};
