import { afterAll, beforeAll, expect } from 'vitest';
import { connectNats, EventPublisher, type NatsLink } from '../connectors/index.ts';
import { itLong } from './it-long.ts';
import { startTestNats, type TestNats } from './nats.ts';
import { type HttpAnswer, type Millrace, until } from './process.ts';
import { Scratch } from './scratch.ts';

const PATIENTLY_MS = 120_000;
const TEST_MS = 300_000;
const ORDERS = 3_000;
const STORES = 3;
const RANGE = { start: '2025-03-01T00:00:00Z', end: '2025-04-01T00:00:00Z' };

const scratch = new Scratch();
let nats: TestNats;
let link: NatsLink;

beforeAll(async () => {
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'dimensions-test' });
});
afterAll(async () => {
  await link?.close();
  await scratch.clean();
  await nats?.stop();
});

const start = (dataDir: string): Promise<Millrace> =>
  scratch.start({ dataDir, env: { NATS_URL: nats.url, CUSTOM_DIMENSIONS: 'team' } });

async function publish(from: number, to: number): Promise<void> {
  const messages = Array.from({ length: to - from }, (_, offset) => {
    const index = from + offset;
    const event = {
      ...{
        event_id: `e${index}`,
        type: 'order.created',
        time: '2025-03-10T10:00:00Z',
        order_id: `o${index}`,
      },
      ...{ amount: 100, currency: 'EUR', team: `t${index % 2}` },
      data: { store: `s${index % STORES}`, delivery: { carrier: `s${index % STORES}` } },
    };
    const subject = `events.${index % 2 === 0 ? 'default' : 'other'}.x`;
    return { subject, payload: Buffer.from(JSON.stringify(event)) };
  });
  await new EventPublisher(link).publishAll(messages);
}

const ask = (service: Millrace, dimension: string, tenant = 'default'): Promise<HttpAnswer> =>
  service.request('POST', '/kpis/query', {
    tenant,
    body: {
      ...RANGE,
      metrics: ['orders_count'],
      group_by: [dimension],
      filters: { [dimension]: { not: null } },
    },
  });

function ordersIn({ json }: HttpAnswer): unknown {
  const groups = json.groups as readonly { readonly key: object; readonly totals: object }[];
  return groups.map(({ key, totals }) => [...Object.values(key), ...Object.values(totals)]).sort();
}

const define = (service: Millrace, name: string, tenant = 'default'): Promise<HttpAnswer> =>
  service.request('POST', '/dimensions', { tenant, body: { name, path: `data.${name}` } });

const ready = (service: Millrace, id: unknown, tenant = 'default'): Promise<unknown> =>
  until(
    async () => {
      const { json } = await service.request('GET', `/dimensions/${String(id)}`, { tenant });
      const { status } = json.state as { readonly status: string };
      expect(status).not.toBe('failed');
      return status === 'ready' ? true : undefined;
    },
    () => `the dimension is ready: ${service.output}`,
    PATIENTLY_MS,
  );

/** Of the even numbers below `count`: those of tenant `default`. */
function expected(count: number): unknown {
  const stores = Array.from({ length: STORES }, (_, store) => [`s${store}`, 0] as [string, number]);
  for (let index = 0; index < count; index += 2) (stores[index % STORES] as [string, number])[1]++;
  return stores;
}

/** The body that `/openapi.json` shows for `POST /dimensions`: only a process with a task answers it. */
async function exampleOf(service: Millrace): Promise<Readonly<Record<string, unknown>>> {
  const { url } = await service.listening;
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as {
    paths: Record<string, { post: { requestBody: { content: Record<string, { examples: object }> } } }>;
  };
  const { content } = document.paths['/v1/order-analytics/dimensions']?.post.requestBody ?? { content: {} };
  const [example] = Object.values(content['application/json']?.examples ?? {});
  return (example as { value: Readonly<Record<string, unknown>> }).value;
}

itLong(
  'a dimension defined while it runs is refused until it is built, through a kill, and is its tenant’s alone',
  async () => {
    const dataDir = await scratch.dir('dimensions');
    let service = await start(dataDir);
    await publish(0, ORDERS);
    await service.untilApplied();
    const unknown = await ask(service, 'store');
    expect([unknown.status, unknown.json.code]).toEqual([422, 'validation_failed']);

    const made = await define(service, 'store');
    expect([made.status, made.json.state]).toEqual([
      201,
      { status: 'building', backfilling: expect.any(Number) },
    ]);
    const refused = await ask(service, 'store');
    expect([refused.status, refused.json.code]).toEqual([409, 'dimension_backfilling']);
    const filtered = await service.request('POST', '/metrics-catalog', {
      body: { name: 'in_s1', type: 'count', event: 'order.created', filters: { store: 's1' } },
    });
    expect([filtered.status, filtered.json.code]).toEqual([409, 'dimension_backfilling']);
    await service.kill();
    service = await start(dataDir);
    await ready(service, made.json.id);
    await service.untilApplied();
    expect(ordersIn(await ask(service, 'store'))).toEqual(expected(ORDERS));
    await publish(ORDERS, ORDERS + 100);
    await service.untilApplied();
    const later = ordersIn(await ask(service, 'store'));
    expect(later).toEqual(expected(ORDERS + 100));

    // Another tenant does not see it, neither by its name nor in its events, until it defines it too: at once then.
    const hidden = await ask(service, 'store', 'other');
    expect([hidden.status, hidden.json.code]).toEqual([422, 'unknown_dimension']);
    expect((await ask(service, 'team', 'other')).status).toBe(200);
    const dimensionsOf = async (tenant: string): Promise<unknown> => {
      const { json } = await service.request('GET', '/events?limit=1', { tenant });
      const [event] = json.events as readonly { readonly dimensions: object }[];
      return Object.keys(event?.dimensions ?? {});
    };
    expect(await dimensionsOf('default')).toEqual(expect.arrayContaining(['team', 'store']));
    expect(await dimensionsOf('other')).not.toContain('store');
    const too = await define(service, 'store', 'other');
    expect([too.status, too.json.state]).toEqual([201, { status: 'ready' }]);
    expect((await ask(service, 'store', 'other')).status).toBe(200);

    // What names it keeps it; what was made with it is there after a restart.
    const metric = await service.request('POST', '/metrics-catalog', {
      body: { name: 'in_s1', type: 'count', event: 'order.created', filters: { store: 's1' } },
    });
    expect(metric.status).toBe(201);
    const funnel = await service.request('POST', '/funnels', {
      body: {
        name: 'f',
        steps: [{ event: 'visit', filters: { store: 's1' } }, { event: 'order.created' }],
        window: '1d',
      },
    });
    expect(funnel.status).toBe(201);
    await service.kill();
    service = await start(dataDir);
    await service.untilApplied();
    const query = { ...RANGE, metrics: ['in_s1'] };
    const [, [, ofStore]] = later as [unknown, [string, number]];
    expect((await service.totals('default', query)).in_s1).toBe(ofStore);
    expect((await service.request('GET', `/funnels/${String(funnel.json.id)}`)).status).toBe(200);

    for (const [body, code] of [
      [{ name: 'country' }, 'validation_failed'],
      [{ name: 'team' }, 'name_taken'],
      [{ name: 'store' }, 'name_taken'],
      [{ name: 'a', path: 'data.b[]' }, 'validation_failed'],
    ] as const) {
      expect((await service.request('POST', '/dimensions', { body })).json.code).toBe(code);
    }
    // Several that are made while one is built share the next build.
    const example = await exampleOf(service);
    const documented = await service.request('POST', '/dimensions', { body: example });
    expect([documented.status, documented.json]).toEqual([201, expect.objectContaining(example)]);
    const deep = { name: 'carrier', path: 'data.delivery.carrier' };
    const more = [
      await define(service, 'a'),
      await service.request('POST', '/dimensions', { body: deep }),
      documented,
    ];
    for (const one of more) await ready(service, one.json.id);
    const { generation } = (await service.kpis('default', { ...RANGE, metrics: ['orders_count'] })).meta;
    expect(generation).toBeLessThanOrEqual(4);
    expect(ordersIn(await ask(service, 'store'))).toEqual(later);
    expect(ordersIn(await ask(service, 'carrier'))).toEqual(later);
    await service.untilOk();
    await service.terminate();
  },
  TEST_MS,
);
