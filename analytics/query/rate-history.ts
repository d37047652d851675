import { ByteReader, ByteWriter } from '../../engine/index.ts';

/**
 * What was announced of a pair of currencies for one time: the first rate, each greater one that came later, and what
 * stands since one was taken back (''  where none does), with the sequence of its event. A value is a list of [sequence
 * (varint), decimal text]. So the newest is the greatest of what counts, whatever the order of arrival, and what was
 * known at an earlier position stays.
 */
export function addRate(
  value: Uint8Array | undefined,
  sequence: number,
  rate: string,
): Uint8Array | undefined {
  const known = value === undefined ? undefined : rateAt(value, Number.POSITIVE_INFINITY);
  if (known !== undefined && !isGreater(rate, known)) return undefined;
  const writer = new ByteWriter();
  if (value !== undefined) writer.bytes(value);
  return writer.varint(sequence).string(rate).copy();
}

/** From a sequence on another rate stands, or none, for what announced the former was taken back. */
export function setRate(value: Uint8Array, sequence: number, rate: string | undefined): Uint8Array {
  return new ByteWriter()
    .bytes(value)
    .varint(sequence)
    .string(rate ?? '')
    .copy();
}

/** The rate as it was known at a sequence: decimal text; undefined when none was announced, or was taken back. */
export function rateAt(value: Uint8Array, sequence: number): string | undefined {
  const reader = new ByteReader(value);
  let known: string | undefined;
  while (reader.position < value.length && reader.varint() <= sequence) known = reader.string();
  return known === '' ? undefined : known;
}

/** Equal numbers in other words (1.1, 1.10) must not depend on which came first either. */
function isGreater(rate: string, than: string): boolean {
  const difference = Number(rate) - Number(than);
  return difference === 0 ? rate > than : difference > 0;
}
