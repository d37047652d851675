import type { Operator, OperatorDoc, Schema, SourceRecord } from '../../engine/index.ts';
import { decode } from './decode.ts';

export interface JsonConfig<T> {
  /**
   * Checks and types the parsed value: a schema (a zod schema is one), or a function that also gets the
   * record (its subject, headers, sequence). What it throws makes the record a dead letter.
   */
  readonly parse: Schema<T> | ((value: unknown, record: SourceRecord) => T);
  /** Whose dead letter it becomes: part of the subject `deadletter.<tenant>`. By default `default`. */
  readonly tenantOf?: (record: SourceRecord) => string;
}

export const jsonDoc: OperatorDoc = {
  kind: 'json',
  summary: 'Records of JSON to checked, typed events',
  does: 'Reads each record as UTF-8 and JSON and gives the value to `parse`: a schema such as one of zod, or a function that throws. What comes back is passed on, typed. A record that is no UTF-8 (`invalid_utf8`), no JSON (`invalid_json`) or refused by `parse` (`invalid_value`) goes to the dead letters with the reason, its bytes and its place in the stream; the records around it are processed.',
  state: 'None.',
  late: 'Time plays no part: records are read in the order of the stream.',
  duplicates: 'Each record is read by itself; put `dedup` behind it to pass each id once.',
  failure:
    'Malformed records never stop the task. A dead letter is owed through the outbox, in the commit that moves the position past its record, with an id made of its place in the stream: after a crash it is sent again under the same id. Counted as `millrace.decode.accepted` and, by reason, `millrace.decode.rejected`.',
};

/**
 * Records of JSON to events that `parse` has checked; malformed records to the dead letters as `decode`
 * sends them (subject `deadletter.<tenant>`), with the reasons `invalid_utf8`, `invalid_json` and
 * `invalid_value`. No state.
 */
export function json<T>(name: string, config: JsonConfig<T>): Operator<SourceRecord, T> {
  const { parse, tenantOf = () => 'default' } = config;
  const check = typeof parse === 'function' ? parse : (value: unknown) => parse.parse(value);
  const operator = decode<T>(name, {
    decoder: () => {
      const utf8 = new TextDecoder('utf-8', { fatal: true });
      return (record, _, out) => {
        let code = 'invalid_utf8';
        let event: T;
        try {
          const text = utf8.decode(record.data);
          code = 'invalid_json';
          const value: unknown = JSON.parse(text);
          code = 'invalid_value';
          event = check(value, record);
        } catch (error) {
          const detail = error instanceof Error ? error.message : String(error);
          out.reject({ tenant: tenantOf(record), record, part: 0 }, { code, detail }, record.data);
          return;
        }
        out.accept(event);
      };
    },
  });
  return { ...operator, kind: jsonDoc.kind, summary: jsonDoc.summary };
}
