import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { codeOf, orderEvent, PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';

let test: TestApi;
let key: string;

beforeEach(async () => {
  test = await startTestApi({ CUSTOM_DIMENSIONS: 'team' });
  key = await test.key('analyst');
});
afterEach(() => test.close());

interface CubeView {
  readonly id: string;
  readonly dimensions: readonly string[];
  readonly granularity: string;
  readonly state: Readonly<Record<string, unknown>>;
}

const CUBE = { name: 'campaigns', dimensions: ['campaign', 'team'] };

async function ingest(from: number, to: number, by: string): Promise<void> {
  const events = Array.from({ length: to - from }, (_, at) => {
    const day = String(1 + ((from + at) % 28)).padStart(2, '0');
    const [campaign, team] = [`c${at % 3}`, `t${at % 2}`];
    return orderEvent(`${by.slice(3, 8)}-${from + at}`, { time: `2025-08-${day}T10:00:00Z`, campaign, team });
  });
  const response = await test.send('/ingest', { key: by, json: events });
  expect(response.status).toBe(202);
  await test.apply();
}

async function define(by: string, json: object): Promise<CubeView> {
  const response = await test.send('/cubes', { key: by, json });
  expect(response.status).toBe(201);
  return (await response.json()) as CubeView;
}

async function cubeOf(by: string, id: string): Promise<CubeView> {
  return (await (await test.send(`/cubes/${id}`, { key: by })).json()) as CubeView;
}

/** Lets the pipeline take what was defined. */
async function applied(by: string, id: string): Promise<CubeView> {
  return await vi.waitFor(async () => {
    await test.apply();
    const cube = await cubeOf(by, id);
    expect(cube.state.status).not.toBe('pending');
    return cube;
  }, PATIENTLY);
}

async function asked(by: string, group_by: readonly string[]) {
  const json = {
    ...{ metrics: ['orders_count', 'revenue'], granularity: '1d', group_by },
    ...{ start: '2025-08-01T00:00:00Z', end: '2025-08-29T00:00:00Z' },
  };
  const response = await test.send('/kpis/query', { key: by, json });
  expect(response.status).toBe(200);
  const { groups, meta } = (await response.json()) as { groups: unknown; meta: Record<string, unknown> };
  return { groups, source: meta.source, backfilling: meta.backfilling };
}

describe('cubes', () => {
  it('answer what scans answered, of events before and after them, until they are deleted', async () => {
    const ingester = await test.key('admin');
    await ingest(0, 60, ingester);
    const scanned = await asked(key, ['campaign']);
    expect(scanned.source).toBe('scan');
    const made = await define(key, CUBE);
    expect(made).toMatchObject({ ...CUBE, granularity: '1d', state: { status: 'pending' } });
    const cube = await applied(key, made.id);
    expect(cube.state).toEqual({ status: 'complete', complete_from: null });
    expect(await asked(key, ['campaign'])).toEqual({ ...scanned, source: 'rollup:campaign+team@1d' });
    await ingest(60, 90, ingester);
    const rolled = await asked(key, ['team', 'campaign']);
    expect(rolled.source).toBe('rollup:campaign+team@1d');
    const list = (await (await test.send('/cubes', { key })).json()) as { cubes: readonly CubeView[] };
    expect(list.cubes).toEqual([cube]);
    const deleted = await test.send(`/cubes/${made.id}`, { key, method: 'DELETE' });
    expect(deleted.status).toBe(204);
    await vi.waitFor(async () => {
      await test.apply();
      expect(await asked(key, ['team', 'campaign'])).toEqual({ ...rolled, source: 'scan' });
    }, PATIENTLY);
  });

  it('are of their tenant alone', async () => {
    const other = await test.key('admin', { tenant: 'other' });
    const ingester = await test.key('admin');
    await ingest(0, 30, ingester);
    await ingest(0, 15, other);
    const made = await define(key, CUBE);
    await applied(key, made.id);
    expect((await asked(key, ['campaign'])).source).toBe('rollup:campaign+team@1d');
    expect((await asked(other, ['campaign'])).source).toBe('scan');
    expect((await test.send(`/cubes/${made.id}`, { key: other })).status).toBe(404);
  });

  it('are refused where they cannot be, and viewers make none', async () => {
    for (const body of [
      { name: 'x', dimensions: ['campaign', 'region', 'team', 'country'] },
      { name: 'x', dimensions: ['nothing'] },
      { name: 'x', dimensions: ['campaign', 'campaign'] },
      { name: 'x', dimensions: [], granularity: '1w' },
    ]) {
      const response = await test.send('/cubes', { key, json: body });
      expect([response.status, await codeOf(response)]).toEqual([422, 'validation_failed']);
    }
    const viewer = await test.key('viewer');
    expect((await test.send('/cubes', { key: viewer, json: CUBE })).status).toBe(403);
    expect((await test.send('/cubes', { key: viewer })).status).toBe(200);
  });

  it('are there after a restart; a change builds another one', async () => {
    await ingest(0, 30, await test.key('admin'));
    const made = await define(key, CUBE);
    await applied(key, made.id);
    test = await test.restart();
    expect((await asked(key, ['campaign'])).source).toBe('rollup:campaign+team@1d');
    const patched = await test.send(`/cubes/${made.id}`, {
      ...{ key, method: 'PATCH', json: { dimensions: ['campaign'], granularity: '1h' } },
    });
    expect(patched.status).toBe(200);
    await vi.waitFor(async () => {
      await test.apply();
      expect((await asked(key, ['campaign'])).source).toBe('rollup:campaign@1h');
    }, PATIENTLY);
    expect((await asked(key, ['team'])).source).toBe('scan');
  });
});
