import { z } from 'zod';
import { KPI_DIMENSIONS } from './dimensions.ts';

const MAX_FILTER_CHARS = 128;
export const MAX_FILTER_VALUES = 1_000;

const filterValue = z.string().max(MAX_FILTER_CHARS).nullable();
const filterValues = z.union([filterValue, z.array(filterValue).min(1).max(MAX_FILTER_VALUES)]);
const FILTER_FORMS =
  `must be a text of at most ${MAX_FILTER_CHARS} characters, null, a list of 1 to ${MAX_FILTER_VALUES} of these, ` +
  'or {"not": …} with one of the former';
const filterSchema = z
  .union([filterValues, z.strictObject({ not: filterValues })], { error: FILTER_FORMS })
  .describe('A value, a list of accepted values, or {not: …} of refused ones; null is "has none"');
export type Filter = z.output<typeof filterSchema>;

/** Filters by dimension, where `custom` dimensions are declared. */
export function filtersSchemaOf(custom: readonly string[] = []) {
  const names: readonly string[] = [...KPI_DIMENSIONS, ...custom];
  return z
    .strictObject(Object.fromEntries(names.map((name) => [name, filterSchema.optional()])))
    .describe('By dimension; an event must pass all of them');
}

export type Filters = z.output<ReturnType<typeof filtersSchemaOf>>;
