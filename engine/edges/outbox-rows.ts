import { ByteReader, ByteWriter } from '../base/index.ts';
import type { KvView } from '../state/index.ts';

/** A message that a task owes the outside. `id` is deterministic, so that a repeated send is recognised. */
export interface OutMessage {
  readonly id: string;
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: Uint8Array;
  /** Need not keep its place among the messages of its subject, so that many are in flight at once. */
  readonly unordered?: true;
  /** The id says the place in a stream and no more: the engine adds which stream, topology and operator. */
  readonly isLocalId?: true;
  /** Of an ordered task: the record of its log that it comes of. */
  readonly sequence?: number;
}

export const OUTBOX_TABLE = 'outbox';

/** The name under which a row has its sequence beside the headers: no header has an empty name. */
const SEQUENCE = '';

/** What a state owes to the outside, in order, by the numbers of its rows. */
export function* owedMessages(
  table: KvView,
): Generator<{ readonly row: number; readonly message: OutMessage }> {
  for (const { key, value } of table.scan()) {
    yield { row: new ByteReader(key).u48(), message: decodeMessage(value) };
  }
}

/** The key of a row. */
export function rowKey(row: number): Uint8Array {
  return new ByteWriter().u48(row).copy();
}

/** A message as its row has it. */
export function encodeMessage(
  writer: ByteWriter,
  { id, subject, headers, payload, sequence }: OutMessage,
): Uint8Array {
  const entries = Object.entries(headers);
  if (sequence !== undefined) entries.unshift([SEQUENCE, String(sequence)]);
  writer.reset().string(id).string(subject).varint(entries.length);
  for (const [name, value] of entries) writer.string(name).string(value);
  return writer.bytes(payload).view();
}

export function decodeMessage(bytes: Uint8Array): OutMessage {
  const reader = new ByteReader(bytes);
  const id = reader.string();
  const subject = reader.string();
  const headers: Record<string, string> = {};
  for (let left = reader.varint(); left > 0; left--) {
    const name = reader.string();
    headers[name] = reader.string();
  }
  const payload = Uint8Array.from(reader.bytes(reader.remaining));
  const { [SEQUENCE]: sequence, ...rest } = headers;
  if (sequence === undefined) return { id, subject, headers, payload };
  return { id, subject, headers: rest, payload, sequence: Number(sequence) };
}
