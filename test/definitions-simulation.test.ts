import { expect, it } from 'vitest';
import { CUBE_KIND, FUNNEL_DEFINITION, keptProgress, ROW_DIMENSIONS } from '../analytics/index.ts';
import {
  CONTROL_TABLE,
  listApplied,
  META_TABLE,
  readProgress,
  SeededRandom,
  type SimulatedDefinition,
} from '../engine/index.ts';
import { cubeViews, readCubeInfo } from '../operators/index.ts';
import { sizes } from './long.ts';
import { generate, TENANTS } from './simulated-orders.ts';
import { differences, type OrdersRun, runDisturbed, runStraight, TOTAL } from './simulated-runs.ts';

const SEEDS_PER_SET = 6;
const CHANGES = 30;
const IDS = ['a', 'b', 'c', 'd', 'e'];

const EVENTS = ['order.created', 'payment.succeeded', 'refund.issued', 'visit', 'shipment.created'] as const;

function funnelBody(random: SeededRandom): object {
  const dimension = random.pick(ROW_DIMENSIONS);
  const step = () => ({
    event: random.pick(EVENTS),
    ...(random.chance(0.2) ? { filters: { [dimension]: null } } : {}),
  });
  return {
    steps: Array.from({ length: random.int(2, 4) }, step),
    order: random.pick(['ordered', 'ordered', 'strict', 'any']),
    exclusions: random.chance(0.3) ? [{ event: random.pick(EVENTS) }] : [],
    hold_constant: random.chance(0.3) ? [random.chance(0.1) ? 'nothing' : dimension, 'order_id'] : [],
    entity: random.pick(['customer_id', 'session_id', 'order_id']),
  };
}

/** Cubes and funnels that are made, changed and deleted; some name a dimension that there is not. */
function changes(random: SeededRandom): readonly SimulatedDefinition[] {
  return Array.from({ length: CHANGES }, () => {
    const kind = random.pick([CUBE_KIND, FUNNEL_DEFINITION]);
    const named = { kind, scope: random.pick(TENANTS), id: random.pick(IDS) };
    if (random.chance(0.2)) return named;
    if (kind === FUNNEL_DEFINITION) return { ...named, body: funnelBody(random) };
    const dimensions = random.shuffled(ROW_DIMENSIONS).slice(0, random.int(0, 3));
    const granularity = random.pick(['1h', '1d']);
    return {
      ...named,
      body: { dimensions: random.chance(0.1) ? ['nothing'] : dimensions, granularity },
    };
  });
}

const cubesOf = ({ result }: OrdersRun) =>
  result.disk.reader().snapshot((table) => readCubeInfo(cubeViews(table, 'cubes').definitions));

it('a state whose definitions came at any moment is that of one which had them from the beginning', async () => {
  let crashes = 0;
  let straight: OrdersRun | undefined;
  for (let seed = 0; seed < sizes.definition_seeds; seed++) {
    const number = Math.floor(seed / SEEDS_PER_SET);
    const set = generate({ seed: 3_000 + number, orders: 5, ties: true });
    const definitions = changes(new SeededRandom(7_000 + number));
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
