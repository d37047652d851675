const DOT = 46;
const ZERO = 48;
const NINE = 57;
/** Nanoseconds since 1970 have as many from the year 2001 to 2286. */
const TIMESTAMP_DIGITS = 19;
/** Dots before the delivery count: `$JS.ACK.<stream>.<consumer>.`, and with a domain and an account hash. */
const DOTS_SHORT = 4;
const DOTS_LONG = 6;
/** Dots in the whole of the short form; the long one has two more, or three with its random tail. */
const ALL_DOTS_SHORT = 8;

/**
 * Reads JetStream's delivery metadata out of reply subjects,
 * `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<timestamp>.<pending>`, into its own
 * fields, without making a string or an object: it runs once a message.
 *
 * All subjects given to one reader must be of one consumer: what stands before the numbers has one length.
 */
export class DeliveryReader {
  streamSequence = 0;
  consumerSequence = 0;
  /** Messages of the stream that the consumer had not delivered yet after this one. */
  pending = 0;
  #prefix = 0;

  /**
   * The reply subject is from `start` to `end`, and no digit or dot follows it. False when it is no delivery's; the
   * fields then mean nothing.
   */
  read(reply: Uint8Array, start = 0, end = reply.length): boolean {
    if (this.#prefix === 0) this.#prefix = prefixLength(reply.subarray(start, end));
    let at = start + this.#prefix;
    if (reply[at - 1] !== DOT) return false;
    // A consumer without acknowledgements delivers each message once.
    at += reply[at + 1] === DOT ? 2 : numberLength(reply, at);
    // One loop written three times: a function for it would return both the number and its end.
    let byte = reply[at] ?? DOT;
    let value = 0;
    for (; byte >= ZERO && byte <= NINE; byte = reply[++at] ?? DOT) value = value * 10 + (byte - ZERO);
    this.streamSequence = value;
    value = 0;
    byte = reply[++at] ?? DOT;
    for (; byte >= ZERO && byte <= NINE; byte = reply[++at] ?? DOT) value = value * 10 + (byte - ZERO);
    this.consumerSequence = value;
    at++;
    at += reply[at + TIMESTAMP_DIGITS] === DOT ? TIMESTAMP_DIGITS + 1 : numberLength(reply, at);
    value = 0;
    byte = reply[at] ?? DOT;
    for (; byte >= ZERO && byte <= NINE; byte = reply[++at] ?? DOT) value = value * 10 + (byte - ZERO);
    this.pending = value;
    const isWhole = at === end || (at < end && reply[at] === DOT);
    return isWhole && this.streamSequence > 0 && this.consumerSequence > 0;
  }
}

/** Bytes to the next token, its dot included. */
function numberLength(reply: Uint8Array, from: number): number {
  const dot = reply.indexOf(DOT, from);
  return (dot === -1 ? reply.length : dot) - from + 1;
}

function prefixLength(reply: Uint8Array): number {
  let dots = 0;
  for (const byte of reply) if (byte === DOT) dots++;
  const wanted = dots === ALL_DOTS_SHORT ? DOTS_SHORT : DOTS_LONG;
  let seen = 0;
  for (const [index, byte] of reply.entries()) {
    if (byte === DOT && ++seen === wanted) return index + 1;
  }
  return 0;
}
