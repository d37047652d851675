import { afterAll, beforeAll, expect, it } from 'vitest';
import { itLong } from './it-long.ts';
import { sizes } from './long.ts';
import { startTestNats, type TestNats } from './nats.ts';
import { ADMIN_KEY, type Millrace, stateDigestOf, until } from './process.ts';
import { Scratch } from './scratch.ts';
import { webSocket } from './web-socket.ts';

/** An import of orders into a real process that is killed in the middle, watched by both kinds of clients. */

const ROWS = sizes.import_rows;
/** A file of so many rows can be over before a test has looked. */
const FEW_ROWS = 20_000;
const PATIENCE_MS = ROWS > FEW_ROWS ? 1_800_000 : 300_000;

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
  readonly superseded: number;
  readonly rejected: number;
  readonly resumed: boolean;
  readonly progress: { readonly processed_rows: number };
}

const AUTHORIZATION = { Authorization: `Bearer ${ADMIN_KEY}`, 'X-Tenant-ID': 'default' };
const start = (dataDir: string): Promise<Millrace> =>
  scratch.start({ dataDir, env: { NATS_URL: nats.url, RATE_LIMIT_RPS: '100000' } });

/** Of a hundred rows one is bad, and ten say an order once more that the row before says, otherwise. */
const isBad = (at: number): boolean => at % 100 === 50;
const isAgain = (at: number): boolean => at % 10 === 7;
const csv = [
  'order_number,customer_email,item_name,item_quantity,item_price,payment_status',
  ...Array.from({ length: ROWS }, (_, at) =>
    isBad(at)
      ? `L-${at},nobody,Socks,1,1.00,`
      : `L-${isAgain(at) ? at - 1 : at},c${at % 99}@example.com,Socks,${isAgain(at) ? 3 : 2},1.50,paid`,
  ),
].join('\n');
const rowsThat = (is: (at: number) => boolean): number =>
  Array.from({ length: ROWS }, (_, at) => at).filter(is).length;
const [BAD, AGAIN] = [rowsThat(isBad), rowsThat(isAgain)];
const ORDERS = ROWS - BAD - AGAIN;
const REVENUE = 300 * ORDERS + 150 * AGAIN;

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
const isOver = ({ status }: Import): boolean => ['succeeded', 'failed', 'cancelled'].includes(status);
const ended = (one: Millrace, id: string): Promise<Import> => importWhere(one, id, isOver);

const addressOf = async (one: Millrace, id: string): Promise<string> =>
  `${(await one.listening).url}/api/v1/orders/bulk/import/${id}/events`;

interface Seen {
  readonly said: readonly Import[];
  /** The stream was ended by the service, and not by its death. */
  readonly isWhole: boolean;
}

/** What a stream of server-sent events says of an import, until it ends or breaks. */
async function serverSent(one: Millrace, id: string): Promise<Seen> {
  const response = await fetch(await addressOf(one, id), { headers: AUTHORIZATION });
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  let text = '';
  let isWhole = true;
  try {
    for await (const chunk of response.body ?? []) text += Buffer.from(chunk as Uint8Array).toString();
  } catch {
    isWhole = false;
  }
  const blocks = text.split('\n\n').slice(0, -1);
  const data = blocks.flatMap((block) => /^data: (.*)$/m.exec(block)?.[1] ?? []);
  return { said: data.map((line) => JSON.parse(line) as Import), isWhole };
}

async function socketSent(one: Millrace, id: string): Promise<Seen> {
  const address = (await addressOf(one, id)).replace('http', 'ws');
  const { messages, code } = await webSocket(address, AUTHORIZATION).closed;
  return { said: messages.map((text) => JSON.parse(text) as Import), isWhole: code === 1_000 };
}

/** Watches an import by both kinds of clients: progress goes forward, and the last that they hear is its end. */
function watch(one: Millrace, id: string): (end?: Import) => Promise<void> {
  const watching = Promise.all([serverSent(one, id), socketSent(one, id)]);
  // A test that fails before it looks is not failed by this, too.
  watching.catch(() => undefined);
  return async (end) => {
    for (const { said, isWhole } of await watching) {
      expect(isWhole).toBe(end !== undefined);
      const rows = said.map(({ progress }) => progress.processed_rows);
      expect(rows).toEqual(rows.toSorted((a, b) => a - b));
      for (const { import_id } of said) expect(import_id).toBe(id);
      if (end !== undefined)
        expect(said.at(-1)).toMatchObject({ status: end.status, progress: end.progress });
    }
  };
}

/** An import of the file, to its end, seen by both kinds of clients. */
async function importAll(one: Millrace): Promise<Import> {
  const id = await upload(one);
  const seen = watch(one, id);
  const done = await ended(one, id);
  await seen(done);
  expect(done).toMatchObject({
    ...{ status: 'succeeded', rejected: BAD, superseded: AGAIN, resumed: false },
    progress: { processed_rows: ROWS },
  });
  return done;
}

/** An import that goes on in the process after the one that was killed in the middle of it. */
async function killedInside(dataDir: string) {
  for (;;) {
    const killed = await start(dataDir);
    const id = await upload(killed);
    const broken = watch(killed, id);
    await importWhere(killed, id, (now) => isOver(now) || now.progress.processed_rows > 0);
    await killed.kill();
    const one = await start(dataDir);
    const seen = watch(one, id);
    const before = await importWhere(one, id, (now) => isOver(now) || now.resumed);
    if (before.resumed) {
      await broken();
      return { one, id, seen, before };
    }
    // It was over before the kill.
    await one.kill();
  }
}

it(
  'goes on after kill -9, is cancelled, and done twice comes to one state; SSE and WebSocket see its progress',
  async () => {
    const dataDir = await scratch.dir('imports');
    const began_ms = Date.now();
    const { one, id, seen, before } = await killedInside(dataDir);
    const { url } = await one.listening;
    if (ROWS > FEW_ROWS)
      await importWhere(one, id, ({ progress }) => progress.processed_rows > before.progress.processed_rows);
    const cancelled = await fetch(`${url}/api/v1/orders/bulk/import/${id}/cancel`, {
      ...{ method: 'POST', headers: AUTHORIZATION },
    });
    const half = await ended(one, id);
    // A short file may be done before anybody can cancel it.
    expect(half.status).toBe(cancelled.status === 200 ? 'cancelled' : 'succeeded');
    if (ROWS > FEW_ROWS) expect(half.progress.processed_rows).toBeLessThan(ROWS);
    expect(half.resumed).toBe(true);
    await seen(half);
    const first = await importAll(one);
    expect(first.created + first.unchanged).toBe(ORDERS);
    expect(first.unchanged).toBeGreaterThan(0);
    await one.untilApplied(PATIENCE_MS);
    const day = new Date(began_ms).toISOString().slice(0, 10);
    const totals = await one.totals('default', {
      ...{ metrics: ['orders_count', 'revenue', 'revenue_paid'], start: `${day}T00:00:00Z` },
      end: new Date(Date.parse(`${day}T00:00:00Z`) + 3 * 86_400_000).toISOString(),
    });
    expect(totals).toEqual({ orders_count: ORDERS, revenue: REVENUE, revenue_paid: REVENUE });
    const digest = await stateDigestOf(dataDir);
    expect(await importAll(one)).toMatchObject({ created: 0, unchanged: ORDERS });
    await one.untilApplied(PATIENCE_MS);
    expect(await stateDigestOf(dataDir)).toEqual(digest);
    const nobody = webSocket((await addressOf(one, id)).replace('http', 'ws'), {});
    expect(await nobody.head).toContain('HTTP/1.1 401 ');
  },
  4 * PATIENCE_MS,
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
