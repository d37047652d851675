import { flatMap } from '../../../index.ts';
import type { NexmarkEvent } from '../model.ts';
import { BIDS, type NexmarkQuery } from '../query.ts';
import { EURO_PER_1000_DOLLARS } from './q1.ts';

export interface CalculatedBid {
  readonly auction: number;
  readonly bidder: number;
  readonly price: number;
  readonly bidTimeType: 'dayTime' | 'nightTime' | 'otherTime';
  readonly dateTime: number;
  readonly extra: string;
  readonly c_counts: number;
}

const HOUR_MS = 3_600_000;
const LETTER_C = 'c'.charCodeAt(0);
/** Thousandths, both exclusive. */
const ABOVE = 1_000_000_000;
const BELOW = 50_000_000_000;

function timeType(dateTime: number): CalculatedBid['bidTimeType'] {
  const hour = Math.floor(dateTime / HOUR_MS) % 24;
  if (hour >= 8 && hour <= 18) return 'dayTime';
  return hour <= 6 || hour >= 20 ? 'nightTime' : 'otherTime';
}

function countC(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) === LETTER_C) count++;
  return count;
}

/** Calculation: a filter, arithmetic, a case over the hour (UTC), and a function of the caller's. */
export const q14: NexmarkQuery<CalculatedBid> = {
  name: 'q14',
  title: 'Calculation',
  projection: BIDS,
  build: (events) =>
    events.pipe(
      flatMap<NexmarkEvent, CalculatedBid>('calculated', {
        each: (event, push) => {
          if (event.kind !== 'bid') return;
          const thousandths = event.price * EURO_PER_1000_DOLLARS;
          if (thousandths <= ABOVE || thousandths >= BELOW) return;
          const { auction, bidder, dateTime, extra } = event;
          push({
            auction,
            bidder,
            price: thousandths / 1_000,
            bidTimeType: timeType(dateTime),
            dateTime,
            extra,
            c_counts: countC(extra),
          });
        },
      }),
    ),
};
