import { describe, expect, it } from 'vitest';
import { codeOf, orderEvent } from '../../fixture-api.ts';
import {
  at,
  DAYS,
  ended,
  type Group,
  type Json,
  jsonOf,
  type Prediction,
  predict,
  requireSums,
  send,
  timeOf,
  train,
  trained,
  useModels,
  WEEK,
} from './fixture-models.ts';

useModels();

describe('forecasts as models', () => {
  it('agree with their total where a group has too little history, or orders are in several groups', async () => {
    const items = (at: number): Json[] => [
      { sku: 'a', quantity: 1, unit_price: 600 },
      ...(at % 2 === 0 ? [{ sku: 'b', quantity: 1, unit_price: 400 }] : []),
    ];
    const days = Array.from({ length: 42 }, (_, day) =>
      Array.from({ length: WEEK[day % 7] as number }, (__, at) =>
        orderEvent(`i-${day}-${at}`, {
          time: timeOf(day, 8),
          amount: at % 2 === 0 ? 1_000 : 600,
          items: items(at),
        }),
      ),
    ).flat();
    const late = [40, 41].map((day) =>
      orderEvent(`es-${day}`, { time: timeOf(day, 9), country: 'ES', amount: 500 }),
    );
    await send([...days, ...late, orderEvent('end', { time: timeOf(42, 1) })]);
    const dataset = { start: timeOf(0), end: timeOf(42) };
    const by_country = (await jsonOf(predict(await trained(dataset)))) as unknown as Prediction;
    requireSums(by_country);
    expect(by_country.groups.map(({ key, is_rest }) => [key.country, is_rest])).toEqual([
      ['GB', undefined],
      [undefined, true],
    ]);
    const by_sku = await trained({ ...dataset, group_by: ['sku'] });
    expect(await jsonOf(predict(by_sku))).toMatchObject({ totals: [] });
    const { warnings } = await jsonOf(at.test.send(`/models/${by_sku}`, { key: at.admin }));
    expect(String(warnings)).toContain('no parts of a whole');
  });

  it('learn what holidays, spend and sold-out days did, and say what they take for granted', async () => {
    const dayOf = (day: number): string => timeOf(day).slice(0, 10);
    const [holidays, promoted] = [
      [10, 31, 52, 73],
      [16, 24, 38, 45, 60, 66],
    ];
    const soldOut = [56, 57, 58];
    const events = Array.from({ length: DAYS }, (_, day) => {
      const usual = 4 + 2 * (WEEK[day % 7] as number) + ((day * 37) % 3);
      const factor = holidays.includes(day) ? 2 : promoted.includes(day) ? 1.5 : 1;
      const count = soldOut.includes(day) ? 0 : Math.round(factor * usual);
      return Array.from({ length: count }, (__, at) =>
        orderEvent(`r-${day}-${at}`, { time: timeOf(day, 8) }),
      );
    }).flat();
    const spend = promoted.map((day) => ({
      ...{ event_id: `s-${day}`, type: 'campaign.spend', time: timeOf(day, 1) },
      ...{ campaign: 'c', channel: 'ads', currency: 'GBP', amount: 5_000 },
    }));
    await send([...events, ...spend, orderEvent('end', { time: timeOf(DAYS, 1) })]);
    const regressors = {
      holidays: [{ name: 'fair', days: [...holidays, DAYS + 3].map(dayOf) }],
      spend: { channels: ['ads'], planned: [{ day: dayOf(DAYS + 5), amount: 5_000 }] },
      stock_outs: [{ first_day: dayOf(56), last_day: dayOf(58) }],
    };
    const train_ = (more: Json): Promise<Response> =>
      train(
        { group_by: [], end: timeOf(DAYS) },
        { params: { method: 'theta', horizon: 7, regressors: more } },
      );
    const { job_id } = await jsonOf(train_(regressors));
    const { result } = await ended(job_id);
    const prediction = (await jsonOf(predict(String((result as Json).model_id)))) as unknown as Prediction;
    const [all] = prediction.groups;
    const effect = (name: string): number => all?.effects.find((one) => one.name === name)?.effect ?? 0;
    expect(Math.abs(effect('fair') - 2)).toBeLessThan(0.25);
    // Of ln(1 + spend ÷ the typical spend): 2 to the power of it is what 50 % more are.
    expect(Math.abs(effect('spend') ** Math.LN2 - 1.5)).toBeLessThan(0.25);
    const usual = (at: number): number => 5 + 2 * (WEEK[(DAYS + at) % 7] as number);
    for (const [at, factor] of [1, 1, 1, 2, 1, 1.5, 1].entries()) {
      expect(Math.abs((all?.points[at]?.mean ?? 0) / (factor * usual(at)) - 1)).toBeLessThan(0.2);
    }
    expect(prediction.assumptions.join(' ')).toContain('Spend is as planned');
    for (const [more, path] of [
      [
        { calendar: ['day_of_week', 'month_end'], holidays: [{ name: 'x', days: ['soon'] }] },
        'holidays.0.days.0',
      ],
      [{ stock_outs: [{ first_day: dayOf(5), last_day: dayOf(4) }] }, 'stock_outs.0.last_day'],
    ] as const) {
      const refused = await train_(more);
      expect(refused.status).toBe(422);
      expect(await refused.text()).toContain(`params.regressors.${path}`);
    }
    const months = train({ granularity: '1M' }, { params: { regressors: { calendar: ['month_end'] } } });
    expect(await codeOf(await months)).toBe('validation_failed');
  });

  it('count in the total what a sold-out group would have sold', async () => {
    const [first, end] = [70, DAYS];
    const [gb, fr] = [(day: number) => WEEK[day % 7] as number, () => 2];
    const events = Array.from({ length: DAYS }, (_, day) => [
      ...Array.from({ length: day < first ? gb(day) : 0 }, (__, at) =>
        orderEvent(`gb-${day}-${at}`, { time: timeOf(day, 8) }),
      ),
      ...Array.from({ length: fr() }, (__, at) =>
        orderEvent(`fr-${day}-${at}`, { time: timeOf(day, 9), country: 'FR' }),
      ),
    ]).flat();
    await send([...events, orderEvent('end', { time: timeOf(end, 1) })]);
    const dayOf = (day: number): string => timeOf(day).slice(0, 10);
    const out = (country: string): Json => ({
      ...{ key: { country }, first_day: dayOf(first), last_day: dayOf(end - 1) },
    });
    const params = { method: 'theta', horizon: 7, regressors: { stock_outs: [out('GB'), out('XX')] } };
    const id = await trained({ end: timeOf(end) }, { params });
    const prediction = (await jsonOf(predict(id))) as unknown as Prediction;
    requireSums(prediction);
    for (const [step, { mean }] of (prediction.totals[0]?.points ?? []).entries()) {
      expect(Math.abs(mean / (gb(end + step) + fr()) - 1)).toBeLessThan(0.2);
    }
    const { warnings } = await jsonOf(at.test.send(`/models/${id}`, { key: at.admin }));
    expect(warnings).toContain('No group has {"country":"XX"}: its stock-out changes nothing.');
    const refused = await train({ group_by: [], end: timeOf(end) }, { params });
    expect(refused.status).toBe(422);
    expect(await refused.text()).toContain('params.regressors.stock_outs.0.key.country');
  });

  it('say what they make of zeros, a constant, losses and a gap of months', async () => {
    // Two orders a day for five weeks, nothing for three months, and seven weeks again; much of it is sent back.
    const days = [
      ...Array.from({ length: 35 }, (_, day) => day - 90),
      ...Array.from({ length: 49 }, (_, day) => 35 + day),
    ];
    const refund = (day: number): Json => ({
      ...{ event_id: `back-${day}`, type: 'refund.issued', time: timeOf(day, 10), order_id: `e-${day}-0` },
      ...{ currency: 'GBP', amount: 2_500 + 10 * (day % 4), country: 'GB' },
    });
    const orders = days.flatMap((day) =>
      [0, 1].map((at) =>
        orderEvent(`e-${day}-${at}`, { time: timeOf(day, 8), amount: 1_000 + 10 * (day % 5) }),
      ),
    );
    await send([...orders, ...days.map(refund), orderEvent('end', { time: timeOf(84, 1) })]);
    const made = async (metric: string, from = -90): Promise<Group & Json> => {
      const dataset = { metric, group_by: [], start: timeOf(from), end: timeOf(84) };
      const id = await trained(dataset, { params: { method: 'auto', horizon: 7 } });
      const { groups } = (await jsonOf(predict(id))) as unknown as { groups: (Group & Json)[] };
      return groups[0] as Group & Json;
    };
    const constant = await made('orders_count', 35);
    expect(constant.points.map(({ mean, lower_95 }) => [mean, lower_95])).toEqual(
      constant.points.map(() => [2, 2]),
    );
    expect(String(constant.warnings)).toContain('constant');
    const zeros = await made('orders_cancelled', 35);
    expect(zeros.points.every(({ mean }) => mean === 0)).toBe(true);
    const losses = await made('revenue_net', 35);
    for (const { mean, lower_95 } of losses.points) {
      expect(mean).toBeLessThan(-400);
      expect(lower_95).toBeLessThanOrEqual(mean);
    }
    // What an order was worth is not known of days without any; that none came is.
    const worth = await made('aov');
    expect(String(worth.warnings)).toContain('The first 125 steps were left out');
    for (const { mean } of worth.points) expect(Math.abs(mean - 1_020)).toBeLessThan(25);
    const count = await made('orders_count');
    for (const { mean } of count.points) expect(Math.abs(mean - 2)).toBeLessThan(0.5);
    const nothing = await ended((await jsonOf(train({ filters: { country: ['XX'] } }))).job_id);
    expect(nothing).toMatchObject({ status: 'failed', error: { code: 'not_enough_data' } });
    expect(JSON.stringify(nothing.error)).toContain('no groups');
  });
});
