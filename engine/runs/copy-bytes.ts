/** Bytes that a buffer has beyond its content, so that copies go by whole words. */
export const SLACK_BYTES = 4;
/** From here on the native copy is faster than a loop. */
const LONG_BYTES = 256;

/** Bytes with their view, growable. The array has `SLACK_BYTES` more than its size. */
export class ByteArea {
  bytes: Uint8Array;
  view: DataView;

  constructor(size: number) {
    this.bytes = new Uint8Array(size + SLACK_BYTES);
    this.view = new DataView(this.bytes.buffer);
  }

  get size_bytes(): number {
    return this.bytes.length - SLACK_BYTES;
  }

  /** Makes room for `size` bytes; what is there stays. */
  reserve(size: number): void {
    if (size + SLACK_BYTES <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(size, this.bytes.length * 2) + SLACK_BYTES);
    grown.set(this.bytes);
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }
}

/** Copies between two areas; may write up to three bytes beyond the target's end, into what is not yet used. */
export function copyBetween(
  target: ByteArea,
  at: number,
  source: ByteArea,
  start: number,
  end: number,
): void {
  const length = end - start;
  if (length >= LONG_BYTES) {
    target.bytes.set(source.bytes.subarray(start, end), at);
    return;
  }
  const to = target.view;
  const from = source.view;
  for (let done = 0; done < length; done += 4)
    to.setInt32(at + done, from.getInt32(start + done, true), true);
}
