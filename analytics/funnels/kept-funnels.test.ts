import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../engine/index.ts';
import { sizes } from '../../test/long.ts';
import { SHOP, ShopState } from '../fixture-shop.ts';
import { funnelShop, randomFunnel } from './fixture-brute-force.ts';
import { adhocFunnelSchemaOf, FUNNEL_DEFINITION, funnelDefinitionSchemaOf } from './index.ts';

const seed = Number(process.env.FUNNEL_SEED ?? 11);

/** A random funnel, as a definition and as what is asked of it. */
function randomStored(random: SeededRandom) {
  const { steps, window, order, entry, ties, exclusions, hold_constant, entity, ...asked } =
    randomFunnel(random);
  const body = { steps, window, order, entry, ties, exclusions, hold_constant, entity };
  return { body: funnelDefinitionSchemaOf().parse(body), asked: { ...asked, group_by: [] } };
}

type Stored = ReturnType<typeof randomStored>;

async function both(state: ShopState, id: string, { body, asked }: Stored) {
  const query = { ...adhocFunnelSchemaOf().parse({ ...body, ...asked }), explain: true };
  const stored = { ...query, funnel: { id, name: id, revision: 1 } };
  const kept = await state.askChecked(state.kinds.funnel, stored);
  const scan = await state.askChecked(state.kinds.funnel, query);
  const { funnel_id, name, ...numbers } = kept.body;
  return { kept, scan, numbers, funnel_id, name };
}

const define = (state: ShopState, id: string, { body }: Pick<Stored, 'body'>) =>
  state.driver.control.define(FUNNEL_DEFINITION, SHOP, id, body);

describe(`stored funnels (seed ${seed})`, () => {
  it('say from what is kept what a scan says, in every mode', async () => {
    const random = new SeededRandom(seed);
    const modes: Record<string, number> = {};
    let entered = 0;
    for (let shop = 0; shop < 3; shop++) {
      const events = funnelShop(seed * 100 + shop);
      const state = await ShopState.of(events.slice(0, 200), { commit_events: 37 });
      const funnels = Array.from({ length: Math.max(40, sizes.random_funnels / 3) }, (_, at) => ({
        id: `f${String(at).padStart(3, '0')}`,
        ...randomStored(random),
      }));
      // Some before the other events, some after them.
      for (const one of funnels.slice(0, 20)) define(state, one.id, one);
      await state.add(events.slice(200), 23);
      for (const one of funnels) define(state, one.id, one);
      for (let commit = 0; commit < 20; commit++) state.driver.commit();
      for (const one of funnels) {
        const { kept, scan, numbers, funnel_id } = await both(state, one.id, one);
        expect([one.id, kept.source, funnel_id]).toEqual([one.id, 'incremental', one.id]);
        expect(scan.source).toBe('scan');
        expect(numbers, JSON.stringify(one)).toEqual(scan.body);
        entered += Number(scan.body.entered);
        for (const mode of [one.body.order, one.body.entry, one.body.ties, one.body.entity])
          modes[mode] = (modes[mode] ?? 0) + 1;
      }
    }
    expect(entered).toBeGreaterThan(500);
    expect(Math.min(...Object.values(modes))).toBeGreaterThan(5);
  });
});
