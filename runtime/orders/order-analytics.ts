import { orderAnalytics } from '../../analytics/index.ts';
import { EVENTS_STREAM } from '../../connectors/index.ts';
import type { Topology } from '../../engine/index.ts';
import type { PartitionInput, TopologyPlace } from '../host/index.ts';
import type { Settings } from '../settings/index.ts';

/** The module that a task's thread loads. */
export const ORDER_ANALYTICS_MODULE = import.meta.url;

/** What it reads. */
export const ORDER_INPUT = {
  node: 'events',
  stream: EVENTS_STREAM.name,
  filter: [],
} as const satisfies PartitionInput;

/** The order analytics, as the settings ask for them. */
export function orderTopology(settings: Settings, { fits }: TopologyPlace = {}): Topology {
  return orderAnalytics({
    fits,
    cubes: settings.cubes,
    cells_per_day: settings.cubeCellsPerDay,
    dedup_memory_ids: settings.dedupMemoryIds,
    custom: settings.customDimensions,
    dimension_paths: settings.dimensionPaths,
    retention_days: settings.retentionDays,
    log_max_bytes: settings.log_max_bytes,
    rejections_max: settings.letters.per_message,
    outOfOrderness_ms: settings.allowedOutOfOrderness_ms,
  });
}

/** As a task's thread asks for it. */
export const topologyOf = (config: unknown, place?: TopologyPlace): Topology =>
  orderTopology(config as Settings, place);
