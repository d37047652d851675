import type { KvView } from '../../engine/index.ts';
import { ALL_TIME_MS, completeFrom, cubeViews, NEVER_MS, readCubeInfo } from '../../operators/index.ts';

/** How far a cube is built. */
export interface CubeProgress {
  /** The share of the log's rows that it counts; absent: all of them. */
  readonly share?: number;
  /** It answers from here on, ms; null: for all time. Absent: for no time yet. */
  readonly complete_from_ms?: number | null;
}

/** The cubes of a state by their names; those of users are named by `controlKey`. */
export function cubeProgress(
  table: (name: string) => KvView,
  operator: string,
): ReadonlyMap<string, CubeProgress> {
  const infos = readCubeInfo(cubeViews(table, operator).definitions).filter(({ isDropped }) => !isDropped);
  return new Map(
    infos.map((info) => {
      const from_ms = completeFrom(info);
      return [
        info.name,
        {
          ...(info.share === undefined ? {} : { share: info.share }),
          ...(from_ms === NEVER_MS ? {} : { complete_from_ms: from_ms === ALL_TIME_MS ? null : from_ms }),
        },
      ];
    }),
  );
}
