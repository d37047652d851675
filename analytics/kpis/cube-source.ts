import {
  type CellVisitor,
  type CubeInfo,
  type CubeViews,
  completeFrom,
  estimateCells,
  readCardinality,
  SlotReader,
  scanCells,
} from '../../operators/index.ts';
import type { KpiCube, KpiSources } from './sources.ts';

/** Cells of a block, about: for estimates. */
const CELLS_A_BLOCK = 100;

/** The cubes of a snapshot as a source of KPI queries of one tenant. `infos` is kept by who asks often. */
export function cubeSource(
  views: CubeViews,
  scope: string,
  infos: SlotReader<CubeInfo> = new SlotReader(),
): Pick<KpiSources, 'cubes' | 'estimateCells' | 'scanCells'> {
  return {
    cubes: (start_ms, end_ms, isOfUse) =>
      infos
        .read(views.definitions)
        .filter((info) => !info.isDropped && (info.scope ?? scope) === scope && isOfUse(info))
        .map((info): KpiCube => {
          const days = readCardinality(views.days, { cube: info.id, scope, start_ms, end_ms });
          return {
            info,
            name: info.dimensions.join('+') || 'total',
            from_ms: completeFrom(info),
            ...(info.share === undefined ? {} : { share: info.share }),
            full_days: Array.from(days).flatMap(({ day_ms, refused }) => (refused > 0 ? [day_ms] : [])),
          };
        }),
    estimateCells: ({ info }, start_ms, end_ms) =>
      estimateCells(views.cells, { scope, cube: info, start_ms, end_ms }).blocks * CELLS_A_BLOCK,
    scanCells: ({ info }, start_ms, end_ms, visit: CellVisitor) => {
      scanCells(views.cells, { scope, cube: info, start_ms, end_ms }, visit);
    },
  };
}
