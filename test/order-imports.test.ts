import { afterAll, beforeAll, expect, it } from 'vitest';
import { itLong } from './it-long.ts';
import { sizes } from './long.ts';
import { startTestNats, type TestNats } from './nats.ts';
import { ADMIN_KEY, type Millrace, until } from './process.ts';
import { Scratch } from './scratch.ts';
import { webSocket } from './web-socket.ts';

/** An import of orders into a real process that is killed in the middle, watched by both kinds of clients. */

const PATIENCE_MS = 300_000;
const ROWS = sizes.import_rows;

const scratch = new Scratch();
let nats: TestNats;
beforeAll(async () => {
  nats = await startTestNats();
});
afterAll(async () => {
  await scratch.clean();
  await nats.stop();
});

interface Import {
  readonly import_id: string;
  readonly status: string;
  readonly created: number;
  readonly unchanged: number;
  readonly rejected: number;
  readonly resumed: boolean;
  readonly progress: { readonly processed_rows: number };
}

const AUTHORIZATION = { Authorization: `Bearer ${ADMIN_KEY}`, 'X-Tenant-ID': 'default' };
const start = (dataDir: string): Promise<Millrace> =>
  scratch.start({ dataDir, env: { NATS_URL: nats.url, RATE_LIMIT_RPS: '100000' } });

const csv = [
  'order_number,customer_email,item_name,item_quantity,item_price,payment_status',
  ...Array.from({ length: ROWS }, (_, at) =>
    at % 100 === 50 ? `L-${at},nobody,Socks,1,1.00,` : `L-${at},c${at % 99}@example.com,Socks,2,1.50,paid`,
  ),
].join('\n');
const BAD = Array.from({ length: ROWS }, (_, at) => at).filter((at) => at % 100 === 50).length;

async function upload({ listening }: Millrace): Promise<string> {
  const body = new FormData();
  body.set('currency', 'EUR');
  body.set('file', new Blob([csv]), 'orders.csv');
  const { url } = await listening;
  const response = await fetch(`${url}/api/v1/orders/bulk/import`, {
    ...{ method: 'POST', headers: AUTHORIZATION, body },
  });
  const json = (await response.json()) as Import;
  expect(response.status, JSON.stringify(json)).toBe(202);
  return json.import_id;
}

async function importWhere(one: Millrace, id: string, is: (now: Import) => boolean): Promise<Import> {
  let last: unknown;
  return await until(
    async () => {
      const { url } = await one.listening;
      const response = await fetch(`${url}/api/v1/orders/bulk/import/${id}`, { headers: AUTHORIZATION });
      last = await response.json();
      return is(last as Import) ? (last as Import) : undefined;
    },
    () => `the import is as wanted; it is ${JSON.stringify(last)} ${one.output}`,
    PATIENCE_MS,
  );
}
const ended = (one: Millrace, id: string): Promise<Import> =>
  importWhere(one, id, ({ status }) => ['succeeded', 'failed', 'cancelled'].includes(status));

/** All that a stream of server-sent events says of an import. */
async function serverSent({ listening }: Millrace, id: string): Promise<readonly Import[]> {
  const { url } = await listening;
  const response = await fetch(`${url}/api/v1/orders/bulk/import/${id}/events`, { headers: AUTHORIZATION });
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const text = await response.text();
  return text
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => JSON.parse(line.slice('data: '.length)) as Import);
}

it(
  'goes on after kill -9, each order once; its progress is seen by SSE and by WebSocket',
  async () => {
    const dataDir = await scratch.dir('imports');
    let one = await start(dataDir);
    const id = await upload(one);
    await importWhere(one, id, ({ progress }) => progress.processed_rows > 0);
    await one.kill();
    one = await start(dataDir);
    const { url } = await one.listening;
    const address = `${url.replace('http', 'ws')}/api/v1/orders/bulk/import/${id}/events`;
    const socket = webSocket(address, AUTHORIZATION);
    const [events, closed, done] = await Promise.all([serverSent(one, id), socket.closed, ended(one, id)]);
    expect(done).toMatchObject({
      ...{ status: 'succeeded', rejected: BAD, resumed: true },
      progress: { processed_rows: ROWS },
    });
    expect(done.created + done.unchanged).toBe(ROWS - BAD);
    const messages = closed.messages.map((text) => JSON.parse(text) as Import);
    for (const seen of [events, messages]) {
      const rows = seen.map(({ progress }) => progress.processed_rows);
      expect(rows).toEqual(rows.toSorted((a, b) => a - b));
      expect(seen.at(-1)).toMatchObject({ import_id: id, status: 'succeeded' });
    }
    expect(closed.code).toBe(1_000);
    await one.untilApplied(PATIENCE_MS);
    const day = new Date().toISOString().slice(0, 10);
    const totals = await one.totals('default', {
      ...{ metrics: ['orders_count', 'revenue', 'revenue_paid'], start: `${day}T00:00:00Z` },
      end: new Date(Date.parse(`${day}T00:00:00Z`) + 2 * 86_400_000).toISOString(),
    });
    const orders = ROWS - BAD;
    expect(totals).toEqual({ orders_count: orders, revenue: 300 * orders, revenue_paid: 300 * orders });
    // The same file once more: no order, no event.
    expect(await ended(one, await upload(one))).toMatchObject({
      created: 0,
      unchanged: orders,
      rejected: BAD,
      resumed: false,
    });
    const nobody = webSocket(address, {});
    expect(await nobody.head).toContain('HTTP/1.1 401 ');
  },
  2 * PATIENCE_MS,
);

itLong(
  'a filterable custom field filters the list of orders once it is built',
  async () => {
    const one = await start(await scratch.dir('fields'));
    const { url } = await one.listening;
    const post = (path: string, json: unknown): Promise<Response> =>
      fetch(url + path, {
        ...{ method: 'POST', body: JSON.stringify(json) },
        headers: { ...AUTHORIZATION, 'Content-Type': 'application/json' },
      });
    const tenant = { ...AUTHORIZATION, 'X-Tenant-ID': 'default' };
    const field = {
      ...{ field_key: 'gift', field_label: 'Gift', field_type: 'boolean', is_filterable: true },
    };
    const made = await post('/api/v1/order-custom-fields', field);
    expect(made.status).toBe(201);
    const { id } = (await made.json()) as { id: string };
    const order = (order_id: string, gift: boolean) => ({
      ...{ event_id: `e-${order_id}`, type: 'order.created', time: '2025-08-01T10:00:00Z', order_id },
      ...{ currency: 'EUR', amount: 100, data: { custom_fields: { gift } } },
    });
    const sent = await post('/v1/order-analytics/ingest', [order('g1', true), order('g2', false)]);
    expect(sent.status).toBe(202);
    await until(
      async () => {
        const shown = await fetch(`${url}/api/v1/order-custom-fields/${id}`, { headers: tenant });
        return ((await shown.json()) as { filter: string }).filter === 'ready' ? true : undefined;
      },
      () => `the dimension is built: ${one.output}`,
      PATIENCE_MS,
    );
    await one.untilApplied(PATIENCE_MS);
    const list = await fetch(`${url}/api/v1/orders?custom_fields[gift]=true`, { headers: tenant });
    const found = (await list.json()) as { data?: readonly { readonly id: string }[] };
    expect(found.data?.map(({ id: order_id }) => order_id)).toEqual(['g1']);
  },
  PATIENCE_MS,
);
