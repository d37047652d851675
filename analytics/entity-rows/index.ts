export * from './entity-plan.ts';
export * from './entity-rows.ts';
export { HashSet } from './hash-set.ts';
export { readPlaces, writePlaces } from './places.ts';
export { type DerivedCode, type RowHashes, RowTable } from './row-table.ts';
export {
  type CodeCondition,
  MAX_ROW_TESTS,
  type NumberCondition,
  type RowCondition,
  type RowTest,
  RowTests,
} from './row-test.ts';
