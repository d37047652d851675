import type { SourceRecord } from '../../engine/index.ts';

/** Headers of a message or a request; a SourceRecord has this form. */
export interface HeaderSource {
  /** Names are compared without case. */
  header(name: string): string | undefined;
  /** All of them, for the extension attributes of a binary CloudEvent; absent where only single ones are known. */
  headers?(): Iterable<readonly [name: string, value: string]>;
}

/**
 * - `one`: a JSON value, one event by itself
 * - `list`: a JSON array of events
 * - `lines`: NDJSON
 * - `binary`: the data of a CloudEvent whose attributes are in the headers
 */
export type BodyForm = 'one' | 'list' | 'lines' | 'binary';

/** A body taken apart: part n is the bytes [ranges[2n], ranges[2n + 1]). */
export interface Body {
  readonly form: BodyForm;
  readonly ranges: readonly number[];
}

const LINE_TYPES: ReadonlySet<string> = new Set([
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
]);
/** Begins the types of structured and batched CloudEvents: they stand before `ce-*` headers. */
const CLOUD_EVENTS_TYPE = 'application/cloudevents';

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const NEWLINE = 0x0a;

/** The media type of a `Content-Type`, lower case, without parameters; '' without one. */
export function mediaTypeOf(contentType: string | undefined): string {
  return (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/** Whether a body's lines are events of their own. */
export function isLineType(mediaType: string): boolean {
  return LINE_TYPES.has(mediaType);
}

/** Whether the headers are the attributes of a CloudEvent in binary mode. */
export function isBinary(headers: HeaderSource): boolean {
  if (headers.header('ce-specversion') === undefined) return false;
  return !mediaTypeOf(headers.header('Content-Type')).startsWith(CLOUD_EVENTS_TYPE);
}

/**
 * Takes the body of a message or a request apart, without reading its events. A byte order mark before a body or
 * a line is skipped, white space around a part as well, and blank lines are no parts. Undefined for an array that
 * does not end as one: no JSON. A part may turn out to be no JSON when it is read; where the form is `list` then
 * the whole body is none. Reads at most `parts_max` parts and one more.
 */
export function splitBody(
  bytes: Uint8Array,
  headers: HeaderSource,
  parts_max = Number.POSITIVE_INFINITY,
): Body | undefined {
  const start = skipSpace(bytes, skipMark(bytes, 0), bytes.length);
  const end = trimEnd(bytes, start, bytes.length);
  if (isBinary(headers)) return { form: 'binary', ranges: [start, end] };
  if (isLineType(mediaTypeOf(headers.header('Content-Type')))) {
    return { form: 'lines', ranges: lineRanges(bytes, 2 * parts_max) };
  }
  if (bytes[start] !== OPEN_LIST) return { form: 'one', ranges: [start, end] };
  const ranges = itemRanges(bytes, start + 1, end, 2 * parts_max);
  return ranges === undefined ? undefined : { form: 'list', ranges };
}

/** The bytes of one part; undefined when there is none of this number. A view. */
export function partOf(bytes: Uint8Array, { ranges }: Body, part: number): Uint8Array | undefined {
  const start = ranges[2 * part];
  return start === undefined ? undefined : bytes.subarray(start, ranges[2 * part + 1]);
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function skipSpace(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && isSpace(bytes[at])) at++;
  return at;
}

function trimEnd(bytes: Uint8Array, start: number, to: number): number {
  let end = to;
  while (end > start && isSpace(bytes[end - 1])) end--;
  return end;
}

/** Behind a byte order mark, where one is. */
function skipMark(bytes: Uint8Array, at: number): number {
  return bytes[at] === 0xef && bytes[at + 1] === 0xbb && bytes[at + 2] === 0xbf ? at + 3 : at;
}

/** A line without byte order mark and white space around it, as a range; empty for a blank one. */
export function trimLine(bytes: Uint8Array, from: number, to: number): readonly [start: number, end: number] {
  const start = skipSpace(bytes, skipMark(bytes, skipSpace(bytes, from, to)), to);
  return [start, trimEnd(bytes, start, to)];
}

function lineRanges(bytes: Uint8Array, numbers_max: number): number[] {
  const ranges: number[] = [];
  for (let at = 0; at < bytes.length && ranges.length <= numbers_max; ) {
    const newline = bytes.indexOf(NEWLINE, at);
    const next = newline < 0 ? bytes.length : newline;
    const [start, end] = trimLine(bytes, at, next);
    if (end > start) ranges.push(start, end);
    at = next + 1;
  }
  return ranges;
}

/** The items of an array whose bracket lies before `from`; undefined when it does not end at `end`. */
function itemRanges(bytes: Uint8Array, from: number, end: number, numbers_max: number): number[] | undefined {
  const ranges: number[] = [];
  let at = skipSpace(bytes, from, end);
  if (bytes[at] === CLOSE_LIST) return at + 1 === end ? ranges : undefined;
  for (;;) {
    const to = endOfValue(bytes, at, end);
    if (to < 0) return undefined;
    ranges.push(at, to);
    if (ranges.length > numbers_max) return ranges;
    at = skipSpace(bytes, to, end);
    if (at >= end) return undefined;
    if (bytes[at] === CLOSE_LIST) return at + 1 === end ? ranges : undefined;
    if (bytes[at] !== COMMA) return undefined;
    at = skipSpace(bytes, at + 1, end);
  }
}

/** The end of the value at `at`, by its brackets and quotes only; -1 when it has none. */
function endOfValue(bytes: Uint8Array, from: number, end: number): number {
  let depth = 0;
  for (let at = from; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) {
      at = endOfString(bytes, at, end);
      if (at < 0) return -1;
      if (depth === 0) return at + 1;
    } else if (byte === 0x7b || byte === OPEN_LIST) depth++;
    else if (byte === 0x7d || byte === CLOSE_LIST) {
      if (depth === 0) return at === from ? -1 : at;
      if (--depth === 0) return at + 1;
    } else if (depth === 0 && (byte === COMMA || isSpace(byte))) return at === from ? -1 : at;
  }
  return -1;
}

/** Where the quote is that ends the string at `at`; -1 when there is none. */
function endOfString(bytes: Uint8Array, from: number, end: number): number {
  for (let at = from + 1; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte === BACKSLASH) at++;
    else if (byte === QUOTE) return at;
  }
  return -1;
}

/**
 * The bytes of one part of a message as they were sent, without white space around them: what `part` of a row
 * means. Undefined when the message has no such part. A view of `data`.
 */
export function rawOf(
  record: HeaderSource & Pick<SourceRecord, 'data'>,
  part: number,
): Uint8Array | undefined {
  const body = splitBody(record.data, record, part + 1);
  return body === undefined ? undefined : partOf(record.data, body, part);
}
