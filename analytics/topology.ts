import { deadLetter, type Topology, topology } from '../engine/index.ts';
import {
  type CubeDefinition,
  cubes,
  decode,
  dedup,
  flatMap,
  keyedFacts,
  watermark,
} from '../operators/index.ts';
import { messageDecoder, type OrderEvent, rawOf } from './events/index.ts';
import {
  contributionsOf,
  ENTITIES,
  factPlaceCodec,
  fxRates,
  kindOf,
  LINE_GROUPS,
  placeOf,
} from './ledger/index.ts';
import {
  CUBES_OPERATOR,
  DEFAULT_CUBE_CELLS_PER_DAY,
  DEFAULT_CUBES,
  DIMENSIONS,
  FX_OPERATOR,
  GRANULARITIES,
  MEASURES,
} from './model/index.ts';

export interface OrderAnalyticsOptions {
  readonly cubes: readonly CubeDefinition[];
  readonly cells_per_day: number;
  /** Newest event ids found in memory by id alone. */
  readonly dedup_memory_ids: number;
  /** How long event ids, orders, customers and sessions are remembered, ms. */
  readonly retain_ms: number;
  readonly outOfOrderness_ms: number;
  readonly idle_ms: number;
  /** Entities of each kind kept in memory, in rows. */
  readonly facts_cache_rows: number;
  /** Delta entries of one cube that a query adds up at most beside the cells: about half a µs each. */
  readonly fold_max_entries: number;
  /** Commits after which a cube's deltas are folded however few they are. */
  readonly fold_max_commits: number;
}

export const DEFAULT_OPTIONS: OrderAnalyticsOptions = {
  cubes: DEFAULT_CUBES,
  cells_per_day: DEFAULT_CUBE_CELLS_PER_DAY,
  dedup_memory_ids: 10_000_000,
  retain_ms: 400 * 86_400_000,
  outOfOrderness_ms: 30_000,
  idle_ms: 60_000,
  facts_cache_rows: 100_000,
  fold_max_entries: 100_000,
  fold_max_commits: 40,
};

export const TOPOLOGY_NAME = 'order-analytics';
/** Touched cells of the finest granularity between two commits; about 200 bytes each. */
const DELTA_MAX_CELLS = 100_000;

const described = (event: OrderEvent) => ({
  scope: event.tenant,
  sequence: event.sequence,
  detail: { part: event.part, time: new Date(event.time_ms).toISOString() },
});

/** The default topology: from messages of the stream to the cubes that queries read. */
export function orderAnalytics(options: Partial<OrderAnalyticsOptions> = {}): Topology {
  const config = { ...DEFAULT_OPTIONS, ...options };
  const used = config.cubes.reduce((mask, cube) => mask | cube.mask, 0);
  const groups = LINE_GROUPS.filter(({ mask }) => (used & mask) !== 0);
  return topology(TOPOLOGY_NAME, (t) => {
    const first = t.source('events').pipe(
      decode<OrderEvent>('decode', { decoder: messageDecoder }),
      dedup<OrderEvent>('dedup', {
        identify: (event) => event,
        memory_ids: config.dedup_memory_ids,
        retain_ms: config.retain_ms,
        describe: described,
        conflict: (event) =>
          deadLetter(
            event,
            { code: 'conflict', detail: 'The event id is known with another payload' },
            rawOf(event),
          ),
      }),
      watermark<OrderEvent>('watermark', {
        timeOf: (event) => event.time_ms,
        outOfOrderness_ms: config.outOfOrderness_ms,
        idle_ms: config.idle_ms,
        late: described,
      }),
    );
    const withFacts = first.pipe(
      keyedFacts('facts', {
        entities: ENTITIES,
        kindOf,
        scopeOf: (event) => event.tenant,
        timeOf: (event) => event.time_ms,
        tieOf: (event) => (event.id0 >>> 0) * 0x20_0000 + (event.id1 >>> 11),
        payloadOf: placeOf,
        payloadCodec: factPlaceCodec,
        version: 2,
        retain_ms: config.retain_ms,
        cacheRows: config.facts_cache_rows,
      }),
      fxRates(FX_OPERATOR, undefined),
    );
    withFacts.pipe(
      flatMap('contributions', { each: contributionsOf(groups) }),
      cubes(CUBES_OPERATOR, {
        dimensions: DIMENSIONS,
        cubes: config.cubes,
        granularities: GRANULARITIES,
        measures: MEASURES.length,
        cells_per_day: config.cells_per_day,
        delta_max_cells: DELTA_MAX_CELLS,
        fold_max_entries: config.fold_max_entries,
        fold_max_commits: config.fold_max_commits,
      }),
    );
  });
}
