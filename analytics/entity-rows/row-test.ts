import { type Chunk, WideIndex } from '../../engine/index.ts';

/** What a code column must have: the value's code, 0 for none. */
export interface CodeCondition {
  /** Place among the code columns. */
  readonly code: number;
  /** Place among the code columns of items: a row with items passes by any of them, another by `code`. -1: none. */
  readonly item?: number;
  readonly accepts: (code: number) => boolean;
}

/** What a number column must have; NaN (none) is within nothing. */
export interface NumberCondition {
  /** Place among the number columns. */
  readonly number: number;
  /** Both ends included. */
  readonly min: number;
  readonly max: number;
}

export type RowCondition = CodeCondition | NumberCondition;

/** A row passes when it meets all conditions; one without conditions takes every row. */
export type RowTest = readonly RowCondition[];

/** Tests of one query: as many as there are bits. */
export const MAX_ROW_TESTS = 32;

/** Codes whose bits a column's tests remember. */
const MAX_KNOWN_CODES = 4_096;

/** Tests of one code column and nothing else: the bits of a row are those of its code. */
class CodeTests {
  readonly #code: number;
  readonly #tests: { readonly bit: number; readonly accepts: (code: number) => boolean }[] = [];
  readonly #index = new WideIndex();
  /** To ask the tests takes longer. */
  readonly #known = new Map<number, number>();

  constructor(code: number) {
    this.#code = code;
  }

  push(bit: number, accepts: (code: number) => boolean): void {
    this.#tests.push({ bit, accepts });
  }

  /** Adds the bits of each row; false where no row passes any. */
  addTo(bits: Uint32Array, chunk: Chunk): boolean {
    const { index, values } = chunk.code(this.#code);
    const bitsOf = new Uint32Array(values.length);
    for (let at = 0; at < values.length; at++) bitsOf[at] = this.#bitsOf(values[at] as number);
    if (!bitsOf.some((own) => own !== 0)) return false;
    const places = this.#index.of(index, chunk.rows);
    for (let row = 0; row < chunk.rows; row++)
      (bits[row] as number) |= bitsOf[places[row] as number] as number;
    return true;
  }

  /** The same for bits that fit a byte. */
  label(labels: Uint8Array, chunk: Chunk, shift: number): boolean {
    return chunk.label(this.#code, (code) => this.#bitsOf(code) << shift, labels);
  }

  #bitsOf(code: number): number {
    const known = this.#known.get(code);
    if (known !== undefined) return known;
    let bits = 0;
    for (const { bit, accepts } of this.#tests) if (accepts(code)) bits |= bit;
    if (this.#known.size < MAX_KNOWN_CODES) this.#known.set(code, bits);
    return bits;
  }
}

/** Tells for each row of a chunk which tests it passes, as bits: bit i is test i. */
export class RowTests {
  /** By column: one pass over the rows for all of them. */
  readonly #byCode = new Map<number, CodeTests>();
  readonly #others: { readonly bit: number; readonly test: RowTest }[] = [];
  #bits = new Uint32Array(0);

  constructor(tests: readonly RowTest[]) {
    if (tests.length > MAX_ROW_TESTS) throw new RangeError(`more than ${MAX_ROW_TESTS} tests`);
    for (const [at, test] of tests.entries()) {
      const [only, ...more] = test;
      if (only === undefined || more.length > 0 || !('code' in only) || (only.item ?? -1) >= 0)
        this.#others.push({ bit: 1 << at, test });
      else this.#ofCode(only.code).push(1 << at, only.accepts);
    }
  }

  #ofCode(code: number): CodeTests {
    const known = this.#byCode.get(code) ?? new CodeTests(code);
    this.#byCode.set(code, known);
    return known;
  }

  /** Valid until the next chunk; undefined where no row passes any. */
  of(chunk: Chunk): Uint32Array | undefined {
    if (this.#bits.length < chunk.rows) this.#bits = new Uint32Array(chunk.rows);
    const bits = this.#bits.fill(0, 0, chunk.rows);
    let isAny = false;
    for (const tests of this.#byCode.values()) if (tests.addTo(bits, chunk)) isAny = true;
    for (const { bit, test } of this.#others) {
      const passed = passing(chunk, test);
      if (passed === undefined) continue;
      isAny = true;
      if (passed === true) for (let row = 0; row < chunk.rows; row++) (bits[row] as number) |= bit;
      else for (let row = 0; row < chunk.rows; row++) if (passed[row] === 1) (bits[row] as number) |= bit;
    }
    return isAny ? bits : undefined;
  }

  /**
   * Adds the bits, shifted to the left, to labels of a byte; false where no row passes any. `labels` has room for a
   * multiple of `LABEL_ROWS`.
   */
  label(chunk: Chunk, labels: Uint8Array, shift: number): boolean {
    let isAny = false;
    for (const tests of this.#byCode.values()) if (tests.label(labels, chunk, shift)) isAny = true;
    for (const { bit, test } of this.#others) {
      const passed = passing(chunk, test);
      if (passed === undefined) continue;
      isAny = true;
      for (let row = 0; row < chunk.rows; row++)
        if (passed === true || passed[row] === 1) (labels[row] as number) |= bit << shift;
    }
    return isAny;
  }
}

/** 1 for each row that passes; true where all do, undefined where none does. */
function passing(chunk: Chunk, test: RowTest): Uint8Array | true | undefined {
  let passed: Uint8Array | true = true;
  // The cheap ones first: they may say that no row of the chunk passes.
  for (const condition of test.toSorted((a, b) => Number('number' in a) - Number('number' in b))) {
    const own: Uint8Array | boolean =
      'code' in condition ? ofCodes(chunk, condition) : ofNumbers(chunk, condition);
    if (own === false) return undefined;
    if (own === true) continue;
    if (passed === true) passed = own;
    else for (let row = 0; row < chunk.rows; row++) (passed[row] as number) &= own[row] as number;
  }
  return passed;
}

function ofCodes(chunk: Chunk, condition: CodeCondition): Uint8Array | boolean {
  const { code, item = -1, accepts } = condition;
  if (item >= 0 && chunk.hasItems) return ofItems(chunk, { code, item, accepts });
  const { index, values } = chunk.code(code);
  const accepted = Uint8Array.from(values, (value) => (accepts(value) ? 1 : 0));
  if (index === null || !accepted.includes(0)) return accepted[0] === 1;
  if (!accepted.includes(1)) return false;
  const rows = new Uint8Array(chunk.rows);
  for (let row = 0; row < chunk.rows; row++) rows[row] = accepted[index[row] as number] as number;
  return rows;
}

function ofItems(chunk: Chunk, { code, item, accepts }: Required<CodeCondition>): Uint8Array {
  const items = chunk.items();
  const own = chunk.code(code);
  const ofRows = Uint8Array.from(own.values, (value) => (accepts(value) ? 1 : 0));
  const column = items.code(item);
  const accepted = Uint8Array.from(column.values, (value) => (accepts(value) ? 1 : 0));
  const rows = new Uint8Array(chunk.rows);
  for (let row = 0; row < chunk.rows; row++) {
    const count = items.count[row] as number;
    if (count === 0) rows[row] = ofRows[own.index === null ? 0 : (own.index[row] as number)] as number;
    const start = items.start[row] as number;
    for (let place = start; place < start + count && rows[row] === 0; place++)
      rows[row] = accepted[column.index === null ? 0 : (column.index[place] as number)] as number;
  }
  return rows;
}

function ofNumbers(chunk: Chunk, { number, min, max }: NumberCondition): Uint8Array {
  const values = chunk.number(number);
  const rows = new Uint8Array(chunk.rows);
  for (let row = 0; row < chunk.rows; row++) {
    const value = values[row] as number;
    rows[row] = value >= min && value <= max ? 1 : 0;
  }
  return rows;
}
