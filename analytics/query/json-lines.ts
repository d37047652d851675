/** A part's findings as one line of JSON: lines of several parts just follow each other, so merging is joining. */
export function writeLine(value: unknown): Uint8Array {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

export function readLines<T>(bytes: Uint8Array | undefined): T[] {
  if (bytes === undefined) return [];
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString().split('\n');
  return lines.slice(0, -1).map((line) => JSON.parse(line) as T);
}
