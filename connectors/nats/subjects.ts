const SLOTS = 1_024;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

interface Slot {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/**
 * Subjects as strings, each decoded once: a stream has few of them, and comparing 30 bytes costs a fraction
 * of decoding them. The same subject gives the same string object, which map lookups like. Holds at most
 * 1,024 subjects; a newer one takes the place of an older.
 */
export class SubjectTable {
  readonly #slots: (Slot | undefined)[] = new Array<Slot | undefined>(SLOTS).fill(undefined);

  text(bytes: Uint8Array): string {
    const { length } = bytes;
    let hash = FNV_OFFSET;
    for (let i = 0; i < length; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), FNV_PRIME);
    const at = (hash ^ (hash >>> 16)) & (SLOTS - 1);
    const slot = this.#slots[at];
    if (slot !== undefined && isSame(slot.bytes, bytes)) return slot.text;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('utf8');
    // A copy: the bytes are a view of a chunk that would be kept alive.
    this.#slots[at] = { bytes: Uint8Array.from(bytes), text };
    return text;
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  const { length } = a;
  if (length !== b.length) return false;
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false;
  return true;
}
