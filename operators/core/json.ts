import {
  messageOf,
  type Operator,
  type OperatorDoc,
  refuseAsync,
  type Schema,
  type SourceRecord,
} from '../../engine/index.ts';
import { decode } from './decode.ts';
import { type Bigints, jsonParser } from './json-numbers.ts';

const DEFAULT_TENANT = 'default';

/** Configuration of `json`: how a message is parsed, and what becomes of one that cannot be. */
export interface JsonConfig<T, D = never> {
  /**
   * Checks and types the parsed value: a schema (a zod schema is one), or a function that also gets the
   * record (its subject, headers, sequence). What it throws makes the record a dead letter.
   */
  readonly parse: Schema<T> | ((value: unknown, record: SourceRecord) => T);
  /** Whose dead letter it becomes: part of the subject `deadletter.<tenant>`. By default `default`. */
  readonly tenantOf?: (record: SourceRecord) => string;
  /**
   * What becomes of whole numbers beyond ±(2^53 - 1), such as ids of 64 bits: `round` (the default) to the nearest
   * double, so that several ids may become one; `text`, the digits as they stand; `bigint`; `refuse`: a dead letter
   * with the reason `invalid_json`.
   */
  readonly bigints?: Bigints;
  /**
   * What a message without content stands for: a key of a KV bucket that was deleted or purged, or what a change data
   * capture writes after a deletion. `toTable` deletes the row of an item with `kind: 'tombstone'`. Without it such a
   * message is malformed (`invalid_json`).
   */
  readonly tombstone?: (record: SourceRecord) => D;
}

export const jsonDoc: OperatorDoc = {
  kind: 'json',
  summary: 'Records of JSON to checked, typed events',
};

/**
 * Records of JSON to events that `parse` has checked; malformed records to the dead letters as `decode`
 * sends them (subject `deadletter.<tenant>`), with the reasons `invalid_utf8`, `invalid_json` and
 * `invalid_value`. No state.
 */
export function json<T, D = never>(name: string, config: JsonConfig<T, D>): Operator<SourceRecord, T | D> {
  const { parse, tenantOf = () => DEFAULT_TENANT, bigints = 'round', tombstone } = config;
  if (typeof parse === 'function') refuseAsync(parse, `json "${name}"`);
  const read = jsonParser(name, bigints);
  const check = typeof parse === 'function' ? parse : (value: unknown) => parse.parse(value);
  const operator = decode<T | D>(name, {
    decoder: () => {
      const utf8 = new TextDecoder('utf-8', { fatal: true });
      return (record, _, out) => {
        let code = 'invalid_utf8';
        let event: T | D;
        try {
          if (tombstone !== undefined && record.data.length === 0) {
            code = 'invalid_value';
            event = tombstone(record);
          } else {
            const text = utf8.decode(record.data);
            code = 'invalid_json';
            const value = read(text);
            code = 'invalid_value';
            event = check(value, record);
          }
        } catch (error) {
          const why = { code, detail: messageOf(error) };
          out.reject({ tenant: tenantOf(record), record, part: 0 }, why, record.data);
          return;
        }
        out.accept(event);
      };
    },
  });
  const letters = `deadletter.${config.tenantOf === undefined ? DEFAULT_TENANT : '>'}`;
  return { ...operator, kind: jsonDoc.kind, summary: jsonDoc.summary, sendsTo: [{ subject: letters }] };
}
