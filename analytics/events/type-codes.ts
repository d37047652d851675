import type { Dictionary } from '../../engine/index.ts';
import { normalType, typeCode } from './event-types.ts';

/** Spellings of types in memory; when there are more, they are learnt anew. */
const MAX_SPELLINGS = 4_096;
/** At most half full. */
const SLOTS = 2 * MAX_SPELLINGS;

interface Spelling {
  readonly bytes: Uint8Array;
  /** Index in EVENT_TYPES, or -1. */
  readonly kind: number;
  readonly normal: string;
  /** An event of an order: it may name a status in more than one way. */
  readonly isOfOrder: boolean;
  /** The dictionary's, of the normal form; -1 until an event with it is taken. */
  code: number;
}

/** Types as events spell them, with the index and the code of what they mean. */
export class TypeCodes {
  readonly #dictionary: Dictionary;
  readonly #slots = new Array<Spelling | undefined>(SLOTS).fill(undefined);
  #count = 0;

  constructor(dictionary: Dictionary) {
    this.#dictionary = dictionary;
  }

  /** The place of the spelling in the bytes [from, to), whose FNV-1a is `fnv`; valid until the next call. */
  find(b: Uint8Array, from: number, to: number, fnv: number): number {
    for (let slot = (fnv ^ (fnv >>> 15)) & (SLOTS - 1); ; slot = (slot + 1) & (SLOTS - 1)) {
      const known = this.#slots[slot];
      if (known === undefined) return this.#learn(slot, Uint8Array.from(b.subarray(from, to)));
      if (isSame(b, from, to, known.bytes)) return slot;
    }
  }

  kindAt(place: number): number {
    return (this.#slots[place] as Spelling).kind;
  }

  isOfOrderAt(place: number): boolean {
    return (this.#slots[place] as Spelling).isOfOrder;
  }

  codeAt(place: number): number {
    const spelling = this.#slots[place] as Spelling;
    if (spelling.code < 0) spelling.code = this.#dictionary.codeOf(spelling.normal);
    return spelling.code;
  }

  #learn(slot: number, bytes: Uint8Array): number {
    if (this.#count === MAX_SPELLINGS) {
      this.#slots.fill(undefined);
      this.#count = 0;
    }
    this.#count++;
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
    const normal = normalType(text);
    const isOfOrder = normal.startsWith('order.');
    this.#slots[slot] = { bytes, kind: typeCode(text), normal, isOfOrder, code: -1 };
    return slot;
  }
}

function isSame(b: Uint8Array, from: number, to: number, known: Uint8Array): boolean {
  if (to - from !== known.length) return false;
  for (let index = 0; index < known.length; index++) if (b[from + index] !== known[index]) return false;
  return true;
}
