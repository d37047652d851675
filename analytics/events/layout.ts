import { FNV_OFFSET, FNV_PRIME } from '../../operators/index.ts';
import type { Field } from './fields.ts';
import { COLON, QUOTE } from './value-scan.ts';

/** Member names in memory; when there are more, the layout is learnt anew. */
const MAX_NODES = 4_096;
/** Bytes of a name with the white space around it that are remembered. */
const MAX_KEY_BYTES = 256;

/**
 * A member as producers write it: the bytes from behind the comma or brace to the first of its value. What
 * followed it lately is what is tried first.
 */
export interface LayoutNode {
  readonly key: Uint8Array;
  /** The key, four bytes at a time; the last word ends where the key does, and may overlap the one before. */
  readonly words: Int32Array;
  /** Undefined for a member that the schema does not name. */
  readonly field: Field | undefined;
  /** FNV-1a of the name that it has in the payload's hash. */
  readonly name: number;
  a: LayoutNode | undefined;
  b: LayoutNode | undefined;
  c: LayoutNode | undefined;
  d: LayoutNode | undefined;
}

/** Whether a node's key lies at `at`. */
function follows(view: DataView, at: number, { key, words }: LayoutNode): boolean {
  const last = words.length - 1;
  // Behind the memory's end nothing can be read; a member that ends there is cut off anyway.
  if (at + key.length > view.byteLength) return false;
  for (let index = 0; index < last; index++)
    if (view.getInt32(at + 4 * index, true) !== words[index]) return false;
  return view.getInt32(at + key.length - 4, true) === words[last];
}

function wordsOf(key: Uint8Array): Int32Array {
  const view = new DataView(key.buffer, key.byteOffset, key.length);
  const words = new Int32Array(Math.ceil(key.length / 4));
  for (let index = 0; index < words.length; index++)
    words[index] = view.getInt32(Math.min(4 * index, key.length - 4), true);
  return words;
}

/** Of the place before the first member; nothing is compared with it. */
const ROOT_KEY = new Uint8Array(4);

/** Follows the order of members that was seen last, and learns another one where it differs. */
export class Layout {
  readonly #fields: ReadonlyMap<string, Field>;
  /** Names that are never followed: what has them is read carefully. */
  readonly #refused: ReadonlySet<string>;
  /** By the FNV-1a of their bytes. */
  readonly #nodes = new Map<number, LayoutNode>();
  root: LayoutNode = newNode(ROOT_KEY, undefined, 0);

  constructor(fields: ReadonlyMap<string, Field>, refused: readonly string[]) {
    this.#fields = fields;
    this.#refused = new Set(refused);
  }

  /** The member at `at`, behind `last`; undefined where there is none that can be followed. */
  next(last: LayoutNode, b: Uint8Array, view: DataView, at: number, end: number): LayoutNode | undefined {
    const first = last.a;
    if (first !== undefined && follows(view, at, first)) return first;
    const second = last.b;
    if (second !== undefined && follows(view, at, second)) return second;
    const third = last.c;
    if (third !== undefined && follows(view, at, third)) return third;
    const fourth = last.d;
    if (fourth !== undefined && follows(view, at, fourth)) return fourth;
    return this.#learn(last, b, at, end);
  }

  #learn(last: LayoutNode, b: Uint8Array, from: number, end: number): LayoutNode | undefined {
    const quote = skipSpace(b, from);
    if (b[quote] !== QUOTE) return undefined;
    let name = FNV_OFFSET;
    let at = quote + 1;
    for (let byte = b[at]; byte !== QUOTE; byte = b[++at]) {
      // Escapes and what is no ASCII are read carefully.
      if (byte === undefined || byte < 0x20 || byte >= 0x80 || byte === 0x5c) return undefined;
      name = Math.imul(name ^ byte, FNV_PRIME);
    }
    const close = at;
    at = skipSpace(b, close + 1);
    if (b[at] !== COLON) return undefined;
    at = skipSpace(b, at + 1);
    // The shortest name is one word with its quotes and colon; the empty one is read carefully.
    if (at >= end || at - from > MAX_KEY_BYTES || at - from < 4) return undefined;
    const node = this.#node(b, from, at, quote + 1, close, name);
    if (node === undefined) return undefined;
    last.d = last.c;
    last.c = last.b;
    last.b = last.a;
    last.a = node;
    return node;
  }

  #node(
    b: Uint8Array,
    from: number,
    to: number,
    nameFrom: number,
    nameTo: number,
    name: number,
  ): LayoutNode | undefined {
    let hash = FNV_OFFSET;
    for (let at = from; at < to; at++) hash = Math.imul(hash ^ (b[at] as number), FNV_PRIME);
    const known = this.#nodes.get(hash);
    if (known !== undefined && isSame(b, from, to, known.key)) return known;
    const text = String.fromCharCode(...b.subarray(nameFrom, nameTo));
    if (this.#refused.has(text)) return undefined;
    const field = this.#fields.get(text);
    const node = newNode(
      Uint8Array.from(b.subarray(from, to)),
      field,
      field === undefined ? name : field.hash,
    );
    if (this.#nodes.size >= MAX_NODES) {
      this.#nodes.clear();
      this.root = newNode(ROOT_KEY, undefined, 0);
    }
    this.#nodes.set(hash, node);
    return node;
  }
}

function isSame(b: Uint8Array, from: number, to: number, key: Uint8Array): boolean {
  if (to - from !== key.length) return false;
  for (let index = 0; index < key.length; index++) if (b[from + index] !== key[index]) return false;
  return true;
}

function newNode(key: Uint8Array, field: Field | undefined, name: number): LayoutNode {
  return { key, words: wordsOf(key), field, name, a: undefined, b: undefined, c: undefined, d: undefined };
}

function skipSpace(b: Uint8Array, from: number): number {
  let at = from;
  for (let byte = b[at]; byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09; byte = b[at]) at++;
  return at;
}
