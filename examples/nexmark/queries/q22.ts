import { flatMap } from '../../../index.ts';
import type { NexmarkEvent } from '../model.ts';
import { BIDS, type NexmarkQuery } from '../query.ts';

export interface DirectoryBid {
  readonly auction: number;
  readonly bidder: number;
  readonly price: number;
  readonly channel: string;
  /** null where the url has not so many parts. */
  readonly dir1: string | null;
  readonly dir2: string | null;
  readonly dir3: string | null;
}

/** Parts of a url before the first directory: scheme, nothing, host. */
const BEFORE = 3;

/** The directories of the url. */
export const q22: NexmarkQuery<DirectoryBid> = {
  name: 'q22',
  title: 'Get url directories',
  projection: BIDS,
  build: (events) =>
    events.pipe(
      flatMap<NexmarkEvent, DirectoryBid>('directories', {
        each: (event, push) => {
          if (event.kind !== 'bid') return;
          const { auction, bidder, price, channel, url } = event;
          const parts = url.split('/', BEFORE + 3);
          const [dir1 = null, dir2 = null, dir3 = null] = parts.slice(BEFORE);
          push({ auction, bidder, price, channel, dir1, dir2, dir3 });
        },
      }),
    ),
};
