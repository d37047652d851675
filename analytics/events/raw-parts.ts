import type { SourceRecord } from '../../engine/index.ts';
import { type HeaderSource, partOf, splitBody } from './parts.ts';

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
