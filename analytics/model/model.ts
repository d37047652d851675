import type { CubeDefinition, Granularity } from '../../operators/index.ts';

/** The dimensions that cubes are made of. `currency` is the unit of every cell, so it needs no cube. */
export const DIMENSIONS = [
  'channel',
  'country',
  'sku',
  'category',
  'warehouse',
  'payment_method',
  'customer_segment',
  'campaign',
] as const;
export type Dimension = (typeof DIMENSIONS)[number];

/** What is added up in every cell. Counts of facts can be taken back; sums of events cannot change. */
export const MEASURES = [
  'orders',
  'orders_paid',
  'orders_shipped',
  'orders_delivered',
  'orders_cancelled',
  'orders_rto',
  'orders_refunded',
  'returns',
  'visits',
  'sessions',
  'sessions_with_cart',
  'sessions_with_order',
  'customers_new',
  'units',
  'ship_ms',
  'ship_count',
  'response_ms',
  'response_count',
  'revenue_gross',
  'revenue_paid',
  'refund',
  'discount',
  'shipping',
  'tax',
] as const;
export type Measure = (typeof MEASURES)[number];

/** Money measures whose single amounts are also kept as distributions (count, min, max, quantiles). */
export const DISTRIBUTIONS = [
  'revenue_gross',
  'revenue_paid',
  'refund',
  'discount',
  'shipping',
  'tax',
] as const;
export type DistributionName = (typeof DISTRIBUTIONS)[number];

/** Index of a measure in a cell's sums. */
export const M = Object.fromEntries(MEASURES.map((name, index) => [name, index])) as Record<Measure, number>;
/** Index of a distribution in a cell's detail. */
export const D = Object.fromEntries(DISTRIBUTIONS.map((name, index) => [name, index])) as Record<
  DistributionName,
  number
>;
/** Index of a dimension in a row. */
export const X = Object.fromEntries(DIMENSIONS.map((name, index) => [name, index])) as Record<
  Dimension,
  number
>;

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** 15 minutes are kept for ever: every real time zone's hours and days are sums of them, also those of years ago. */
export const GRANULARITIES: readonly Granularity[] = [
  { name: '1m', bucket_ms: MINUTE_MS, retain_ms: 2 * DAY_MS },
  { name: '15m', bucket_ms: 15 * MINUTE_MS },
  { name: '1d', bucket_ms: DAY_MS },
];

/**
 * An order's items give it several skus and categories. A row for the whole order goes to the cubes
 * without item dimensions; a row for each distinct sku, category or pair of them to the others.
 */
export const WHOLE = 1;
export const BY_SKU = 2;
export const BY_CATEGORY = 4;
export const BY_SKU_AND_CATEGORY = 8;

export function maskOf(dimensions: readonly string[]): number {
  const sku = dimensions.includes('sku');
  const category = dimensions.includes('category');
  if (sku && category) return BY_SKU_AND_CATEGORY;
  return sku ? BY_SKU : category ? BY_CATEGORY : WHOLE;
}

/**
 * Dimensions of one cube at most. The key of a cell holds all values, each of up to 128 characters: up to here
 * it is one key of LMDB, which has at most 1,978 bytes; longer ones are stored in parts, at a cost.
 */
export const MAX_CUBE_DIMENSIONS = 3;

/** The name of a cube is its dimensions in DIMENSIONS' order, joined by "+"; the total is `total`. */
export function cubeOf(dimensions: readonly Dimension[]): CubeDefinition {
  const ordered = DIMENSIONS.filter((dimension) => dimensions.includes(dimension));
  return {
    name: ordered.length === 0 ? 'total' : ordered.join('+'),
    dimensions: ordered,
    mask: maskOf(ordered),
  };
}

export const DEFAULT_CUBES: readonly CubeDefinition[] = [
  cubeOf([]),
  ...DIMENSIONS.map((dimension) => cubeOf([dimension])),
  cubeOf(['channel', 'country']),
  cubeOf(['campaign', 'channel']),
  cubeOf(['sku', 'country']),
  cubeOf(['category', 'channel']),
  cubeOf(['payment_method', 'country']),
];

/** Cells of one cube, UTC day and tenant before new values go to `__other__`. */
export const DEFAULT_CUBE_CELLS_PER_DAY = 100_000;

/** The operator's name: it keys the tables `cubes/cells`, `cubes/details`, `cubes/cardinality`. */
export const CUBES_OPERATOR = 'cubes';
export const FX_OPERATOR = 'fx-rates';
