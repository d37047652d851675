/** Long enough for an integer that a double does not hold. */
const MANY_DIGITS = /\d{16}/;
/** Texts, which stay as they are, and whole numbers. */
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const INTEGER = /^-?\d{16,}$/;

/** An event's JSON as a value. An integer that a double cannot hold becomes the text of its digits. */
export function parseEventJson(text: string): unknown {
  if (!MANY_DIGITS.test(text)) return JSON.parse(text);
  return JSON.parse(
    text.replace(TOKENS, (token) =>
      INTEGER.test(token) && !Number.isSafeInteger(Number(token)) ? `"${token}"` : token,
    ),
  );
}
