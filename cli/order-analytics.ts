import { orderAnalytics } from '../analytics/index.ts';
import { readSettings, type Settings } from '../api/index.ts';
import type { Topology } from '../engine/index.ts';
import type { CommandContext } from './command.ts';

export const settingsOf = (env: CommandContext['env']): Settings => readSettings(env);

/** The order analytics, as the settings ask for them. */
export function topologyOf(settings: Settings): Topology {
  return orderAnalytics({
    cubes: settings.cubes,
    cells_per_day: settings.cubeCellsPerDay,
    dedup_memory_ids: settings.dedupMemoryIds,
    custom: settings.customDimensions,
    retention_days: settings.retentionDays,
    log_max_bytes: settings.log_max_bytes,
    outOfOrderness_ms: settings.allowedOutOfOrderness_ms,
  });
}
