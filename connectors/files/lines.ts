const NEWLINE = 0x0a;
const RETURN = 0x0d;
const MARK = [0xef, 0xbb, 0xbf];

/** The longest line that is kept; of a longer one the beginning is. */
export const LINE_MAX_BYTES = 1_000_000;

export interface Line {
  /** Without its end. */
  readonly bytes: Uint8Array;
  /** From 1. */
  readonly number: number;
  /** It was longer than is kept. */
  readonly isCut: boolean;
}

/** The lines of a file, in bounded memory. A byte order mark is left out; the last one may lack its end. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  let [number, size_bytes, isFirst] = [0, 0, true];
  let parts: Uint8Array[] = [];
  const add = (part: Uint8Array): void => {
    const room = LINE_MAX_BYTES - Math.min(size_bytes, LINE_MAX_BYTES);
    if (room > 0) parts.push(part.subarray(0, room));
    size_bytes += part.length;
  };
  const end = (): Line => {
    let bytes: Uint8Array = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
    if (bytes.at(-1) === RETURN) bytes = bytes.subarray(0, -1);
    const line = { bytes, number: ++number, isCut: size_bytes > LINE_MAX_BYTES };
    [parts, size_bytes] = [[], 0];
    return line;
  };
  for await (const whole of chunks) {
    let chunk = whole;
    if (isFirst && chunk.length > 0) {
      isFirst = false;
      if (MARK.every((byte, at) => chunk[at] === byte)) chunk = chunk.subarray(MARK.length);
    }
    for (let at = 0; at < chunk.length; ) {
      const newline = chunk.indexOf(NEWLINE, at);
      add(chunk.subarray(at, newline < 0 ? chunk.length : newline));
      at = newline < 0 ? chunk.length : newline + 1;
      if (newline >= 0) yield end();
    }
  }
  if (size_bytes > 0) yield end();
}
