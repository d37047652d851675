const DOT = 46;
const ZERO = 48;
const NINE = 57;
/** Nanoseconds since 1970 have as many from the year 2001 to 2286. */
const TIMESTAMP_DIGITS = 19;
/** Of them those below a millisecond. */
const BELOW_MS_DIGITS = 6;
/** Dots before the delivery count: `$JS.ACK.<stream>.<consumer>.`, and with a domain and an account hash. */
const DOTS_SHORT = 4;
const DOTS_LONG = 6;
/** Dots in the whole of the short form; the long one has two more, or three with its random tail. */
const ALL_DOTS_SHORT = 8;

/** What a delivery says of its message; valid until the next is read. */
export type Delivery = Pick<DeliveryReader, 'streamSequence' | 'stored_ms' | 'pending'>;

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
  /** When the stream stored the message, ms. */
  stored_ms = 0;
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
    const isUsual = reply[at + TIMESTAMP_DIGITS] === DOT;
    const next = at + (isUsual ? TIMESTAMP_DIGITS + 1 : numberLength(reply, at));
    // Nanoseconds are more than a number holds exactly: their last six digits are left out.
    const millis = next - 1 - BELOW_MS_DIGITS;
    value = 0;
    for (; at < millis; at++) value = value * 10 + ((reply[at] ?? ZERO) - ZERO);
    this.stored_ms = value;
    at = next;
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
