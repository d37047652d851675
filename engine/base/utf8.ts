interface Utf8 {
  utf8Slice(this: Uint8Array, start: number, end: number): string;
}
// Works on any byte array, without making a Buffer of it first.
const { utf8Slice } = Buffer.prototype as unknown as Utf8;

interface WellFormed {
  isWellFormed(this: string): boolean;
}
// Of ES2024; Node.js has it from 20 on.
const { isWellFormed } = String.prototype as unknown as WellFormed;

/** What decoders read for bytes that are no character. */
const REPLACEMENT = '\ufffd';
/** Bytes of half a surrogate pair; encoders write a replacement of as many. */
const HALF_BYTES = 3;

/**
 * After `text` was written as UTF-8 at a place: writes halves of surrogate pairs, which JSON can say and UTF-8
 * cannot, as if they were characters (WTF-8: Sapin, "The WTF-8 encoding", 2018). Replaced, as encoders do, they
 * would make different keys equal.
 */
export function writeHalves(text: string, bytes: Uint8Array, start: number): void {
  if (isWellFormed.call(text)) return;
  let at = start;
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    if (code >= 0xd800 && code < 0xe000) {
      bytes[at] = 0xed;
      bytes[at + 1] = 0x80 | ((code >> 6) & 63);
      bytes[at + 2] = 0x80 | (code & 63);
    }
    at += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x1_0000 ? HALF_BYTES : 4;
  }
}

/** Text from UTF-8 with such halves in it. */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  const text = utf8Slice.call(bytes, start, end);
  return text.includes(REPLACEMENT) ? decodeHalves(bytes, start, end) : text;
}

function decodeHalves(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  let from = start;
  for (let at = bytes.indexOf(0xed, start); at >= 0 && at + 2 < end; at = bytes.indexOf(0xed, at + 1)) {
    const second = bytes[at + 1] as number;
    // The characters of UTF-8 that begin with ED end before the surrogates.
    if (second < 0xa0) continue;
    const half = 0xd000 | ((second & 63) << 6) | ((bytes[at + 2] as number) & 63);
    text += utf8Slice.call(bytes, from, at) + String.fromCharCode(half);
    from = at + HALF_BYTES;
  }
  return text + utf8Slice.call(bytes, from, end);
}
