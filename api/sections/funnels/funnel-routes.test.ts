import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { codeOf, orderEvent, PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';

let test: TestApi;
let key: string;

const STEPS = {
  steps: [{ event: 'visit' }, { event: 'add_to_cart' }, { event: 'order.created' }],
  window: '1h',
};
const RANGE = { start: '2025-08-01T00:00:00Z', end: '2025-08-01T23:59:59Z' };
const at = (minutes: number): string => new Date(Date.UTC(2025, 7, 1) + minutes * 60_000).toISOString();

let events = 0;
const event = (type: string, customer_id: string, minutes: number, channel = 'web') => ({
  ...{ event_id: `f${events++}`, type, time: at(minutes), customer_id, channel },
});

beforeEach(async () => {
  test = await startTestApi();
  key = await test.key('analyst');
  const json = [
    event('visit', 'all', 0),
    event('add_to_cart', 'all', 10),
    orderEvent('e1', { order_id: 'o1', customer_id: 'all', time: at(20), channel: 'web' }),
    event('visit', 'cart', 0, 'app'),
    event('add_to_cart', 'cart', 30),
    event('visit', 'visitor', 5),
    event('visit', 'fresh', 1_000),
    event('visit', 'other', 5_000),
    event('page.viewed', 'clock', 1_010),
  ];
  await send(json);
});
afterEach(() => test.close());

async function send(json: unknown): Promise<void> {
  const writer = await test.key('ingest');
  expect((await test.send('/ingest', { key: writer, json })).status).toBe(202);
  await test.apply();
}

async function ask(path: string, json: unknown): Promise<Record<string, unknown>> {
  const response = await test.send(path, { key, json });
  expect(response.status).toBe(200);
  return (await response.json()) as Record<string, unknown>;
}

describe('funnels', () => {
  it('are asked ad hoc, and stored, with the same numbers', async () => {
    const adhoc = await ask('/funnels/adhoc', { ...STEPS, ...RANGE });
    expect(adhoc).toMatchObject({
      ...{ entered: 4, converted: 1, in_progress: 0, dropped: 3, conversion: 25 },
      steps: [
        { name: 'visit', count: 4, conversion_from_first: 100 },
        { name: 'add_to_cart', count: 2, conversion_from_prev: 50, conversion_from_first: 50 },
        { name: 'order.created', count: 1, conversion_from_prev: 50, conversion_from_first: 25 },
      ],
      dropoffs: [
        { from: 'visit', to: 'add_to_cart', count: 2 },
        { from: 'add_to_cart', to: 'order.created', count: 1 },
      ],
      time_to_convert_histogram: { p50: 1_200, p90: 1_200, p99: 1_200 },
      meta: { source: 'scan', granularity: 'total', approximate: [] },
    });
    const made = await test.send('/funnels/define', { key, json: { name: 'shop', ...STEPS } });
    expect(made.status).toBe(201);
    const { id } = (await made.json()) as { id: string };
    expect(id).toMatch(/^funnel_/);
    const stored = await ask(`/funnels/${id}/query`, RANGE);
    expect(stored).toMatchObject({ funnel_id: id, name: 'shop', steps: adhoc.steps });
    const groups = await ask(`/funnels/${id}/query`, { ...RANGE, group_by: ['channel'], limit: 1 });
    expect(groups).toMatchObject({
      groups: [
        { key: { channel: 'web' }, entered: 3 },
        { key: { channel: '__other__' }, entered: 1 },
      ],
    });
    const patched = await test.send(`/funnels/${id}`, { method: 'PATCH', key, json: { window: '5m' } });
    expect(patched.status).toBe(200);
    expect(await ask(`/funnels/${id}/query`, RANGE)).toMatchObject({ converted: 0 });
    const gone = await test.send(`/funnels/${id}`, { method: 'DELETE', key });
    expect(gone.status).toBe(204);
    expect(await codeOf(await test.send(`/funnels/${id}/query`, { key, json: RANGE }))).toBe('not_found');
  });

  it('are answered from what the pipeline keeps of them, with the numbers of a scan', async () => {
    const made = await test.send('/funnels', { key, json: { name: 'kept', ...STEPS } });
    const { id, state } = (await made.json()) as { id: string; state: object };
    expect(state).toEqual({ status: 'pending' });
    const query = { ...RANGE, granularity: '1d', explain: true };
    const scanned = await ask(`/funnels/${id}/query`, query);
    expect(scanned).toMatchObject({
      meta: { source: 'scan' },
      explain: { source: 'scan', not_incremental: 'the pipeline has not taken this funnel' },
    });
    const untilTaken = () =>
      vi.waitFor(async () => {
        await test.apply();
        const shown = await (await test.send(`/funnels/${id}`, { key })).json();
        expect(shown).toMatchObject({ state: { status: 'complete', complete_from: null } });
      }, PATIENTLY);
    await untilTaken();
    const numbers = ({ entered, converted, steps, dropoffs, trend, ...times }: Record<string, unknown>) => {
      const { time_to_convert_histogram, time_between_steps } = times;
      return { entered, converted, steps, dropoffs, trend, time_to_convert_histogram, time_between_steps };
    };
    const kept = await ask(`/funnels/${id}/query`, query);
    expect(kept).toMatchObject({
      meta: { source: 'incremental' },
      explain: { source: 'incremental', entity: 'customer_id', definition_hash: expect.any(String) },
    });
    expect(numbers(kept)).toEqual(numbers(scanned));
    await send([event('add_to_cart', 'visitor', 8), event('visit', 'late', 2)]);
    const later = await ask(`/funnels/${id}/query`, query);
    expect(later).toMatchObject({
      entered: 5,
      steps: [{}, { count: 3 }, {}],
      meta: { source: 'incremental' },
    });
    expect(numbers(later)).toEqual(numbers(await ask('/funnels/adhoc', { ...STEPS, ...query })));
    for (const asked of [{ group_by: ['channel'] }, { filters: { channel: 'web' } }, { as_of: {} }])
      expect(await ask(`/funnels/${id}/query`, { ...RANGE, ...asked })).toMatchObject({
        meta: { source: 'scan' },
      });
    // Another window is another question to the same events.
    const patched = await test.send(`/funnels/${id}`, { method: 'PATCH', key, json: { window: '5m' } });
    expect(patched.status).toBe(200);
    const shorter = await ask(`/funnels/${id}/query`, RANGE);
    expect(shorter).toMatchObject({ converted: 0, entered: 5, meta: { source: 'incremental' } });
    const plan = await ask(`/funnels/${id}/query`, { ...RANGE, dry_run: true });
    expect(plan).toMatchObject({ plan: { source: 'incremental', rows: 0, runs: 'inline' } });
    // Other events are built anew, and scanned until then.
    const steps = [{ event: 'visit', filters: { channel: 'app' } }, { event: 'add_to_cart' }];
    expect((await test.send(`/funnels/${id}`, { method: 'PATCH', key, json: { steps } })).status).toBe(200);
    expect(await ask(`/funnels/${id}/query`, RANGE)).toMatchObject({
      ...{ entered: 1, meta: { source: 'scan' } },
    });
    await untilTaken();
    test = await test.restart();
    expect(await ask(`/funnels/${id}/query`, RANGE)).toMatchObject({
      ...{ entered: 1, meta: { source: 'incremental' } },
    });
  });

  it('name the entities behind each number, in pages of one state', async () => {
    const made = await test.send('/funnels', { key, json: { name: 'shop', ...STEPS } });
    const { id } = (await made.json()) as { id: string };
    const idsOf = async (params: string) => {
      const response = await test.send(`/funnels/${id}/entities?${params}`, { key });
      expect(response.status).toBe(200);
      const { entities, total, next_cursor } = (await response.json()) as {
        entities: { id: string; status: string; step: number }[];
        total: number;
        next_cursor: string | null;
      };
      return { ids: entities.map((each) => each.id).sort(), total, next_cursor };
    };
    const range = new URLSearchParams(RANGE).toString();
    expect((await idsOf(`step=2&${range}`)).ids).toEqual(['all', 'cart']);
    expect((await idsOf(`step=1&status=dropped&${range}`)).ids).toEqual(['fresh', 'visitor']);
    expect((await idsOf(`status=converted&${range}`)).ids).toEqual(['all']);
    expect((await idsOf('step=1')).ids).toEqual(['all', 'cart', 'fresh', 'other', 'visitor']);
    expect((await idsOf('step=1&status=in_progress')).ids).toEqual(['other']);
    expect((await idsOf(`step=1&group_by=channel&group=app&${range}`)).ids).toEqual(['cart']);
    const first = await idsOf(`step=1&limit=3&${range}`);
    await send([event('visit', 'later', 7)]);
    const second = await idsOf(`step=1&limit=3&cursor=${first.next_cursor}&${range}`);
    expect([...first.ids, ...second.ids].sort()).toEqual(['all', 'cart', 'fresh', 'visitor']);
    expect([first.total, second.total, second.next_cursor]).toEqual([4, 4, null]);
    const refused = await test.send(`/funnels/${id}/entities?step=4`, { key });
    expect(await codeOf(refused)).toBe('validation_failed');
    const mismatch = await test.send(`/funnels/${id}/entities?step=2&cursor=${first.next_cursor}`, { key });
    expect(await codeOf(mismatch)).toBe('cursor_mismatch');
  });

  it('say which way their numbers are found', async () => {
    const { explain } = await ask('/funnels/adhoc', { ...STEPS, ...RANGE, explain: true });
    expect(explain).toMatchObject({ source: 'scan', way: 'labels' });
    const plan = await ask('/funnels/adhoc', { ...STEPS, ...RANGE, group_by: ['country'], dry_run: true });
    expect(plan).toMatchObject({ dry_run: true, plan: { way: 'rows', why: 'group_by' } });
  });

  it('are answered for every example of their documentation, in the documented form', async () => {
    const made = await test.send('/funnels', { key, json: { name: 'stored', ...STEPS } });
    const { id } = (await made.json()) as { id: string };
    const routes = test.api.routes.filter(({ tag, method }) => tag === 'Funnels' && method !== 'DELETE');
    expect(routes).toHaveLength(8);
    for (const { path, method, body_examples, answers } of routes) {
      const bodies = method === 'GET' ? [undefined] : Object.values(body_examples ?? {});
      for (const [at, example] of bodies.entries()) {
        const named = example?.value as object | undefined;
        // A name is given once.
        const json = named !== undefined && 'name' in named ? { ...named, name: `${path} ${at}` } : named;
        const init = json === undefined ? { key } : { method, key, json };
        const response = await test.send(path.replace('{id}', id), init);
        expect([200, 201], `${method} ${path}`).toContain(response.status);
        const schema = answers[response.status as 200]?.schema;
        expect(schema?.safeParse(await response.json()).error, `${method} ${path}`).toBeUndefined();
        const documented = answers[200]?.example;
        if (documented !== undefined && path.includes('adhoc'))
          expect(schema?.safeParse(documented).error).toBeUndefined();
      }
    }
  });

  it('that say nothing are refused', async () => {
    const bad = { ...STEPS, ...RANGE, attribution: 'step_9', group_by: ['channel'] };
    expect(await codeOf(await test.send('/funnels/adhoc', { key, json: bad }))).toBe('validation_failed');
    const one = { name: 'x', steps: [{ event: 'visit' }] };
    expect(await codeOf(await test.send('/funnels', { key, json: one }))).toBe('validation_failed');
    const many = { ...STEPS, ...RANGE, start: '2000-01-01T00:00:00Z', granularity: '1m' };
    expect(await codeOf(await test.send('/funnels/adhoc', { key, json: many }))).toBe('too_many_points');
  });
});
