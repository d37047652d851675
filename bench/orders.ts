import { readFileSync } from 'node:fs';
import { startEmbeddedNats } from '../connectors/index.ts';
import {
  ADMIN_KEY,
  fill,
  machine,
  memoryOf,
  quantileOf,
  type RunningApp,
  startApp,
  until,
  withScratch,
} from './rig.ts';
import { random, type TrafficOptions } from './traffic.ts';

const ORDERS = Number(process.env.BENCH_ORDERS ?? 200_000);
const ROWS = Number(process.env.BENCH_IMPORT_ROWS ?? 100_000);
const PAGE = 100;
/** Pages of the largest size that are gone through, for a cursor deep in the list. */
const DEEP_PAGES = Number(process.env.BENCH_DEEP_PAGES ?? 50);
const ASKED = 11;
const YEAR_MS = 365 * 86_400_000;
const LIMIT_MS = 3_600_000;
const SAMPLE_MS = 100;

/** The API of orders on a year of them: pages of the list, one order, a file of all, and an import, done twice. */
export async function ordersBench(): Promise<object> {
  return withScratch(async (folder) => {
    const nats = await startEmbeddedNats({ dataDir: folder, progress: () => {} });
    const end_ms = Date.now();
    const traffic = { seed: 1, start_ms: end_ms - YEAR_MS, step_ms: YEAR_MS / ORDERS, disorder_ms: 0 };
    process.stdout.write(`${machine()}\npublishing ${ORDERS} orders of a year, three events each\n`);
    try {
      await fill(nats.server, 3 * ORDERS, traffic, orderLives);
      const app = await startApp({
        ...{ NATS_URL: nats.url, NATS_NKEY: nats.credentials.service, DATA_DIR: `${folder}/app` },
        RATE_LIMIT_RPS: '100000',
      });
      try {
        await until(async () => (await totalOf(app).catch(() => 0)) >= ORDERS, 500, LIMIT_MS);
        const pages = await pagesOf(app);
        return { orders: ORDERS, ...pages, export: await exported(app), import: await imported(app) };
      } finally {
        await app.stop();
      }
    } finally {
      await nats.stop();
    }
  });
}

/** Each order, its payment an hour and its delivery three days later, in the order of arrival. */
function orderLives({ seed, start_ms, step_ms }: TrafficOptions): () => string {
  const draw = random(seed);
  let next = 0;
  return () => {
    const [order, step] = [Math.floor(next / 3), next++ % 3];
    const amount = 100 + ((order * 7_919) % 90_000);
    const own = { order_id: `o${order}`, customer_id: `c${order % 40_000}`, currency: 'EUR' };
    const time = (after_ms: number): string =>
      new Date(Math.min(Date.now(), start_ms + order * step_ms + after_ms)).toISOString();
    const channel = draw() < 0.5 ? 'web' : 'store';
    if (step === 0)
      return JSON.stringify({
        ...{ event_id: `a${order}`, type: 'order.created', time: time(0), ...own, channel, amount },
        items: [{ sku: `s${order % 500}`, quantity: 1, unit_price: amount }],
        data: { order_number: `N-${order}`, customer: { name: `Customer ${order % 40_000}` } },
      });
    const what =
      step === 1
        ? { event_id: `b${order}`, type: 'payment.succeeded', time: time(3_600_000), amount }
        : { event_id: `c${order}`, type: 'order.delivered', time: time(3 * 86_400_000) };
    return JSON.stringify({ ...what, ...own });
  };
}

interface Page {
  readonly total: number;
  readonly data: readonly { readonly id: string }[];
  readonly next_cursor: string | null;
}

async function ask(app: RunningApp, path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { Authorization: `Bearer ${ADMIN_KEY}`, ...init.headers };
  const response = await fetch(`${app.url}/api/v1${path}`, { ...init, headers });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response;
}
const get = async <T>(app: RunningApp, path: string): Promise<T> =>
  (await (await ask(app, path)).json()) as T;
const totalOf = async (app: RunningApp): Promise<number> => (await get<Page>(app, '/orders?limit=1')).total;

async function pagesOf(app: RunningApp) {
  let deep: string | null = null;
  for (let page = 0; page < DEEP_PAGES; page++) {
    const at: string = deep === null ? '' : `&cursor=${encodeURIComponent(deep)}`;
    deep = (await get<Page>(app, `/orders?limit=1000${at}`)).next_cursor;
    if (deep === null) throw new Error('the list ends before it is deep');
  }
  const list = `/orders?limit=${PAGE}`;
  const second = (await get<Page>(app, list)).next_cursor ?? '';
  const further = (await get<Page>(app, `/orders?limit=1000&cursor=${encodeURIComponent(deep ?? '')}`)).data;
  const old = further.at(-1)?.id ?? '';
  const paths = {
    first_page: list,
    second_page: `${list}&cursor=${encodeURIComponent(second)}`,
    deep_page_of_1000: `/orders?limit=1000&cursor=${encodeURIComponent(deep ?? '')}`,
    by_status: `${list}&status=delivered`,
    recent_order: `/orders/o${ORDERS - 1}`,
    old_order: `/orders/${old}`,
  };
  const times: Record<string, object> = {};
  for (const [name, path] of Object.entries(paths)) times[name] = told(name, await timesOf(app, path));
  return { deep_after: DEEP_PAGES * 1_000, ...times };
}

/** Long benches say each figure when they have it. */
function told<T extends object>(name: string, figures: T): T {
  process.stdout.write(`${name} ${JSON.stringify(figures)}\n`);
  return figures;
}

/** CPU of the process an answer, ms: others may be busy on the machine. */
async function timesOf(app: RunningApp, path: string): Promise<object> {
  const times_ms: number[] = [];
  const pid = app.process.pid ?? 0;
  const before_ms = cpuOf(pid);
  for (let turn = 0; turn < ASKED; turn++) {
    const began_ms = performance.now();
    const answer = await get(app, path).catch((error: unknown) => String(error).slice(0, 200));
    if (typeof answer === 'string') return { refused: answer };
    times_ms.push(performance.now() - began_ms);
  }
  const cpu_ms = round((cpuOf(pid) - before_ms) / ASKED);
  return { cpu_ms, p50_ms: round(quantileOf(times_ms, 0.5)), max_ms: round(Math.max(...times_ms)) };
}

const round = (value: number): number => Math.round(value * 10) / 10;

/** CPU time of a process with all its threads, ms. Linux only, to 10 ms. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** What some work takes, and how large the process becomes meanwhile. */
async function measured<T extends object>(app: RunningApp, work: () => Promise<T>): Promise<object> {
  let [peak_rss_mib, peak_own_mib] = [0, 0];
  const sampling = setInterval(() => {
    const { rss_mib, file_mib } = memoryOf(app.process.pid ?? 'self');
    peak_rss_mib = Math.max(peak_rss_mib, rss_mib);
    peak_own_mib = Math.max(peak_own_mib, rss_mib - file_mib);
  }, SAMPLE_MS);
  const pid = app.process.pid ?? 0;
  const [began_ms, before_ms] = [performance.now(), cpuOf(pid)];
  try {
    const done = await work();
    const took_s = round((performance.now() - began_ms) / 1_000);
    const cpu_s = round((cpuOf(pid) - before_ms) / 1_000);
    return told('work', { ...done, cpu_s, took_s, peak_rss_mib, peak_own_mib });
  } finally {
    clearInterval(sampling);
  }
}

const exported = (app: RunningApp): Promise<object> =>
  measured(app, async () => {
    const body = JSON.stringify({ filters: {} });
    const headers = { 'Content-Type': 'application/json' };
    const response = await ask(app, '/orders/bulk/export', { method: 'POST', headers, body });
    let bytes = 0;
    for await (const chunk of response.body ?? []) bytes += (chunk as Uint8Array).length;
    return { bytes };
  });

interface Import {
  readonly import_id: string;
  readonly status: string;
  readonly created: number;
  readonly unchanged: number;
}

/** A file of new orders, and the same file once more. */
async function imported(app: RunningApp): Promise<object> {
  const head = 'order_number,customer_email,item_name,item_quantity,item_price,payment_status';
  const rows = Array.from({ length: ROWS }, (_, at) => `L-${at},c${at % 99}@example.com,Socks,2,1.50,paid`);
  const once = (): Promise<object> =>
    measured(app, async () => {
      const body = new FormData();
      body.set('currency', 'EUR');
      body.set('file', new Blob([[head, ...rows].join('\n')]), 'orders.csv');
      const made = (await (await ask(app, '/orders/bulk/import', { method: 'POST', body })).json()) as Import;
      let now = made;
      const isOver = async (): Promise<boolean> => {
        now = await get<Import>(app, `/orders/bulk/import/${made.import_id}`);
        return ['succeeded', 'failed'].includes(now.status);
      };
      await until(isOver, 200, LIMIT_MS);
      if (now.status !== 'succeeded') throw new Error(`the import ${JSON.stringify(now)}`);
      return { created: now.created, unchanged: now.unchanged };
    });
  return { rows: ROWS, first: await once(), again: await once() };
}
