/** Parts of JSON as they were sent: numbers keep their digits. The bytes are valid JSON. */

/** Where something begins, and where it ends. */
export type Range = readonly [start: number, end: number];

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;

const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

const isOpening = (byte: number | undefined): boolean => byte === OPEN_OBJECT || byte === OPEN_LIST;
const isClosing = (byte: number | undefined): boolean => byte === CLOSE_OBJECT || byte === CLOSE_LIST;

function skip(bytes: Uint8Array, from: number): number {
  let at = from;
  while (isSpace(bytes[at]) || bytes[at] === 0x2c || bytes[at] === 0x3a) at++;
  return at;
}

function endOfString(bytes: Uint8Array, from: number): number {
  let at = from + 1;
  while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
  return at + 1;
}

function endOfValue(bytes: Uint8Array, from: number): number {
  if (bytes[from] === QUOTE) return endOfString(bytes, from);
  let [at, depth] = [from, 0];
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = endOfString(bytes, at);
      continue;
    }
    if (depth === 0 && (byte === 0x2c || isClosing(byte) || isSpace(byte))) return at;
    if (isOpening(byte)) depth++;
    if (isClosing(byte) && --depth === 0) return at + 1;
    at++;
  }
  return at;
}

const textOf = (bytes: Uint8Array, [start, end]: Range): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8');

/** The value at a path of members joined by dots; '' is the whole. Undefined: there is none. */
export function valueAt(
  bytes: Uint8Array,
  path: string,
  whole: Range = [0, bytes.length],
): Range | undefined {
  const start = skip(bytes, whole[0]);
  let found: Range | undefined = [start, endOfValue(bytes, start)];
  for (const name of path === '' ? [] : path.split('.')) {
    found = found === undefined ? undefined : memberOf(bytes, found, name);
  }
  return found;
}

function memberOf(bytes: Uint8Array, [start, end]: Range, name: string): Range | undefined {
  if (bytes[start] !== OPEN_OBJECT) return undefined;
  let found: Range | undefined;
  for (let at = skip(bytes, start + 1); at < end && bytes[at] === QUOTE; ) {
    const endOfName = endOfString(bytes, at);
    const key: unknown = JSON.parse(textOf(bytes, [at, endOfName]));
    const value = skip(bytes, endOfName);
    const endOfMember = endOfValue(bytes, value);
    // Of members of one name the last counts, as everywhere.
    if (key === name) found = [value, endOfMember];
    at = skip(bytes, endOfMember);
  }
  return found;
}

/** The elements of a list; undefined where it is none. */
export function elementsOf(bytes: Uint8Array, [start, end]: Range): readonly Range[] | undefined {
  if (bytes[start] !== OPEN_LIST) return undefined;
  const found: Range[] = [];
  for (let at = skip(bytes, start + 1); at < end && bytes[at] !== CLOSE_LIST; ) {
    const to = endOfValue(bytes, at);
    found.push([at, to]);
    at = skip(bytes, to);
  }
  return found;
}

/** A text, or a number with all its digits; undefined for anything else, null and an empty text among them. */
export function scalarAt(bytes: Uint8Array, path: string, whole?: Range): string | undefined {
  const range = valueAt(bytes, path, whole);
  if (range === undefined) return undefined;
  const text = textOf(bytes, range);
  if (text.startsWith('"')) return (JSON.parse(text) as string) || undefined;
  return /^-?\d/.test(text) ? text : undefined;
}
