import { bidStatistics, type GroupStatistics } from '../bid-statistics.ts';
import type { Projection } from '../messages.ts';
import type { NexmarkQuery } from '../query.ts';

const PROJECTION: Projection = { kinds: ['bid'], bidText: 'channel' };

/** Channel statistics by day. */
export const q16: NexmarkQuery<GroupStatistics> = {
  name: 'q16',
  title: 'Channel statistics report',
  projection: PROJECTION,
  keyOf: ({ channel, day }) => `${channel} ${day}`,
  build: (events) => events.pipe(bidStatistics('statistics', { byChannel: true })),
};
