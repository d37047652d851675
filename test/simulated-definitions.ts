import { CUBE_KIND, FUNNEL_DEFINITION, ROW_DIMENSIONS } from '../analytics/index.ts';
import type { SeededRandom, SimulatedDefinition } from '../engine/index.ts';
import { TENANTS } from './simulated-orders.ts';

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
export function simulatedDefinitions(random: SeededRandom, length: number): readonly SimulatedDefinition[] {
  return Array.from({ length }, () => {
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
