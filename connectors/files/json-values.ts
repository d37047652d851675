import { LINE_MAX_BYTES, type Line } from './lines.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/** How much is looked at to see whether a file is one document. */
const HEAD_MAX_BYTES = 65_536;
/** First lines of a document that is laid out over lines; a list may also begin with its first element. */
const DOCUMENT = /^\uFEFF?\s*(?:\[|\{[ \t]*\r?\n)/;

/** The chunks, and whether they are one JSON document, and not a value a line. */
export async function documentOf(
  chunks: AsyncIterable<Uint8Array>,
): Promise<{ readonly isDocument: boolean; readonly chunks: AsyncGenerator<Uint8Array> }> {
  const iterator = chunks[Symbol.asyncIterator]();
  let head = new Uint8Array(0);
  let isOver = false;
  while (!isOver && head.length < HEAD_MAX_BYTES && !/\S[^\n]*\n/.test(textOf(head))) {
    const { done, value } = await iterator.next();
    if (done === true) isOver = true;
    else head = Uint8Array.from(Buffer.concat([head, value]));
  }
  const all = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield head;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
        yield next.value;
    } finally {
      await iterator.return?.();
    }
  };
  return { isDocument: DOCUMENT.test(textOf(head)), chunks: all() };
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

/**
 * The elements of a list, or values one behind another, whatever lines they are on; in bounded memory. What is broken
 * goes up to where its brackets close, or to the end.
 */
export async function* jsonValuesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  let [number, size_bytes, depth] = [0, 0, 0];
  let [isBegun, isText, isEscaped, isList] = [false, false, false, false];
  let parts: Uint8Array[] = [];
  const add = (part: Uint8Array): void => {
    const room = LINE_MAX_BYTES - Math.min(size_bytes, LINE_MAX_BYTES);
    if (room > 0) parts.push(part.subarray(0, room));
    size_bytes += part.length;
  };
  const end = (): Line => {
    const line = { bytes: Buffer.concat(parts), number: ++number, isCut: size_bytes > LINE_MAX_BYTES };
    [parts, size_bytes, depth, isBegun] = [[], 0, 0, false];
    return line;
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] as number;
      if (isText) {
        if (isEscaped) isEscaped = false;
        else if (byte === BACKSLASH) isEscaped = true;
        else if (byte === QUOTE) isText = false;
        continue;
      }
      const isOpening = byte === OPEN_OBJECT || byte === OPEN_LIST;
      const isClosing = byte === CLOSE_OBJECT || byte === CLOSE_LIST;
      if (!isBegun) {
        if (byte === OPEN_LIST && !isList && number === 0) {
          isList = true;
          continue;
        }
        // The bytes of a mark stand before everything.
        if (isSpace(byte) || byte === COMMA || isClosing || (number === 0 && byte >= 0x80)) continue;
        [isBegun, from] = [true, at];
      }
      if (byte === QUOTE) isText = true;
      else if (isOpening) depth++;
      else if (depth === 0 && (isSpace(byte) || byte === COMMA || isClosing)) {
        add(chunk.subarray(from, at));
        yield end();
      } else if (isClosing && --depth === 0) {
        add(chunk.subarray(from, at + 1));
        yield end();
      }
    }
    if (isBegun) add(chunk.subarray(from));
  }
  if (isBegun) yield end();
}
