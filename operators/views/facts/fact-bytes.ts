const LONG_BYTES = 1_024;
/** Lengths whose views are kept. */
const KEPT_VIEWS = 4_096;

/**
 * Copies bytes, four at a time: the few dozen of a row are there before a native copy has begun. The ranges
 * must not overlap.
 */
export function copyBytes(
  source: DataView,
  from: number,
  target: DataView,
  to: number,
  length: number,
): void {
  if (length > LONG_BYTES) {
    bytesOf(target, to, length).set(bytesOf(source, from, length));
    return;
  }
  const fours = length & ~3;
  let index = 0;
  for (; index < fours; index += 4) target.setInt32(to + index, source.getInt32(from + index, true), true);
  for (; index < length; index++) target.setUint8(to + index, source.getUint8(from + index));
}

function bytesOf({ buffer, byteOffset }: DataView, at: number, length: number): Uint8Array {
  return new Uint8Array(buffer, byteOffset + at, length);
}

/** Bytes that are written again and again, with views of their first n that are made once. */
export class Scratch {
  bytes: Buffer;
  view: DataView;
  #views: Buffer[] = [];

  constructor(initial_bytes: number) {
    this.bytes = Buffer.alloc(initial_bytes);
    this.view = viewOf(this.bytes);
  }

  /** Makes room; what is there stays. */
  reserve(length: number): void {
    if (length <= this.bytes.length) return;
    const grown = Buffer.alloc(Math.max(this.bytes.length * 2, length));
    grown.set(this.bytes);
    this.bytes = grown;
    this.view = viewOf(grown);
    this.#views = [];
  }

  first(length: number): Buffer {
    let view = this.#views[length];
    if (view === undefined) {
      view = this.bytes.subarray(0, length);
      if (length < KEPT_VIEWS) this.#views[length] = view;
    }
    return view;
  }
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}
