import { filter } from '../../../index.ts';
import { memoLast } from '../memo-last.ts';
import type { Bid, NexmarkEvent } from '../model.ts';
import { type CompletePartition, localFiles, partitionedFiles } from '../partition-files.ts';
import { BIDS, type NexmarkQuery } from '../query.ts';

const MINUTE_MS = 60_000;
const DELAY_MS = 60_000;

/** `dt=2015-07-15/hm=00-10`: by day and minute, UTC. */
const minutePath = memoLast((minute) => {
  const iso = new Date(minute * MINUTE_MS).toISOString();
  return `dt=${iso.slice(0, 10)}/hm=${iso.slice(11, 13)}-${iso.slice(14, 16)}`;
});

/** Log to file system: every bid as a line of CSV, a folder for each minute; rows tell of complete folders. */
export const q10: NexmarkQuery<CompletePartition> = {
  name: 'q10',
  title: 'Log to file system',
  projection: BIDS,
  build: (events, { folder }) =>
    events.pipe(
      filter<NexmarkEvent, Bid>('bids', (event): event is Bid => event.kind === 'bid'),
      partitionedFiles<Bid>('files', {
        files: localFiles(folder),
        pathOf: ({ dateTime }) => minutePath(Math.floor(dateTime / MINUTE_MS)),
        endOf: ({ dateTime }) => (Math.floor(dateTime / MINUTE_MS) + 1) * MINUTE_MS,
        lineOf: ({ auction, bidder, price, dateTime, extra }) =>
          `${auction},${bidder},${price},${new Date(dateTime).toISOString()},${extra}`,
        delay_ms: DELAY_MS,
      }),
    ),
};
