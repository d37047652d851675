import { createHash } from 'node:crypto';
import { ByteReader, ByteWriter } from '../../engine/index.ts';
import { QueryError } from '../query/index.ts';

/** A sequence by stream and partition. */
export type StreamPosition = Readonly<Record<string, Readonly<Record<string, number>>>>;

const PREFIX = 'q_';
const VERSION = 1;
const CHECK_BYTES = 4;

/**
 * An opaque name of an answer that carries the position it was made at, so that it can be asked again without
 * anything being remembered. `seed` tells answers of one position apart.
 */
export function queryIdOf(position: StreamPosition, seed: string): string {
  const writer = new ByteWriter().u8(VERSION).bytes(digest(Buffer.from(seed)));
  for (const [stream, partitions] of Object.entries(position)) {
    for (const [partition, sequence] of Object.entries(partitions)) {
      writer.string(stream).string(partition).varint(sequence);
    }
  }
  const body = writer.copy();
  return PREFIX + Buffer.concat([digest(body), body]).toString('base64url');
}

/** The position of an answer. Throws QueryError `unknown_query_id`. */
export function positionOfQueryId(id: string): StreamPosition {
  const bytes = Buffer.from(id.slice(PREFIX.length), 'base64url');
  const body = bytes.subarray(CHECK_BYTES);
  if (!id.startsWith(PREFIX) || body[0] !== VERSION || !digest(body).equals(bytes.subarray(0, CHECK_BYTES))) {
    const message = `"${id.slice(0, 64)}" is no query_id of an answer. Give one as it was answered, or a position.`;
    throw new QueryError('unknown_query_id', message, [{ path: 'as_of.query_id', message }]);
  }
  const position: Record<string, Record<string, number>> = {};
  const reader = new ByteReader(body.subarray(1 + CHECK_BYTES));
  while (reader.position < body.length - 1 - CHECK_BYTES) {
    const stream = reader.string();
    const partition = reader.string();
    position[stream] = { ...position[stream], [partition]: reader.varint() };
  }
  return position;
}

function digest(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest().subarray(0, CHECK_BYTES);
}
