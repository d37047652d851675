import { expect, it } from 'vitest';
import { CUBE_KIND, FUNNEL_DEFINITION, keptProgress } from '../analytics/index.ts';
import { CONTROL_TABLE, listApplied, META_TABLE, readProgress, SeededRandom } from '../engine/index.ts';
import { cubeViews, readCubeInfo } from '../operators/index.ts';
import { sizes } from './long.ts';
import { simulatedDefinitions } from './simulated-definitions.ts';
import { generate } from './simulated-orders.ts';
import { differences, type OrdersRun, runDisturbed, runStraight, TOTAL } from './simulated-runs.ts';

const SEEDS_PER_SET = 6;
const CHANGES = 30;

const cubesOf = ({ result }: OrdersRun) =>
  result.disk.reader().snapshot((table) => readCubeInfo(cubeViews(table, 'cubes').definitions));

it('a state whose definitions came at any moment is that of one which had them from the beginning', async () => {
  let crashes = 0;
  let straight: OrdersRun | undefined;
  for (let seed = 0; seed < sizes.definition_seeds; seed++) {
    const number = Math.floor(seed / SEEDS_PER_SET);
    const set = generate({ seed: 3_000 + number, orders: 5, ties: true });
    const definitions = simulatedDefinitions(new SeededRandom(7_000 + number), CHANGES);
    if (seed % SEEDS_PER_SET === 0) straight = await runStraight(set, { cubes: [TOTAL] }, definitions);
    if (straight === undefined) throw new Error('a set has a straight run');
    const disturbed = await runDisturbed(set, seed, { cubes: [TOTAL] }, definitions);
    crashes += disturbed.result.crashes;
    expect(differences(straight, disturbed), `seed ${seed}`).toEqual([]);
    const live = cubesOf(disturbed).filter(({ isDropped, scope }) => !isDropped && scope !== undefined);
    disturbed.result.disk.reader().snapshot((table) => {
      expect(readProgress(table(META_TABLE))?.control?.bucket).toBe('SIMULATED');
      const applied = listApplied(table(CONTROL_TABLE));
      const taken = applied.filter(({ refusals }) => refusals.length === 0);
      expect(live).toHaveLength(taken.filter(({ kind }) => kind === CUBE_KIND).length);
      const funnels = [...keptProgress(table, 'funnels').values()];
      expect(funnels).toHaveLength(taken.filter(({ kind }) => kind === FUNNEL_DEFINITION).length);
      for (const funnel of funnels) expect(funnel).toEqual({ complete_from_ms: null });
      expect(applied.length).toBeGreaterThan(0);
    });
  }
  expect(crashes).toBeGreaterThan(sizes.definition_seeds);
});
