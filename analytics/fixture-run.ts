import { type MemoryDisk, simulate } from '../engine/index.ts';
import { cubeViews, readCube } from '../operators/index.ts';
import { CUBES_OPERATOR, cubeOf, type Dimension, GRANULARITIES, MEASURES } from './model/index.ts';
import { type OrderAnalyticsOptions, orderAnalytics } from './topology.ts';

type Members = Readonly<Record<string, unknown>>;

export interface EventsRun {
  readonly disk: MemoryDisk;
  readonly notices: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Non-zero measures by `day [values]` of a cube, money in every currency added up in its own row. */
  cells(...dimensions: Dimension[]): Record<string, Record<string, number>>;
}

const DAY = GRANULARITIES.length - 1;
const NOW_MS = Date.UTC(2025, 7, 1, 12);

/** Runs events of tenant `acme` through the default topology; each inner array is a message. */
export async function runEvents(
  messages: readonly (readonly Members[])[],
  options: Partial<OrderAnalyticsOptions> = {},
): Promise<EventsRun> {
  const { disk, progress } = await simulate({
    topology: () => orderAnalytics(options),
    messages: messages.map((events) => ({
      subject: 'events.acme.x',
      data: Buffer.from(JSON.stringify(events)),
    })),
    seed: 1,
    faults: false,
    start_ms: NOW_MS,
    end_ms: NOW_MS + 600_000,
  });
  const cells = (...dimensions: Dimension[]): Record<string, Record<string, number>> =>
    disk.reader().snapshot((table) => {
      const query = {
        scope: 'acme',
        cube: cubeOf(dimensions),
        granularity: DAY,
        width_ms: 86_400_000,
        start_ms: 0,
        end_ms: NOW_MS + 86_400_000,
      };
      const rows = [
        ...readCube(cubeViews(table, CUBES_OPERATOR), {
          ...query,
          measures: MEASURES.length,
          withDetail: true,
        }),
      ];
      const named = rows.map(({ bucket_ms, values, unit, cell }) => {
        const sums = cell.sums.flatMap((sum, index) =>
          Number(sum) === 0 ? [] : [[MEASURES[index] as string, Number(sum)]],
        );
        const place = [new Date(bucket_ms).toISOString().slice(8, 10), ...values, unit]
          .filter((part) => part !== '')
          .join(' ');
        return [place, Object.fromEntries(sums) as Record<string, number>] as const;
      });
      return Object.fromEntries(
        named.filter(([, sums]) => Object.keys(sums).length > 0).sort(([a], [b]) => (a < b ? -1 : 1)),
      );
    });
  return { disk, notices: progress.notices, cells };
}
