import { MillraceError } from '../../engine/index.ts';

/**
 * What becomes of whole numbers beyond ±(2^53 - 1), which a double does not hold: `round`, as `JSON.parse` does it;
 * `text`, their digits as they stand; `bigint`; or `refuse`, a dead letter.
 */
export type Bigints = 'round' | 'text' | 'bigint' | 'refuse';

const CHOICES: readonly string[] = ['round', 'text', 'bigint', 'refuse'] satisfies readonly Bigints[];
/** Texts, names of members (which are left as they are), and numbers. */
const TOKENS = /("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gs;
/** So many digits hold a number that may be beyond a double: below it nothing is looked for. */
const LONG = /\d{16}/;
/** As JSON has it: what stands for a number begins with it, and a text that does so itself has one more. */
const MARK_TEXT = '\\u0000';
const MARK = '\0';

/** Reads JSON; throws a `SyntaxError`, or a `RangeError` for a number that is refused. Throws `bad_config` at once. */
export function jsonParser(name: string, bigints: Bigints): (text: string) => unknown {
  if (!CHOICES.includes(bigints)) {
    throw new MillraceError(
      'bad_config',
      `"${name}" has bigints ${bigints}: give one of ${CHOICES.join(', ')}.`,
    );
  }
  if (bigints === 'round') return (text) => JSON.parse(text);
  const revive = (_: string, value: unknown): unknown => {
    if (typeof value !== 'string' || !value.startsWith(MARK)) return value;
    if (value.startsWith(MARK + MARK)) return value.slice(MARK.length);
    const digits = value.slice(MARK.length);
    if (bigints === 'refuse') {
      throw new RangeError(`${digits} is beyond 2^53 - 1: its last digits would be lost. Send it as a text.`);
    }
    return bigints === 'bigint' ? BigInt(digits) : digits;
  };
  return (text) => (LONG.test(text) ? JSON.parse(marked(text), revive) : JSON.parse(text));
}

function marked(text: string): string {
  return text.replace(TOKENS, (token: string, quoted: string | undefined, colon: string | undefined) => {
    if (colon !== undefined) return token;
    if (quoted !== undefined) {
      return token.startsWith(`"${MARK_TEXT}`) ? `"${MARK_TEXT}${token.slice(1)}` : token;
    }
    const isWhole = /^-?\d+$/.test(token);
    return isWhole && !Number.isSafeInteger(Number(token)) ? `"${MARK_TEXT}${token}"` : token;
  });
}
