import { createHash } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { codeOf, orderEvent, PATIENTLY } from '../../fixture-api.ts';
import {
  at,
  DATASET,
  DAYS,
  ended,
  fill,
  type Json,
  jsonOf,
  noise,
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

describe('models', () => {
  it('are trained by a job, and forecast each group from the day that is not complete', async () => {
    await fill();
    const id = await trained({}, { name: 'orders' });
    const model = await jsonOf(at.test.send(`/models/${id}`, { key: at.admin }));
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

  it('give equal predictions after a restart, and are gone when deleted', async () => {
    await fill();
    const id = await trained();
    const before = await (await predict(id)).text();
    at.test = await at.test.restart();
    expect(await (await predict(id)).text()).toBe(before);
    const list = await jsonOf(at.test.send('/models', { key: at.admin }));
    expect(list).toMatchObject({ models: [{ id, status: 'ready' }] });
    expect((await at.test.send(`/models/${id}`, { key: at.admin, method: 'DELETE' })).status).toBe(204);
    expect(await codeOf(await predict(id))).toBe('not_found');
  });

  it('whose training a restart cuts off are trained anew, as one model', async () => {
    await fill();
    at.test.stateReady = false;
    const response = await train();
    // Without a state nothing is planned: the job is made as soon as there is one.
    expect(response.status).toBe(503);
    at.test.stateReady = true;
    const { job_id } = await jsonOf(train());
    at.test = await at.test.restart();
    expect(await ended(job_id)).toMatchObject({ status: 'succeeded' });
    const { models } = await jsonOf(at.test.send('/models', { key: at.admin }));
    expect(models).toMatchObject([{ job_id, status: 'ready' }]);
  });

  it('say what is missing: too little history, nothing in the range, other types, a mix of currencies', async () => {
    await fill();
    const short = await ended((await jsonOf(train({ start: timeOf(DAYS - 3) }))).job_id);
    expect(short).toMatchObject({ status: 'failed', error: { code: 'not_enough_data' } });
    expect(JSON.stringify(short.error)).toContain('3 complete steps');
    const { models } = (await jsonOf(at.test.send('/models', { key: at.admin }))) as { models: Json[] };
    expect(models).toMatchObject([{ status: 'failed' }]);
    expect(await codeOf(await predict(String(models[0]?.id)))).toBe('wrong_state');
    expect(await codeOf(await train({ metric: 'nothing' }))).toBe('validation_failed');
    const key = await at.test.key('ingest');
    const json = [orderEvent('eur', { currency: 'EUR', time: timeOf(DAYS, 2) })];
    await at.test.send('/ingest', { key, json });
    await at.test.apply();
    // Currencies are never added: each is a group of its own.
    const id = await trained({ metric: 'revenue', group_by: [] });
    const { groups } = (await jsonOf(at.test.send(`/models/${id}`, { key: at.admin }))) as { groups: Json[] };
    expect(groups.map(({ key: of }) => of)).toEqual([{ currency: 'GBP' }, { currency: 'EUR' }]);
  });

  it('have versions, one of which answers for the name', async () => {
    await fill();
    const first = await trained({}, { name: 'orders' });
    const second = await trained({ end: timeOf(DAYS - 6) }, { name: 'orders' });
    const of = async (name: string): Promise<unknown> => (await jsonOf(predict(name))).model_id;
    expect(await of('orders')).toBe(first);
    expect(await jsonOf(at.test.send('/models/orders', { key: at.admin }))).toMatchObject({
      id: first,
      version: 1,
    });
    expect(await jsonOf(at.test.send(`/models/${second}`, { key: at.admin }))).toMatchObject({
      ...{ name: 'orders', version: 2, promoted: false },
    });
    const promoted = await at.test.send(`/models/${second}/promote`, { key: at.admin, method: 'POST' });
    expect(await promoted.json()).toMatchObject({ id: second, promoted: true });
    expect(await of('orders')).toBe(second);
    expect(await of(first)).toBe(first);
    const gone = (id: string): Promise<Response> =>
      at.test.send(`/models/${id}`, { key: at.admin, method: 'DELETE' });
    expect(await codeOf(await gone(second))).toBe('wrong_state');
    expect((await gone(first)).status).toBe(204);
    expect((await gone(second)).status).toBe(204);
    expect(await codeOf(await predict('orders'))).toBe('not_found');
  });

  it('are trained anew by a schedule, on a range that moves, and take over unless they are worse', async () => {
    await fill();
    const retrain = { schedule: '0 3 * * *', promote: 'if_better' };
    const first = await trained({ end: timeOf(DAYS) }, { name: 'orders', retrain });
    at.test.clock.advance(24 * 3_600_000);
    await vi.waitFor(async () => {
      const model = await jsonOf(at.test.send('/models/orders', { key: at.admin }));
      expect(model).toMatchObject({ version: 2, promoted: true, status: 'ready' });
      expect(model.id).not.toBe(first);
      // As long a range, up to the time that it was due at.
      expect((model.dataset as Json).end).toBe('2025-09-02T03:00:00.000Z');
    }, PATIENTLY);
    const { models } = (await jsonOf(at.test.send('/models', { key: at.admin }))) as { models: Json[] };
    expect(models.map(({ version }) => version)).toEqual([1, 2]);
  });

  it('say how they do since they were trained, and what they do not beat', async () => {
    await fill();
    await send(noise());
    // Trained on the first ten weeks, of which the last two are as the others: no drift.
    const calm = await trained({ end: timeOf(DAYS - 14) }, { params: { method: 'auto', horizon: 14 } });
    const drift = async (id: string): Promise<Json> =>
      (await jsonOf(at.test.send(`/models/${id}`, { key: at.admin }))).drift as Json;
    expect(await drift(calm)).toMatchObject({ compared: 28, is_drifting: false });
    const naive = await trained({ end: timeOf(DAYS - 14) }, { params: { method: 'naive', horizon: 14 } });
    const { warnings, score } = await jsonOf(at.test.send(`/models/${naive}`, { key: at.admin }));
    expect(score).toMatchObject({ measure: 'mase', beats_baseline: false });
    expect(String(warnings)).toContain('does not beat its baseline');
    // Ten times as many orders in the last week.
    const many = Array.from({ length: 10 }, (_, day) =>
      Array.from({ length: 30 }, (__, at) =>
        orderEvent(`more-${day}-${at}`, { time: timeOf(DAYS - 14 + day, 3) }),
      ),
    ).flat();
    await send(many);
    at.test.clock.advance(3_600_000);
    const healthOf = async (): Promise<Json> =>
      (await jsonOf(at.test.send('/health', { key: at.admin }))).subsystems as Json;
    expect((await healthOf()).models).toEqual({ status: 'ok' });
    expect(await drift(calm)).toMatchObject({ is_drifting: true });
    expect((await healthOf()).models).toMatchObject({ status: 'degraded', code: 'models_drifting' });
    expect((await at.test.send('/health', { key: at.admin })).status).toBe(200);
    const { models } = (await jsonOf(at.test.send('/models', { key: at.admin }))) as { models: Json[] };
    const seen = new Map(models.map(({ id, is_drifting }) => [id, is_drifting]));
    expect([seen.get(calm), seen.get(naive)]).toEqual([true, false]);
    const metrics = await (
      await at.test.send('/metrics', { key: await at.test.key('admin', { tenants: '*' }) })
    ).text();
    expect(metrics).toMatch(/millrace_models_drifting(\{[^}]*\})? 1/);
  });

  it('see that demand has ended: of a group, and of all', async () => {
    await fill();
    const dataset = { start: timeOf(0), end: timeOf(DAYS - 14) };
    const body = { params: { method: 'auto', horizon: 14 } };
    const driftOf = async (id: string): Promise<Json> =>
      (await jsonOf(at.test.send(`/models/${id}`, { key: at.admin }))).drift as Json;
    await send(noise());
    const days = Array.from({ length: 15 }, (_, day) => DAYS - 14 + day);
    const takeBack = async (country: string, ...others: string[]): Promise<void> => {
      const ids = days.map((day) => [0, 1, 2, 3, 4, 5].map((at) => `${country.toLowerCase()}-${day}-${at}`));
      const noises = days.map((day) => [0, 1, 2].map((at) => `noise-${country}-${day}-${at}`));
      const events = [ids.flat(), [...noises.flat(), ...others]].map((retracts, at) => ({
        ...{ event_id: `back-${country}-${at}`, type: 'event.retracted', time: timeOf(DAYS), retracts },
      }));
      await send(events);
      at.test.clock.advance(3_600_000);
    };
    const [by_country, whole] = [
      await trained(dataset, body),
      await trained({ ...dataset, group_by: [] }, body),
    ];
    expect(await driftOf(by_country)).toMatchObject({ compared: 28, is_drifting: false });
    // From then on there are no orders of a country, and then none at all.
    await takeBack('FR');
    expect(await driftOf(by_country)).toMatchObject({ compared: 28, is_drifting: true });
    await takeBack('GB', 'last');
    expect(await driftOf(by_country)).toMatchObject({ compared: 28, is_drifting: true });
    expect(await driftOf(whole)).toMatchObject({ compared: 14, is_drifting: true });
  });

  it('whose content is gone or changed say so', async () => {
    await fill();
    const id = await trained();
    await at.test.ports.models.put(`default/${id}.json`, Buffer.from('{}'));
    at.test = await at.test.restart();
    expect(await codeOf(await predict(id))).toBe('object_damaged');
    await at.test.ports.models.delete(`default/${id}.json`);
    expect(await codeOf(await predict(id))).toBe('object_damaged');
  });

  it('that an older version has stored in another form say so, and how to train them again', async () => {
    await fill();
    const id = await trained();
    // As that version has written and signed it.
    const old = Buffer.from(JSON.stringify({ kind: 'forecast', points: [] }));
    await at.test.ports.models.put(`default/${id}.json`, old);
    const key = (await at.test.definitions.list()).find(({ value }) =>
      JSON.stringify(value).includes(`default/${id}.json`),
    );
    const text = JSON.stringify(key?.value).replace(
      /"sha256":"[0-9a-f]{64}"/,
      `"sha256":"${createHash('sha256').update(old).digest('hex')}"`,
    );
    await at.test.definitions.update(key?.key ?? '', JSON.parse(text), key?.revision ?? 0);
    at.test = await at.test.restart();
    const answer = await predict(id);
    expect([answer.status, await codeOf(answer)]).toEqual([409, 'model_outdated']);
    const shown = await at.test.send(`/models/${id}`, { key: at.admin });
    expect([shown.status, await shown.json()]).toMatchObject([
      200,
      {
        ...{ id, type: 'demand_forecast', groups: [] },
        warnings: expect.arrayContaining([expect.stringContaining('POST /models/train')]),
      },
    ]);
  });

  it('say what training would read, and train nothing', async () => {
    await fill();
    const json = { type: 'demand_forecast', dataset: DATASET, params: { horizon: 14 } };
    const planned = await at.test.send('/models/train?dry_run=true', { key: at.admin, json });
    expect(planned.status).toBe(200);
    const { dry_run, plan } = (await planned.json()) as { plan: Record<string, number> } & Json;
    expect(dry_run).toBe(true);
    expect(plan).toMatchObject({ queries: 2 });
    for (const member of ['rows', 'bytes', 'cost_ms']) expect(plan[member]).toBeGreaterThanOrEqual(0);
    const churn = { type: 'churn', dataset: { start: timeOf(0), end: timeOf(DAYS) } };
    const other = await jsonOf(at.test.send('/models/train?dry_run=true', { key: at.admin, json: churn }));
    expect(other).toMatchObject({ dry_run: true, plan: { rows: expect.any(Number), queries: 1 } });
    expect(await jsonOf(at.test.send('/models', { key: at.admin }))).toMatchObject({ models: [] });
    expect(await jsonOf(at.test.send('/jobs?type=model_training', { key: at.admin }))).toMatchObject({
      jobs: [],
    });
  });

  it('are trained by analysts and read by viewers', async () => {
    await fill();
    const viewer = await at.test.key('viewer');
    const json = { type: 'demand_forecast', dataset: DATASET };
    expect(await codeOf(await at.test.send('/models/train', { key: viewer, json }))).toBe('role_forbidden');
    const id = await trained();
    expect((await at.test.send(`/models/${id}/predict`, { key: viewer, json: {} })).status).toBe(200);
  });
});
