import type { SourceRecord } from '../../engine/index.ts';
import { flatten, valueOfPart } from './cloud-event.ts';
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

/**
 * One part of a message as a user sees it: the flat event, a CloudEvent as the event that it stands for. Integers
 * beyond 2^53 are BigInts, so write it with `exactJsonText`. Undefined when there is no such part, or when it is
 * no JSON. `headers` lists them all: without it the extension attributes of a binary CloudEvent are not there.
 */
export function flatPart(
  data: Uint8Array,
  header: (name: string) => string | undefined,
  part: number,
  headers?: () => Iterable<readonly [name: string, value: string]>,
): unknown {
  const source: HeaderSource = { header, ...(headers === undefined ? {} : { headers }) };
  const bytes = rawOf({ data, ...source }, part);
  if (bytes === undefined) return undefined;
  const parsed = valueOfPart(source, bytes);
  return parsed.ok ? flatten(parsed.value) : undefined;
}
