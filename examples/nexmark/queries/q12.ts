import { defineOperator, intCodec, mapTable, uintKey } from '../../../index.ts';
import type { NexmarkEvent } from '../model.ts';
import { BID_NUMBERS, type NexmarkQuery } from '../query.ts';

export interface BidderCount {
  readonly bidder: number;
  readonly bid_count: number;
  readonly starttime: number;
  readonly endtime: number;
}

const WINDOW_MS = 10_000;

const tables = () => ({
  counts: mapTable<number, number>({ key: uintKey, value: intCodec, version: 1 }),
  windows: mapTable<number, number>({ key: uintKey, value: intCodec, version: 1 }),
});

/**
 * Bids of each bidder in windows of processing time. A window comes out, sorted by bidder, with the first batch
 * or barrier after its end. State: a row for each bidder of the windows that are open: one window, or two after
 * a pause. The clock decides where a bid is counted, so reading the stream again gives other windows.
 */
const processingTimeCounts = defineOperator<NexmarkEvent, BidderCount, undefined, ReturnType<typeof tables>>({
  kind: 'processing-time-counts',
  summary: 'Bids of each bidder in windows of processing time',
  state: tables,
  start: ({ state, clock, emit }) => {
    const windows = state.windows.scope('');
    let open = windows.entries().map(([start_ms]) => start_ms);
    const close = (now_ms: number): void => {
      if (open.every((start_ms) => start_ms + WINDOW_MS > now_ms)) return;
      const over = open.filter((start_ms) => start_ms + WINDOW_MS <= now_ms);
      open = open.filter((start_ms) => start_ms + WINDOW_MS > now_ms);
      for (const starttime of over) {
        const rows = state.counts.scope(String(starttime)).entries();
        emit(
          rows.map(([bidder, bid_count]) => ({
            bidder,
            bid_count,
            starttime,
            endtime: starttime + WINDOW_MS,
          })),
        );
        state.counts.drop(String(starttime));
        windows.delete(starttime);
      }
    };
    return {
      onBatch: (events) => {
        const now_ms = clock.now();
        close(now_ms);
        const starttime = Math.floor(now_ms / WINDOW_MS) * WINDOW_MS;
        const counts = state.counts.scope(String(starttime));
        if (!open.includes(starttime)) {
          open.push(starttime);
          windows.set(starttime, 1);
        }
        for (const event of events) {
          if (event.kind === 'bid') counts.set(event.bidder, (counts.get(event.bidder) ?? 0) + 1);
        }
      },
      onBarrier: ({ now_ms }) => close(now_ms),
    };
  },
});

/** Processing-time windows. */
export const q12: NexmarkQuery<BidderCount> = {
  name: 'q12',
  title: 'Processing-time windows',
  projection: BID_NUMBERS,
  build: (events) => events.pipe(processingTimeCounts('bidder-counts', undefined)),
};
