import {
  ByteReader,
  type Codec,
  type DescribedRow,
  type KvEntry,
  TTL_DAY_MS,
  TTL_PREFIX_BYTES,
} from '../../../engine/index.ts';

const DAY_CHARS = 10;

/** Reads rows of a table of facts (see `FactTable`) for people: facts by the name of their slot. */
export function factDescriber<P>(
  slots: readonly string[],
  payload: Codec<P>,
): (row: KvEntry) => DescribedRow {
  return ({ key, value }) => {
    const keys = new ByteReader(key);
    const scope = keys.orderedString();
    const day = new ByteReader(value.subarray(0, TTL_PREFIX_BYTES));
    const written = new Date((day.u8() * 256 + day.u8()) * TTL_DAY_MS).toISOString().slice(0, DAY_CHARS);
    const facts: Record<string, unknown> = {};
    const reader = new ByteReader(value.subarray(TTL_PREFIX_BYTES));
    while (reader.remaining > 0) {
      const slot = reader.u8();
      const time = new Date(reader.u48()).toISOString();
      const tie = reader.f64();
      facts[slots[slot] ?? String(slot)] = {
        time,
        tie,
        payload: payload.read(new ByteReader(reader.bytes(reader.varint()))),
      };
    }
    return { scope, key: keys.orderedString(), value: { written, facts } };
  };
}
