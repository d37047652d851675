import { isDeepStrictEqual } from 'node:util';
import { OPERATORS } from '../../analytics/index.ts';
import type { Settings } from '../settings/index.ts';

/** Operators that stand before everything that options decide: what they keep says which events there were. */
const INDEPENDENT: readonly string[] = [OPERATORS.dedup, OPERATORS.rates];

/** Of the tables that differ between two generations, those that must not: all, where their settings are the same. */
export function comparedTables(different: readonly string[], a: Settings, b: Settings): readonly string[] {
  if (isDeepStrictEqual(a, b)) return different;
  return independentOf(different);
}

/** Of some tables those that say which events there were. */
export function independentOf(tables: readonly string[]): readonly string[] {
  return tables.filter((table) => INDEPENDENT.includes(table.slice(0, table.indexOf('/'))));
}
