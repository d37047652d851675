import type { Msg } from 'nats';
import type { SourceRecord } from '../../../engine/index.ts';

/**
 * What the client keeps of a message before it decodes anything. Its public interface gives subjects and
 * headers only decoded, which costs as much as receiving the message, and throws on a header that another
 * publisher malformed. Where a version of the client has no such fields, the public interface is used.
 */
interface RawMessage {
  readonly _msg?: { readonly subject?: Uint8Array; readonly reply?: Uint8Array; readonly hdr?: number };
  readonly _rdata?: Uint8Array;
}

const EMPTY = new Uint8Array(0);
const NO_HEADERS = '';

/** The reply subject's bytes; empty when there is none. */
export function replyBytes(message: Msg): Uint8Array {
  const raw = (message as unknown as RawMessage)._msg;
  if (raw !== undefined) return raw.reply ?? EMPTY;
  return message.reply === undefined ? EMPTY : Buffer.from(message.reply);
}

/**
 * A message of the stream. Subject and headers are decoded when they are asked for; it does not hold on to
 * the client's message, for what dies young costs little.
 */
export class NatsRecord implements SourceRecord {
  readonly sequence: number;
  readonly data: Uint8Array;
  readonly stored_ms?: number;
  private name: Uint8Array | string;
  /** The header block: its text, or how many bytes of it lie in front of the payload. */
  private readonly block: number | string;

  constructor(
    sequence: number,
    name: Uint8Array | string,
    data: Uint8Array,
    block: number | string,
    stored_ms?: number,
  ) {
    this.sequence = sequence;
    if (stored_ms !== undefined) this.stored_ms = stored_ms;
    this.name = name;
    this.data = data;
    this.block = block;
  }

  get subject(): string {
    if (typeof this.name !== 'string') this.name = utf8(this.name);
    return this.name;
  }

  /** Whether the subject is these bytes, without decoding it. */
  hasSubject(bytes: Uint8Array): boolean {
    const { name } = this;
    if (typeof name === 'string' || name.length !== bytes.length || bytes.length === 0) return false;
    for (let index = 0; index < bytes.length; index++) if (name[index] !== bytes[index]) return false;
    return true;
  }

  /** Of headers and payload, bytes. */
  get size_bytes(): number {
    return this.data.length + (typeof this.block === 'number' ? this.block : this.block.length);
  }

  get hasHeaders(): boolean {
    return this.block !== 0 && this.block !== NO_HEADERS;
  }

  /** The header block as text, `` when there is none. */
  get headerBlock(): string {
    return this.hasHeaders ? blockText(this.data, this.block) : NO_HEADERS;
  }

  header(name: string): string | undefined {
    return this.hasHeaders ? headerValue(blockText(this.data, this.block), name) : undefined;
  }

  headers(): Iterable<readonly [string, string]> {
    return headerEntries(this.headerBlock);
  }
}

export function readRecord(sequence: number, message: Msg, stored_ms?: number): NatsRecord {
  const { _msg, _rdata } = message as unknown as RawMessage;
  if (_msg?.subject === undefined || _msg.hdr === undefined || _rdata === undefined) {
    return new NatsRecord(sequence, message.subject, message.data, publicBlock(message), stored_ms);
  }
  if (_msg.hdr <= 0) return new NatsRecord(sequence, _msg.subject, _rdata, 0, stored_ms);
  return new NatsRecord(sequence, _msg.subject, _rdata.subarray(_msg.hdr), _msg.hdr, stored_ms);
}

export const utf8 = (bytes: Uint8Array): string =>
  (bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)).toString(
    'utf8',
  );

function blockText(data: Uint8Array, block: number | string): string {
  if (typeof block === 'string') return block;
  return Buffer.from(data.buffer, data.byteOffset - block, block).toString('utf8');
}

/** The header block as the client's public interface lets it be written again. */
function publicBlock(message: Msg): string {
  const { headers } = message;
  if (headers === undefined) return NO_HEADERS;
  const status = headers.code > 0 ? ` ${headers.code} ${headers.description}` : '';
  const lines = headers.keys().flatMap((key) => headers.values(key).map((value) => `${key}: ${value}\r\n`));
  return `NATS/1.0${status}\r\n${lines.join('')}\r\n`;
}

/**
 * The first value of a header, whatever the case of its name: publishers in other languages write
 * `Content-Type` and `content-type`. A line that is no header is passed over.
 */
export function headerValue(block: string, name: string): string | undefined {
  let start = block.indexOf('\r\n') + 2;
  if (start < 2) return undefined;
  const wanted = name.toLowerCase();
  for (;;) {
    const end = block.indexOf('\r\n', start);
    if (end <= start) return undefined;
    const colon = start + name.length;
    if (block[colon] === ':' && block.slice(start, colon).toLowerCase() === wanted) {
      return block.slice(colon + 1, end).trim();
    }
    start = end + 2;
  }
}

/** Every header of a block, in order; lines that are no headers are passed over. */
export function* headerEntries(block: string): Iterable<readonly [name: string, value: string]> {
  const lines = block.split('\r\n');
  // The first line is the protocol's, and after the last line break there is nothing.
  for (const line of lines.slice(1, -1)) {
    const colon = line.indexOf(':');
    if (colon > 0) yield [line.slice(0, colon), line.slice(colon + 1).trim()];
  }
}

/** A message without a reply subject on a pull's inbox: what the server says of the pull. */
export interface PullStatus {
  readonly code: number;
  /** Lower case, e.g. `consumer deleted`. */
  readonly text: string;
  header(name: string): string | undefined;
}

export function readStatus(message: Msg): PullStatus {
  const block = publicBlock(message);
  const [, code = '0', text = ''] = /^NATS\/1\.0 +(\d+) *([^\r]*)\r\n/.exec(block) ?? [];
  return { code: Number(code), text: text.toLowerCase(), header: (name) => headerValue(block, name) };
}
