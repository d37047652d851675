import { flatMap } from '../../../index.ts';
import type { NexmarkEvent } from '../model.ts';
import { BID_NUMBERS, type NexmarkQuery } from '../query.ts';

export interface SideInputBid {
  readonly auction: number;
  readonly bidder: number;
  readonly price: number;
  readonly dateTime: number;
  readonly value: string;
}

const SIDE_INPUT_ROWS = 10_000;
/** The table of the benchmark: a row for each remainder, with the number as text. */
const SIDE_INPUT: ReadonlyMap<number, string> = new Map(
  Array.from({ length: SIDE_INPUT_ROWS }, (_, key) => [key, String(key)]),
);

/** Bounded side input: each bid with a row of a table that is there before the stream begins. */
export const q13: NexmarkQuery<SideInputBid> = {
  name: 'q13',
  title: 'Bounded side input join',
  projection: BID_NUMBERS,
  build: (events) =>
    events.pipe(
      flatMap<NexmarkEvent, SideInputBid>('with-side-input', {
        each: (event, push) => {
          if (event.kind !== 'bid') return;
          const { auction, bidder, price, dateTime } = event;
          const value = SIDE_INPUT.get(auction % SIDE_INPUT_ROWS);
          if (value !== undefined) push({ auction, bidder, price, dateTime, value });
        },
      }),
    ),
};
