import { afterAll, beforeAll, expect, vi } from 'vitest';
import { sizes } from '../../../test/long.ts';
import { PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';

export type Json = Record<string, unknown>;
export interface Import {
  readonly import_id: string;
  readonly status: string;
  readonly created: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly superseded: number;
  readonly rejected: number;
  readonly progress: { readonly processed_rows: number; readonly total_rows: number | null };
  readonly errors: readonly {
    readonly line: number;
    readonly order_number: string | null;
    readonly message: string;
  }[];
  readonly error: { readonly code: string } | null;
}

export let test: TestApi;
export let admin: string;
let pump: NodeJS.Timeout;
let isPumping = false;

let applied = 0;

/** The pipeline of the test API moves by hand: this hand. */
async function step(): Promise<void> {
  if (isPumping) return;
  isPumping = true;
  try {
    applied = test.stream.messages.length;
    await test.apply();
  } finally {
    isPumping = false;
  }
}

/** All that was published is applied. */
export async function settled(): Promise<void> {
  await vi.waitFor(() => expect(isPumping).toBe(false), PATIENTLY);
  await step();
}

/** A service for the tests of a file. */
export function useImports(): void {
  beforeAll(begin);
  afterAll(end);
}

async function begin(): Promise<void> {
  applied = 0;
  test = await startTestApi({ RATE_LIMIT_RPS: '1000000', RATE_LIMIT_BURST: '1000000' });
  admin = await test.key('admin');
  await test.send('/settings', { key: admin, method: 'PATCH', json: { currency: 'EUR' } });
  pump = setInterval(() => {
    if (test.stream.messages.length > applied) void step();
  }, 5);
}

async function end(): Promise<void> {
  clearInterval(pump);
  await vi.waitFor(() => expect(isPumping).toBe(false), PATIENTLY);
  await test.close();
}

export const HEAD = 'order_number,customer_email,item_name,item_quantity,item_price,payment_status,status';

export function form(csv: string, fields: Readonly<Record<string, string>> = {}): FormData {
  const made = new FormData();
  for (const [name, value] of Object.entries(fields)) made.set(name, value);
  made.set('file', new Blob([csv], { type: 'text/csv' }), 'orders.csv');
  return made;
}

export async function post(
  body: FormData,
  key = admin,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  // The app takes requests, whose own headers name the boundary.
  const request = new Request('http://test.invalid/', { method: 'POST', body });
  return test.send('/api/v1/orders/bulk/import', {
    ...{ method: 'POST', key, body: Buffer.from(await request.arrayBuffer()) },
    headers: { ...headers, 'content-type': request.headers.get('content-type') ?? '' },
  });
}
export async function start(csv: string, fields: Readonly<Record<string, string>> = {}): Promise<string> {
  const response = await post(form(csv, fields));
  const json = (await response.json()) as Import;
  expect(response.status, JSON.stringify(json)).toBe(202);
  return json.import_id;
}
export async function status(id: string): Promise<Import> {
  const response = await test.send(`/api/v1/orders/bulk/import/${id}`, { key: admin });
  expect(response.status).toBe(200);
  return (await response.json()) as Import;
}
export const ended = (id: string): Promise<Import> =>
  vi.waitFor(
    async () => {
      const now = await status(id);
      expect(['succeeded', 'failed', 'cancelled']).toContain(now.status);
      return now;
    },
    { timeout: 60_000 + 6 * sizes.import_rows, interval: 20 },
  );
export const imported = async (csv: string, fields?: Readonly<Record<string, string>>): Promise<Import> =>
  ended(await start(csv, fields));

export async function one(id: string): Promise<Json> {
  await settled();
  const response = await test.send(`/api/v1/orders/${id}`, { key: admin });
  return ((await response.json()) as { data: Json }).data;
}

export const ROWS = sizes.import_rows;

/** Rows of which some are bad and some of an order that a later one says anew. */
export function large(rows: number, prefix: string): string {
  const lines = Array.from({ length: rows }, (_, at) => {
    if (at % 97 === 5) return `${prefix}-${at},not an address,Socks,1,1.00,,`;
    const number = at % 50 === 7 ? at - 5 : at;
    return `${prefix}-${number},c${at % 300}@example.com,Item ${at % 20},${1 + (at % 3)},${1 + (at % 90)}.50,${at % 2 === 0 ? 'paid' : ''},`;
  });
  return [HEAD, ...lines].join('\n');
}

/** What the orders of a prefix are, without times. */
export async function stateOf(prefix: string): Promise<readonly string[]> {
  await settled();
  const found: string[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const response = await test.send(`/api/v1/orders?limit=1000&source=${prefix}${query}`, { key: admin });
    const page = (await response.json()) as { data: readonly Json[]; next_cursor: string | null };
    for (const { created_at: _, updated_at: __, source: ___, ...order } of page.data)
      found.push(JSON.stringify(order));
    cursor = page.next_cursor;
  } while (cursor !== null);
  return found.map((text) => text.replaceAll(`"${prefix}-`, '"')).sort();
}
