import type { Channel } from './channel.ts';
import type { EndWatch } from './end-watch.ts';
import type { Place } from './place.ts';

/** The last block of a channel, as far as it is known. */
export interface KnownEnd {
  readonly sequence: number;
  readonly epoch: number;
  readonly to: Place;
}

/** What goes on in a channel. */
export interface Lane {
  readonly channel: Channel;
  end: KnownEnd | undefined;
  /** In which term somebody works on it; undefined: nobody does. */
  term: number | undefined;
  pause_ms: number;
  retry_at_ms: number;
  readonly watch: EndWatch;
}

export interface Cut {
  readonly name: string;
  readonly lanes: readonly Lane[];
  watermark_ms: number | null;
}
