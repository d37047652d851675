import { flatMap } from '../../../index.ts';
import type { Bid, NexmarkEvent } from '../model.ts';
import { BIDS, type NexmarkQuery } from '../query.ts';

export interface ChannelBid {
  readonly auction: number;
  readonly bidder: number;
  readonly price: number;
  readonly channel: string;
  readonly channel_id: string;
}

const IDS: ReadonlyMap<string, string> = new Map([
  ['apple', '0'],
  ['google', '1'],
  ['facebook', '2'],
  ['baidu', '3'],
]);
const PARAMETER = 'channel_id=';

/** The id of a well-known channel, else the one in the url; undefined when there is none. */
function channelId({ channel, url }: Bid): string | undefined {
  const known = IDS.get(channel.toLowerCase());
  if (known !== undefined) return known;
  for (let at = url.indexOf(PARAMETER); at >= 0; at = url.indexOf(PARAMETER, at + 1)) {
    if (at > 0 && url[at - 1] !== '&') continue;
    const end = url.indexOf('&', at);
    return url.slice(at + PARAMETER.length, end < 0 ? url.length : end);
  }
  return undefined;
}

/** Adds a channel id. */
export const q21: NexmarkQuery<ChannelBid> = {
  name: 'q21',
  title: 'Add channel id',
  projection: BIDS,
  build: (events) =>
    events.pipe(
      flatMap<NexmarkEvent, ChannelBid>('channel-ids', {
        each: (event, push) => {
          if (event.kind !== 'bid') return;
          const channel_id = channelId(event);
          if (channel_id === undefined) return;
          const { auction, bidder, price, channel } = event;
          push({ auction, bidder, price, channel, channel_id });
        },
      }),
    ),
};
