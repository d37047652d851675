import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { codeOf, orderEvent, PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';

type Json = Record<string, unknown>;

const DAY_MS = 86_400_000;
const FIRST_MS = Date.UTC(2025, 5, 2);
/** Orders of each day of a week. */
const WEEK = [2, 2, 3, 3, 5, 6, 4];
const DAYS = 84;

let test: TestApi;
let admin: string;
beforeEach(async () => {
  test = await startTestApi();
  admin = await test.key('admin');
});
afterEach(() => test.close());

const timeOf = (day: number, hour = 0): string =>
  new Date(FIRST_MS + day * DAY_MS + hour * 3_600_000).toISOString();

/** Twelve weeks of orders in GB, the same each week; half as many in FR. */
async function fill(): Promise<void> {
  const key = await test.key('ingest');
  const events = Array.from({ length: DAYS }, (_, day) =>
    Array.from({ length: WEEK[day % 7] as number }, (__, at) => [
      orderEvent(`gb-${day}-${at}`, { time: timeOf(day, 8), amount: 1_000 }),
      ...(at % 2 === 0
        ? [orderEvent(`fr-${day}-${at}`, { time: timeOf(day, 9), country: 'FR', amount: 500 })]
        : []),
    ]).flat(),
  ).flat();
  // A day that has begun: it is in the range, and not complete.
  events.push(orderEvent('last', { time: timeOf(DAYS, 1) }));
  for (let at = 0; at < events.length; at += 400) {
    const sent = await test.send('/ingest', { key, json: events.slice(at, at + 400) });
    expect(sent.status).toBe(202);
  }
  await test.apply();
}

async function send(events: readonly Json[]): Promise<void> {
  const key = await test.key('ingest');
  for (let at = 0; at < events.length; at += 400) {
    expect((await test.send('/ingest', { key, json: events.slice(at, at + 400) })).status).toBe(202);
  }
  await test.apply();
}

/** Up to two more orders a day in each country. */
const noise = (): Json[] =>
  Array.from({ length: DAYS }, (_, day) =>
    ['GB', 'FR'].flatMap((country, place) =>
      Array.from({ length: (day * 37 + 11 * place) % 3 }, (__, at) =>
        orderEvent(`noise-${country}-${day}-${at}`, { time: timeOf(day, 7), country }),
      ),
    ),
  ).flat();

const DATASET = {
  metric: 'orders_count',
  granularity: '1d',
  start: timeOf(0),
  end: timeOf(DAYS + 1),
  group_by: ['country'],
};

const train = (dataset: Json = {}, body: Json = {}): Promise<Response> =>
  test.send('/models/train', {
    key: admin,
    json: { type: 'demand_forecast', dataset: { ...DATASET, ...dataset }, params: { horizon: 14 }, ...body },
  });

const jsonOf = async (response: Response | Promise<Response>): Promise<Json> =>
  (await (await response).json()) as Json;

async function ended(job_id: unknown): Promise<Json> {
  return vi.waitFor(async () => {
    const job = await jsonOf(test.send(`/jobs/${String(job_id)}`, { key: admin }));
    expect(['succeeded', 'failed', 'cancelled']).toContain(job.status);
    return job;
  }, PATIENTLY);
}

async function trained(dataset: Json = {}, body: Json = {}): Promise<string> {
  const response = await train(dataset, body);
  expect(response.status).toBe(202);
  const job = await ended((await jsonOf(response)).job_id);
  expect(job).toMatchObject({ status: 'succeeded', lane: 'training' });
  return String((job.result as Json).model_id);
}

const predict = (id: string, json: Json = {}): Promise<Response> =>
  test.send(`/models/${id}/predict`, { key: admin, json });

interface Group {
  readonly key: Json;
  readonly is_rest?: boolean;
  readonly effects: readonly { readonly name: string; readonly effect: number; readonly is_known: boolean }[];
  readonly points: readonly { readonly time: string; readonly mean: number; readonly lower_95: number }[];
}
interface Prediction {
  readonly groups: readonly Group[];
  readonly totals: readonly Group[];
  readonly assumptions: readonly string[];
}

function requireSums({ groups, totals }: Prediction): void {
  const [total] = totals;
  expect(totals).toHaveLength(1);
  for (const [at, { mean }] of (total?.points ?? []).entries()) {
    const sum = groups.reduce((all, { points }) => all + (points[at]?.mean ?? 0), 0);
    expect(Math.abs(mean - sum)).toBeLessThanOrEqual(1e-9 * Math.abs(sum));
  }
}

describe('models', () => {
  it('are trained by a job, and forecast each group from the day that is not complete', async () => {
    await fill();
    const id = await trained({}, { name: 'orders' });
    const model = await jsonOf(test.send(`/models/${id}`, { key: admin }));
    expect(model).toMatchObject({
      ...{
        id,
        name: 'orders',
        version: 1,
        promoted: true,
        status: 'ready',
        type: 'demand_forecast',
        groups_left_out: 0,
      },
      params: { method: 'auto', horizon: 14, season: 7 },
      history: { first: '2025-06-02T00:00:00Z', last: '2025-08-24T00:00:00Z' },
      groups: [
        { key: { country: 'GB' }, steps: DAYS, back_test: { naive: {}, seasonal_naive: {} } },
        { key: { country: 'FR' }, steps: DAYS },
      ],
    });
    const prediction = (await jsonOf(predict(id))) as unknown as Prediction;
    const { groups } = prediction;
    requireSums(prediction);
    expect(model).toMatchObject({ totals: [{ key: {}, steps: DAYS, back_test: { naive: {} } }] });
    expect(groups.map(({ key }) => key.country)).toEqual(['GB', 'FR']);
    const points = groups[0]?.points ?? [];
    expect(points.map(({ time }) => time).slice(0, 2)).toEqual([
      '2025-08-25T00:00:00Z',
      '2025-08-26T00:00:00Z',
    ]);
    expect(points).toHaveLength(14);
    for (const [at, { mean }] of points.entries()) {
      expect(Math.abs(mean - (WEEK[at % 7] as number))).toBeLessThan(0.6);
    }
    const some = (await jsonOf(predict(id, { horizon: 3, key: { country: 'FR' } }))) as unknown as Prediction;
    expect(some.groups).toHaveLength(1);
    expect(some.groups[0]?.points).toHaveLength(3);
    expect(await codeOf(await predict(id, { horizon: 15 }))).toBe('validation_failed');
  });

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
    const { warnings } = await jsonOf(test.send(`/models/${by_sku}`, { key: admin }));
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

  it('give equal predictions after a restart, and are gone when deleted', async () => {
    await fill();
    const id = await trained();
    const before = await (await predict(id)).text();
    test = await test.restart();
    expect(await (await predict(id)).text()).toBe(before);
    const list = await jsonOf(test.send('/models', { key: admin }));
    expect(list).toMatchObject({ models: [{ id, status: 'ready' }] });
    expect((await test.send(`/models/${id}`, { key: admin, method: 'DELETE' })).status).toBe(204);
    expect(await codeOf(await predict(id))).toBe('not_found');
  });

  it('whose training a restart cuts off are trained anew, as one model', async () => {
    await fill();
    test.stateReady = false;
    const response = await train();
    // Without a state nothing is planned: the job is made as soon as there is one.
    expect(response.status).toBe(503);
    test.stateReady = true;
    const { job_id } = await jsonOf(train());
    test = await test.restart();
    expect(await ended(job_id)).toMatchObject({ status: 'succeeded' });
    const { models } = await jsonOf(test.send('/models', { key: admin }));
    expect(models).toMatchObject([{ job_id, status: 'ready' }]);
  });

  it('say what is missing: too little history, nothing in the range, other types, a mix of currencies', async () => {
    await fill();
    const short = await ended((await jsonOf(train({ start: timeOf(DAYS - 3) }))).job_id);
    expect(short).toMatchObject({ status: 'failed', error: { code: 'not_enough_data' } });
    expect(JSON.stringify(short.error)).toContain('3 complete steps');
    const { models } = (await jsonOf(test.send('/models', { key: admin }))) as { models: Json[] };
    expect(models).toMatchObject([{ status: 'failed' }]);
    expect(await codeOf(await predict(String(models[0]?.id)))).toBe('wrong_state');
    expect(await codeOf(await train({ metric: 'nothing' }))).toBe('validation_failed');
    const key = await test.key('ingest');
    const json = [orderEvent('eur', { currency: 'EUR', time: timeOf(DAYS, 2) })];
    await test.send('/ingest', { key, json });
    await test.apply();
    // Currencies are never added: each is a group of its own.
    const id = await trained({ metric: 'revenue', group_by: [] });
    const { groups } = (await jsonOf(test.send(`/models/${id}`, { key: admin }))) as { groups: Json[] };
    expect(groups.map(({ key: of }) => of)).toEqual([{ currency: 'GBP' }, { currency: 'EUR' }]);
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

  it('have versions, one of which answers for the name', async () => {
    await fill();
    const first = await trained({}, { name: 'orders' });
    const second = await trained({ end: timeOf(DAYS - 6) }, { name: 'orders' });
    const of = async (name: string): Promise<unknown> => (await jsonOf(predict(name))).model_id;
    expect(await of('orders')).toBe(first);
    expect(await jsonOf(test.send('/models/orders', { key: admin }))).toMatchObject({
      id: first,
      version: 1,
    });
    expect(await jsonOf(test.send(`/models/${second}`, { key: admin }))).toMatchObject({
      ...{ name: 'orders', version: 2, promoted: false },
    });
    const promoted = await test.send(`/models/${second}/promote`, { key: admin, method: 'POST' });
    expect(await promoted.json()).toMatchObject({ id: second, promoted: true });
    expect(await of('orders')).toBe(second);
    expect(await of(first)).toBe(first);
    const gone = (id: string): Promise<Response> =>
      test.send(`/models/${id}`, { key: admin, method: 'DELETE' });
    expect(await codeOf(await gone(second))).toBe('wrong_state');
    expect((await gone(first)).status).toBe(204);
    expect((await gone(second)).status).toBe(204);
    expect(await codeOf(await predict('orders'))).toBe('not_found');
  });

  it('are trained anew by a schedule, on a range that moves, and take over unless they are worse', async () => {
    await fill();
    const retrain = { schedule: '0 3 * * *', promote: 'if_better' };
    const first = await trained({ end: timeOf(DAYS) }, { name: 'orders', retrain });
    test.clock.advance(24 * 3_600_000);
    await vi.waitFor(async () => {
      const model = await jsonOf(test.send('/models/orders', { key: admin }));
      expect(model).toMatchObject({ version: 2, promoted: true, status: 'ready' });
      expect(model.id).not.toBe(first);
      // As long a range, up to the time that it was due at.
      expect((model.dataset as Json).end).toBe('2025-09-02T03:00:00.000Z');
    }, PATIENTLY);
    const { models } = (await jsonOf(test.send('/models', { key: admin }))) as { models: Json[] };
    expect(models.map(({ version }) => version)).toEqual([1, 2]);
  });

  it('say how they do since they were trained, and what they do not beat', async () => {
    await fill();
    await send(noise());
    // Trained on the first ten weeks, of which the last two are as the others: no drift.
    const calm = await trained({ end: timeOf(DAYS - 14) }, { params: { method: 'auto', horizon: 14 } });
    const drift = async (id: string): Promise<Json> =>
      (await jsonOf(test.send(`/models/${id}`, { key: admin }))).drift as Json;
    expect(await drift(calm)).toMatchObject({ compared: 28, is_drifting: false });
    const naive = await trained({ end: timeOf(DAYS - 14) }, { params: { method: 'naive', horizon: 14 } });
    const { warnings, score } = await jsonOf(test.send(`/models/${naive}`, { key: admin }));
    expect(score).toMatchObject({ measure: 'mase', beats_baseline: false });
    expect(String(warnings)).toContain('does not beat its baseline');
    // Ten times as many orders in the last week.
    const many = Array.from({ length: 10 }, (_, day) =>
      Array.from({ length: 30 }, (__, at) =>
        orderEvent(`more-${day}-${at}`, { time: timeOf(DAYS - 14 + day, 3) }),
      ),
    ).flat();
    await send(many);
    test.clock.advance(3_600_000);
    const healthOf = async (): Promise<Json> =>
      (await jsonOf(test.send('/health', { key: admin }))).subsystems as Json;
    expect((await healthOf()).models).toEqual({ status: 'ok' });
    expect(await drift(calm)).toMatchObject({ is_drifting: true });
    expect((await healthOf()).models).toMatchObject({ status: 'degraded', code: 'models_drifting' });
    expect((await test.send('/health', { key: admin })).status).toBe(200);
    const { models } = (await jsonOf(test.send('/models', { key: admin }))) as { models: Json[] };
    const seen = new Map(models.map(({ id, is_drifting }) => [id, is_drifting]));
    expect([seen.get(calm), seen.get(naive)]).toEqual([true, false]);
    const metrics = await (
      await test.send('/metrics', { key: await test.key('admin', { tenants: '*' }) })
    ).text();
    expect(metrics).toMatch(/millrace_models_drifting(\{[^}]*\})? 1/);
  });

  it('whose content is gone or changed say so', async () => {
    await fill();
    const id = await trained();
    await test.ports.models.put(`default/${id}.json`, Buffer.from('{}'));
    test = await test.restart();
    expect(await codeOf(await predict(id))).toBe('object_damaged');
    await test.ports.models.delete(`default/${id}.json`);
    expect(await codeOf(await predict(id))).toBe('object_damaged');
  });

  it('say what training would read, and train nothing', async () => {
    await fill();
    const json = { type: 'demand_forecast', dataset: DATASET, params: { horizon: 14 } };
    const planned = await test.send('/models/train?dry_run=true', { key: admin, json });
    expect(planned.status).toBe(200);
    const { dry_run, plan } = (await planned.json()) as { plan: Record<string, number> } & Json;
    expect(dry_run).toBe(true);
    expect(plan).toMatchObject({ queries: 2 });
    for (const member of ['rows', 'bytes', 'cost_ms']) expect(plan[member]).toBeGreaterThanOrEqual(0);
    const churn = { type: 'churn', dataset: { start: timeOf(0), end: timeOf(DAYS) } };
    const other = await jsonOf(test.send('/models/train?dry_run=true', { key: admin, json: churn }));
    expect(other).toMatchObject({ dry_run: true, plan: { rows: expect.any(Number), queries: 1 } });
    expect(await jsonOf(test.send('/models', { key: admin }))).toMatchObject({ models: [] });
    expect(await jsonOf(test.send('/jobs?type=model_training', { key: admin }))).toMatchObject({ jobs: [] });
  });

  it('are trained by analysts and read by viewers', async () => {
    await fill();
    const viewer = await test.key('viewer');
    const json = { type: 'demand_forecast', dataset: DATASET };
    expect(await codeOf(await test.send('/models/train', { key: viewer, json }))).toBe('role_forbidden');
    const id = await trained();
    expect((await test.send(`/models/${id}/predict`, { key: viewer, json: {} })).status).toBe(200);
  });
});
