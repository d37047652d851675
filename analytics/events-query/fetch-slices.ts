import type { PayloadSource, StoredMessage } from './payloads.ts';

/** Messages that are fetched at once: the fewest, and the most. */
const SLICE_MIN_MESSAGES = 16;
const SLICE_FIRST_MESSAGES = 64;
const SLICE_MAX_MESSAGES = 1_024;
/** Bytes of messages that are fetched at once, by the size of those before. */
const SLICE_MAX_BYTES = 16 * 1_048_576;

export interface Slice {
  readonly sequences: readonly number[];
  readonly found: ReadonlyMap<number, StoredMessage | null>;
}

/** Fetches messages a part at a time, in the order given, so that large ones do not fill the memory. */
export async function* fetchInSlices(
  payloads: PayloadSource,
  sequences: readonly number[],
  signal: AbortSignal,
): AsyncGenerator<Slice> {
  let messages = SLICE_FIRST_MESSAGES;
  for (let at = 0; at < sequences.length; ) {
    const slice = sequences.slice(at, at + messages);
    const found = await payloads.fetch(slice, signal);
    at += slice.length;
    yield { sequences: slice, found };
    let bytes = 1;
    for (const message of found.values()) bytes += message?.data.length ?? 0;
    const fitting = Math.floor((SLICE_MAX_BYTES * slice.length) / bytes);
    messages = Math.max(SLICE_MIN_MESSAGES, Math.min(SLICE_MAX_MESSAGES, fitting));
  }
}
