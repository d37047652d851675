import { map } from '../../../index.ts';
import { type BidStatistics, bidStatistics, type GroupStatistics } from '../bid-statistics.ts';
import { BID_NUMBERS, type NexmarkQuery } from '../query.ts';

export interface DayStatistics extends BidStatistics {
  readonly day: string;
}

/** Bidding statistics by day. */
export const q15: NexmarkQuery<DayStatistics> = {
  name: 'q15',
  title: 'Bidding statistics report',
  projection: BID_NUMBERS,
  keyOf: ({ day }) => day,
  build: (events) =>
    events.pipe(
      bidStatistics('statistics', { byChannel: false }),
      map<GroupStatistics, DayStatistics>('rows', ({ channel: _, minute: __, ...row }) => row),
    ),
};
