import { z } from 'zod';
import { KPI_DIMENSIONS } from './dimensions.ts';
import { SEGMENT } from './segment-filter.ts';

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

const NONE: readonly string[] = [];
/** By the list that they are of: dozens of queries take the same. */
const filtersSchemas = new WeakMap<readonly string[], ReturnType<typeof makeFiltersSchema>>();
const segmentFiltersSchemas = new WeakMap<readonly string[], ReturnType<typeof makeSegmentFiltersSchema>>();

/** Filters by dimension, where `custom` dimensions are declared. */
export function filtersSchemaOf(custom: readonly string[] = NONE) {
  const schema = filtersSchemas.get(custom) ?? makeFiltersSchema(custom);
  filtersSchemas.set(custom, schema);
  return schema;
}

/** Filters of queries that segments can be laid over, too. */
export function segmentFiltersSchemaOf(custom: readonly string[] = NONE) {
  const schema = segmentFiltersSchemas.get(custom) ?? makeSegmentFiltersSchema(custom);
  segmentFiltersSchemas.set(custom, schema);
  return schema;
}

function makeFiltersSchema(custom: readonly string[]) {
  const names: readonly string[] = [...KPI_DIMENSIONS, ...custom];
  return z
    .strictObject(Object.fromEntries(names.map((name) => [name, filterSchema.optional()])))
    .describe('By dimension; an event must pass all of them');
}

function makeSegmentFiltersSchema(custom: readonly string[]) {
  const segment = filterSchema
    .optional()
    .describe('Names or ids of segments: the customer is in any of them');
  return filtersSchemaOf(custom).extend(custom.includes(SEGMENT) ? {} : { [SEGMENT]: segment });
}

/** A list of different dimensions to tell groups apart by: those of filters, and `segment`. */
export function dimensionsSchemaOf(custom: readonly string[], most: number) {
  const names = [...new Set([...KPI_DIMENSIONS, ...custom, SEGMENT])];
  return z
    .array(z.enum(names as unknown as readonly [string, ...string[]]))
    .max(most)
    .refine((given) => new Set(given).size === given.length, 'A dimension is repeated');
}

export type Filters = z.output<ReturnType<typeof filtersSchemaOf>>;
