import type { KvView } from '../../engine/index.ts';
import { type CubeDefinition, OTHER, readCardinality } from '../../operators/index.ts';
import { CUBES_OPERATOR } from '../model/index.ts';
import { DAY_MS, type TimeRange } from '../query/index.ts';

/** Says so when a cube had more combinations of values on some day of the range than it keeps. */
export function overflowWarning(
  table: (name: string) => KvView,
  tenant: string,
  cube: CubeDefinition,
  { start_ms, end_ms }: TimeRange,
): string | undefined {
  const from_ms = Math.floor(start_ms / DAY_MS) * DAY_MS;
  let days = 0;
  let rows = 0;
  for (const { other_rows } of readCardinality(
    table(`${CUBES_OPERATOR}/cardinality`),
    tenant,
    cube.name,
    from_ms,
    end_ms,
  )) {
    if (other_rows === 0) continue;
    days++;
    rows += other_rows;
  }
  if (days === 0) return undefined;
  return `On ${days} UTC ${days === 1 ? 'day' : 'days'} of the range, ${cube.name} had more combinations of values than are kept: ${rows} contributions are under "${OTHER}" instead of their own values, so groups and filters miss them. Totals without grouping are complete.`;
}
