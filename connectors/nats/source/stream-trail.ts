import type { JetStreamManager } from '@nats-io/jetstream';
import { compareMarks, markOf, type StreamMark } from '../../../engine/index.ts';

/** Messages whose time of storing is remembered, the newest first in importance. */
const TRAIL_MAX = 4;
/** How long the server may take to show a message, ms. */
const LOOK_TIMEOUT_MS = 2_000;
const HASH_UNKNOWN = '';

/**
 * What a stream has at some sequences now. Those that it does not have any more, or that these credentials may not see,
 * are left out.
 */
export async function marksOf(
  manager: JetStreamManager,
  stream: string,
  sequences: readonly number[],
): Promise<ReadonlyMap<number, StreamMark>> {
  const found = new Map<number, StreamMark>();
  await Promise.all(
    sequences.map(async (seq) => {
      const message = await within(manager.streams.getMessage(stream, { seq }));
      const mark =
        message === null
          ? undefined
          : markOf({
              ...{ sequence: seq, subject: message.subject, data: message.data },
              stored_ms: Date.parse(message.timestamp),
            });
      if (mark !== undefined) found.set(seq, mark);
    }),
  );
  return found;
}

/** Null for what is not there, is not shown, or does not come in time: it says nothing, and the next look may. */
async function within<T>(look: Promise<T | null>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), LOOK_TIMEOUT_MS);
  });
  try {
    return await Promise.race([look.catch(() => null), late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The last messages that a source received, by the time at which the stream stored them: whether the stream that is
 * there after a lost connection is the one that was read. A hash of each message would cost more than reading it.
 */
export class StreamTrail {
  #sequence = 0;
  #stored_ms = 0;
  #marks: { readonly sequence: number; readonly stored_ms: number }[] = [];

  /** A message was received. */
  pass(sequence: number, stored_ms: number): void {
    this.#sequence = sequence;
    this.#stored_ms = stored_ms;
  }

  /** All that the socket gave was received: its last message is remembered. */
  settle(): void {
    if (this.#sequence === 0 || this.#marks.at(-1)?.sequence === this.#sequence) return;
    this.#marks.push({ sequence: this.#sequence, stored_ms: this.#stored_ms });
    if (this.#marks.length > TRAIL_MAX) this.#marks.splice(1, 1);
  }

  /** Throws `stream_replaced` where one of them is another message now. `read` is the last that was received. */
  async compare(
    stream: string,
    read: number,
    marksAt: (sequences: readonly number[]) => Promise<ReadonlyMap<number, StreamMark>>,
  ): Promise<void> {
    if (this.#marks.length === 0) return;
    const found = await marksAt(this.#marks.map(({ sequence }) => sequence));
    const times = new Map([...found].map(([at, { stored_ms }]) => [at, { stored_ms, hash: HASH_UNKNOWN }]));
    compareMarks(
      stream,
      read,
      this.#marks.map((mark) => ({ ...mark, hash: HASH_UNKNOWN })),
      times,
    );
  }
}
