import type { RowBatch } from '../../engine/index.ts';
import type { RowCondition } from '../entity-rows/index.ts';
import type { LogTexts } from '../filters/index.ts';
import { CODE } from '../rows/index.ts';
import type { KeptSpec } from './kept-definition.ts';
import type { KeptTable } from './kept-table.ts';

/** Kinds of rows that are remembered of a scope; beyond it they are learned anew. */
const MAX_ROW_KINDS = 10_000;
/** Marks are below it. */
const MARKS = 2 ** 31;

/** A test; of rows of a known type and marks what is left of it. */
interface OpenTest {
  readonly bit: number;
  readonly conditions: readonly RowCondition[];
}

/** A definition that may keep rows. */
interface Candidate {
  readonly table: KeptTable;
  readonly spec: KeptSpec;
  readonly tests: readonly OpenTest[];
}

/** The definitions of one scope. */
interface ScopeTables {
  readonly tested: readonly Candidate[];
  /** By type and marks: nearly all rows are done with one look. */
  readonly byKind: Map<number, readonly Candidate[]>;
}

/** Finds which rows definitions keep. Of one dictionary, whose codes the rows have. */
export class RowMatcher {
  readonly texts: LogTexts;
  readonly #byScope = new Map<string, KeptTable[]>();
  readonly #scopes = new Map<number, ScopeTables | undefined>();

  constructor(tables: readonly KeptTable[], texts: LogTexts) {
    this.texts = texts;
    for (const table of tables) {
      if (table.spec === undefined || table.full !== undefined) continue;
      const { scope } = table.slot;
      const own = this.#byScope.get(scope);
      if (own === undefined) this.#byScope.set(scope, [table]);
      else own.push(table);
    }
  }

  get isEmpty(): boolean {
    return this.#byScope.size === 0;
  }

  /**
   * Adds what definitions keep of a batch's rows. Rows that come in count only where a definition counts their time
   * already: what is before that is in the log when it is built. `isHistory`: they are of the time that is built.
   */
  add(batch: RowBatch, isHistory: boolean): void {
    const types = batch.columns.codes[CODE.type] as Int32Array;
    const marks = batch.columns.codes[CODE.marks] as Int32Array;
    let scope = -1;
    let own: ScopeTables | undefined;
    for (let row = 0; row < batch.length; row++) {
      if (batch.scope[row] !== scope) {
        scope = batch.scope[row] as number;
        own = this.#scopeOf(scope);
      }
      if (own === undefined) continue;
      const [type, mark] = [types[row] as number, marks[row] as number];
      const candidates = own.byKind.get(type * MARKS + mark) ?? learn(own, type, mark);
      for (const candidate of candidates) addRow(batch, row, candidate, isHistory);
    }
  }

  #scopeOf(code: number): ScopeTables | undefined {
    if (this.#scopes.has(code)) return this.#scopes.get(code);
    const tables = this.#byScope.get(this.texts.textOf(code));
    const tested = tables?.flatMap((table) => {
      const { spec } = table;
      if (spec === undefined) return [];
      const tests = spec.tests(this.texts).map((conditions, at) => ({ bit: 1 << at, conditions }));
      return [{ table, spec, tests }];
    });
    const own = tested === undefined ? undefined : { tested, byKind: new Map() };
    this.#scopes.set(code, own);
    return own;
  }
}

/** Which definitions rows of a type with these marks may concern. */
function learn({ tested, byKind }: ScopeTables, type: number, marks: number): readonly Candidate[] {
  const known = (condition: RowCondition): boolean | undefined => {
    if (!('code' in condition)) return undefined;
    if (condition.code === CODE.type) return condition.accepts(type);
    return condition.code === CODE.marks ? condition.accepts(marks) : undefined;
  };
  const candidates = tested.flatMap(({ table, spec, tests }) => {
    const open = tests
      .filter(({ conditions }) => !conditions.some((condition) => known(condition) === false))
      .map(({ bit, conditions }) => ({
        bit,
        conditions: conditions.filter((condition) => known(condition) === undefined),
      }));
    return open.length === 0 ? [] : [{ table, spec, tests: open }];
  });
  if (byKind.size >= MAX_ROW_KINDS) byKind.clear();
  byKind.set(type * MARKS + marks, candidates);
  return candidates;
}

function addRow(batch: RowBatch, row: number, { table, spec, tests }: Candidate, isHistory: boolean): void {
  const time_ms = batch.time_ms[row] as number;
  if (!isHistory && time_ms < table.slot.from_ms) return;
  const { codes, hashes } = batch.columns;
  const entity = hashes[spec.entity];
  const [hi, lo] = [entity?.hi[row] as number, entity?.lo[row] as number];
  if ((hi | lo) === 0) return;
  let bits = 0;
  for (const { bit, conditions } of tests)
    if (conditions.every((condition) => meets(batch, row, condition))) bits |= bit;
  if (bits === 0) return;
  const isRetraction = (codes[CODE.retraction] as Int32Array)[row] === 1;
  let place = table.add(hi, lo, time_ms, bits, isRetraction ? -1 : 1);
  for (const column of spec.codes) table.hold(place++, (codes[column] as Int32Array)[row] as number);
  for (const column of spec.hashes) {
    table.hold(place++, hashes[column]?.hi[row] as number);
    table.hold(place++, hashes[column]?.lo[row] as number);
  }
}

/** As `RowTests` says it of chunks. */
function meets(batch: RowBatch, row: number, condition: RowCondition): boolean {
  if ('number' in condition) {
    const value = (batch.columns.numbers[condition.number] as Float64Array)[row] as number;
    return value >= condition.min && value <= condition.max;
  }
  const { code, item = -1, accepts } = condition;
  const count = item < 0 ? 0 : (batch.itemCount[row] as number);
  if (count === 0) return accepts((batch.columns.codes[code] as Int32Array)[row] as number);
  const start = batch.itemStart[row] as number;
  const column = batch.items.codes[item] as Int32Array;
  for (let at = start; at < start + count; at++) if (accepts(column[at] as number)) return true;
  return false;
}
