import { createHash } from 'node:crypto';
import type { SourceRecord } from '../../connectors/index.ts';
import { type OutMessage, originalHeaders } from '../../engine/index.ts';
import { recordId } from './record-mapper.ts';

const DETAIL_MAX_CHARS = 300;
const PLACE_MAX_CHARS = 1_024;
/** With its headers a dead letter must fit a server's default limit of 1 MiB a message. */
const PAYLOAD_MAX_BYTES = 1_000_000;
/** Headers that say who sends and not what: they are not kept. */
const OF_THE_SENDER = /^(?:authorization|cookie|proxy-authorization|x-forwarded-.*|forwarded)$/;

/** Header values are one line of ASCII. */
const line = (text: string, max_chars: number): string =>
  text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, max_chars);

/**
 * A record that gave no event, as a message of the dead-letter stream: its bytes as they were, and in headers why
 * (`Reason`, `Reason-Detail`), of which connector (`Connector`), where it stands (`Original-Place`), what its events are
 * called that have no ids (`Record-Id`), and the headers that it had. It has no `Original-Subject`: it is no event, and
 * becomes one by the connector's mapping only. The id is its place, so that the same record is one letter.
 */
export function connectorLetter(
  { tenant, id }: { readonly tenant: string; readonly id: string },
  { value, place, headers = {} }: SourceRecord,
  why: { readonly code: string; readonly detail: string },
): OutMessage {
  const place_hash = createHash('sha256').update(place).update('\0').update(value).digest('hex').slice(0, 32);
  const kept = Object.entries(headers).filter(([name]) => !OF_THE_SENDER.test(name));
  return {
    id: `deadletter-${id}-${place_hash}-${why.code}`,
    subject: `deadletter.${tenant}`,
    headers: {
      Reason: why.code,
      'Reason-Detail': line(why.detail, DETAIL_MAX_CHARS),
      Connector: id,
      'Original-Place': line(place, PLACE_MAX_CHARS),
      'Record-Id': recordId(id, place),
      ...originalHeaders({ headers: () => kept }),
      ...(value.length > PAYLOAD_MAX_BYTES ? { 'Truncated-From': String(value.length) } : {}),
    },
    payload: value.subarray(0, PAYLOAD_MAX_BYTES),
  };
}
