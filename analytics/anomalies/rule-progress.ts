import type { KvView } from '../../engine/index.ts';
import { cubeViews, readCubeInfo, readRunProgress } from '../../operators/index.ts';

/** How far a rule is. */
export interface RuleProgress {
  /** The share of history that is read; absent: all of it. */
  readonly share?: number;
  /** End of the last window that was judged; absent: it has not begun. */
  readonly judged_until_ms?: number;
}

/** The rules at work in a state, by their `controlKey`. */
export function ruleProgress(
  table: (name: string) => KvView,
  operator: string,
): ReadonlyMap<string, RuleProgress> {
  const infos = readCubeInfo(cubeViews(table, operator).definitions).filter(({ isDropped }) => !isDropped);
  return new Map(
    infos.map(({ id, name, share }) => {
      const judged = readRunProgress(table(`${operator}/progress`), id)?.judged_until_ms;
      return [
        name,
        {
          ...(share === undefined ? {} : { share: Math.floor(share * 1_000) / 1_000 }),
          ...(judged === undefined ? {} : { judged_until_ms: judged }),
        },
      ];
    }),
  );
}
