import { flatMap } from '../../../index.ts';
import type { Bid, NexmarkEvent } from '../model.ts';
import { BIDS, type NexmarkQuery } from '../query.ts';

/** Pass through: what decoding and committing cost. */
export const q0: NexmarkQuery<Bid> = {
  name: 'q0',
  title: 'Pass through',
  projection: BIDS,
  build: (events) =>
    events.pipe(
      flatMap<NexmarkEvent, Bid>('bids', {
        each: (event, push) => {
          if (event.kind === 'bid') push(event);
        },
      }),
    ),
};
