import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectNats, EventPublisher } from '../connectors/index.ts';
import { startTestNats, type TestNats } from './nats.ts';
import { ADMIN_KEY, type Millrace, until } from './process.ts';
import { TestS3 } from './s3-server.ts';
import { Scratch } from './scratch.ts';

/**
 * What other tools read: a folder of Parquet that a sink writes while the service is killed, and what the pages of
 * docs/bi say, with the service itself: their SQL by DuckDB, their requests and links by HTTP.
 */

const PATIENTLY_MS = 180_000;
const PAGES = resolve(import.meta.dirname, '..', 'docs', 'bi');
const BASE = '/v1/order-analytics';
const BUCKET = 'warehouse';
const DAY_MS = 86_400_000;
/** The beginning of yesterday: the pages ask for the last 30 days. */
const DAY0_MS = Math.floor(Date.now() / DAY_MS) * DAY_MS - DAY_MS;
const START = new Date(DAY0_MS - 2 * DAY_MS).toISOString();
const COUNTRIES = ['DE', 'FR', null] as const;

type Json = Readonly<Record<string, unknown>>;

const scratch = new Scratch();
let nats: TestNats;
let s3: TestS3;
let env: Readonly<Record<string, string>>;
let dataDir: string;
let service: Millrace;

beforeAll(async () => {
  nats = await startTestNats();
  s3 = new TestS3(await scratch.dir('bi-s3'), [BUCKET]);
  await s3.start();
  env = { NATS_URL: nats.url, ...s3.env };
  dataDir = await scratch.dir('bi');
  service = await scratch.start({ dataDir, env });
}, PATIENTLY_MS);
afterAll(async () => {
  await scratch.clean();
  await s3?.stop();
  await nats?.stop();
});

const order = (at: number, time_ms: number): Json => ({
  ...{ event_id: `e${at}`, type: 'order.created', order_id: `o${at}`, customer_id: `c${at % 7}` },
  ...{ time: new Date(time_ms).toISOString(), amount: 1_000 + at, currency: 'EUR' },
  ...{ country: COUNTRIES[at % COUNTRIES.length], campaign: at === 0 ? '=cmd()' : 'spring' },
});

async function publish(events: readonly Json[]): Promise<void> {
  const link = await connectNats({ url: nats.url, name: 'bi-test' });
  try {
    const messages = events.map((event) => ({
      subject: 'events.default.shop',
      payload: Buffer.from(JSON.stringify(event)),
    }));
    await new EventPublisher(link).publishAll(messages);
  } finally {
    await link.close();
  }
  await service.untilApplied();
}

/** The blocks of a page in a language, in order. */
async function blocks(page: string, language: string): Promise<readonly string[]> {
  const text = await readFile(join(PAGES, page), 'utf8');
  const found = text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm);
  return [...found].filter(([, of]) => of === language).map(([, , block = '']) => block);
}

/** The statements of a page, each without its semicolon. */
const statements = async (page: string): Promise<readonly string[]> =>
  (await blocks(page, 'sql')).flatMap((block) =>
    block
      .split(';')
      .map((one) => one.trim())
      .filter((one) => one !== ''),
  );

async function duck(...all: readonly string[]): Promise<readonly unknown[][]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    let rows: readonly unknown[][] = [];
    for (const sql of all) rows = (await connection.runAndReadAll(sql)).getRowsJson() as unknown[][];
    return rows;
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

async function finished(job_id: unknown): Promise<Json> {
  return until(
    async () => {
      const { json: job } = await service.request('GET', `/jobs/${String(job_id)}`);
      if (job.status === 'failed') throw new Error(JSON.stringify(job.error));
      if (job.status !== 'succeeded') return undefined;
      return (await service.request('GET', `/exports/${String(job_id)}`)).json;
    },
    () => `the job ends: ${service.output}`,
    PATIENTLY_MS,
  );
}

const QUERY = {
  ...{ metrics: ['orders_count', 'revenue_net'], group_by: ['country'], granularity: '1d' },
  start: START,
};

/** Orders and revenue by country as the API has them, major units. */
async function wanted(): Promise<readonly unknown[]> {
  const end = new Date(DAY0_MS + 3 * DAY_MS).toISOString();
  const { groups } = await service.kpis('default', {
    ...QUERY,
    end,
    granularity: 'total',
    force_fresh: true,
  });
  return groups
    .map(({ key, totals }) => [key.country ?? '', totals.orders_count, Number(totals.revenue_net) / 100])
    .sort();
}

const sumsOf = (source: string): string =>
  `SELECT coalesce(country, ''), sum(orders_count)::INT, sum(revenue_net::DECIMAL(38, 4))::DOUBLE FROM ${source} GROUP BY ALL ORDER BY ALL`;

/** The variables of Grafana for the last days until now, in a dashboard in UTC; a format has no colon. */
function interpolated(text: string): string {
  return text.replaceAll(/\$\{__(from|to):date:([^:}]+)\}/g, (_, side, format: string) => {
    const iso = side === 'from' ? START : new Date().toISOString();
    const [year = '', month = '', day = '', hour = ''] = iso.split(/[-T:]/);
    return format.replace('YYYY', year).replace('MM', month).replace('DD', day).replace('HH', hour);
  });
}

async function fetched(path: string, options: RequestInit = {}): Promise<Response> {
  const { url } = await service.listening;
  return fetch(`${url}${path}`, options);
}

it(
  'a sink fills a folder of S3 through kill -9, and the pages read it: each row once, restated ones too',
  async () => {
    await publish(
      Array.from({ length: 60 }, (_, at) => order(at, DAY0_MS - (at % 2) * DAY_MS + at * 60_000)),
    );
    const sink = await service.request('POST', '/sinks', {
      body: {
        ...{ name: 'daily sales', source: { query: QUERY }, every_minutes: 1_440 },
        destination: { s3: `s3://${BUCKET}/daily-sales` },
      },
    });
    expect([sink.status, sink.json.code]).toEqual([201, undefined]);
    const run = async (): Promise<unknown> => {
      const made = await service.request('POST', `/sinks/${String(sink.json.id)}/run`, { body: {} });
      expect([made.status, made.json.code]).toEqual([202, undefined]);
      return made.json.job_id;
    };
    // The bucket is away, so the run has its rows and waits: there the service is killed.
    await s3.stop();
    const first = await run();
    await until(
      async () => {
        const { json } = await service.request('GET', `/jobs/${String(first)}`);
        return Number((json.progress as Json | null)?.done ?? 0) > 0 ? true : undefined;
      },
      () => `the run has rows: ${service.output}`,
      PATIENTLY_MS,
    );
    await service.kill();
    await s3.start();
    service = await scratch.start({ dataDir, env });
    await finished(first);
    // Late events of days that were told.
    await publish(Array.from({ length: 6 }, (_, at) => order(60 + at, DAY0_MS - DAY_MS + at * 1_000)));
    await finished(await run());

    const objects = await s3.objects(BUCKET);
    expect([...objects.keys()]).toEqual([
      expect.stringMatching(/^daily-sales\/0{12}-\d{12}\.parquet$/),
      expect.stringMatching(/^daily-sales\/\d{12}-\d{12}\.parquet$/),
    ]);
    const folder = await scratch.dir('bi-files');
    await mkdir(join(folder, 'daily-sales'));
    for (const [key, bytes] of objects) await writeFile(join(folder, key), bytes);
    const files = `'${folder}/daily-sales/*.parquet'`;

    const numbers = await wanted();
    expect(numbers.length).toBe(COUNTRIES.length);
    const newest = (await statements('duckdb.md')).find((sql) => sql.includes('QUALIFY')) ?? '';
    expect(await duck(sumsOf(`(${newest.replace("'daily-sales/*.parquet'", files)})`))).toEqual(numbers);
    const [view = ''] = await statements('metabase.md');
    const local = view.replace("'s3://warehouse/daily-sales/*.parquet'", files);
    expect(await duck(local, sumsOf('daily_sales'))).toEqual(numbers);
    const [big = ''] = await statements('looker-studio.md');
    const external = `CREATE VIEW shop.daily_sales_files AS SELECT * FROM ${files}`;
    expect(await duck('CREATE SCHEMA shop', external, sumsOf(`(${big})`))).toEqual(numbers);
    // As a warehouse keeps them, file by file.
    const keys = `(SELECT country, time, currency, as_of FROM ${files})`;
    expect(
      await duck(`SELECT count(*) = count(DISTINCT (country, time, currency, as_of)) FROM ${keys}`),
    ).toEqual([[true]]);
  },
  3 * PATIENTLY_MS,
);

it('the files of exports have the sums of the API, by the SQL of the page of DuckDB', async () => {
  const folder = await scratch.dir('bi-exports');
  for (const [name, body] of Object.entries({
    'export.parquet': { format: 'parquet' },
    'export.csv.gz': { format: 'csv', compression: true },
  })) {
    const made = await service.request('POST', '/exports', { body: { query: {}, ...body } });
    const { download_url } = await finished(made.json.job_id);
    const file = await fetched(String(download_url));
    await writeFile(join(folder, name), Buffer.from(await file.arrayBuffer()));
  }
  const total = (await wanted()).reduce((sum: number, row) => sum + Number((row as unknown[])[2]), 0);
  const asked = (await statements('duckdb.md')).filter((sql) => sql.includes('export.'));
  expect(asked.length).toBe(2);
  for (const sql of asked) {
    const [row, ...others] = await duck(sql.replace("'export.", `'${folder}/export.`));
    expect([row?.[0], Number(row?.[1]), others]).toEqual(['EUR', total, []]);
  }
  // What a spreadsheet would take for a formula is text.
  expect(gunzipSync(await readFile(join(folder, 'export.csv.gz'))).toString()).toContain(",'=cmd(),");
});

it('Grafana is answered what its page asks for, with the key of a viewer', async () => {
  const key = await service.request('POST', '/keys', { body: { name: 'grafana', role: 'viewer' } });
  expect([key.status, key.json.code]).toEqual([201, undefined]);
  const [body = ''] = await blocks('grafana.md', 'json');
  const ranged = interpolated(body);
  // As the plugin's backend sends it.
  const headers = {
    ...{ Authorization: `Bearer ${String(key.json.key)}`, 'Content-Type': 'application/json' },
    ...{ Accept: 'application/json;q=0.9,text/plain', 'User-Agent': 'Grafana/11.0' },
  };
  const answer = await fetched(`${BASE}/widgets/preview`, { method: 'POST', headers, body: ranged });
  const { view } = (await answer.json()) as {
    readonly view: {
      readonly series: readonly { readonly points: readonly (readonly [string, number | null])[] }[];
      readonly table: { readonly columns: readonly Json[]; readonly rows: readonly (readonly unknown[])[] };
    };
  };
  expect(answer.status).toBe(200);
  const points = view.series.flatMap((series) => series.points);
  expect(points.every(([time]) => !Number.isNaN(Date.parse(time)))).toBe(true);
  const minor = points.reduce((sum, [, value]) => sum + (value ?? 0), 0);
  const total = (await wanted()).reduce((sum: number, row) => sum + Number((row as unknown[])[2]), 0);
  expect(minor).toBe(Math.round(total * 100));
  const at = view.table.columns.findIndex(({ name }) => name === 'revenue_net');
  const major = view.table.rows.reduce((sum, row) => sum + Number(row[at] ?? 0), 0);
  expect(Math.round(major * 100)).toBe(minor);

  const { query } = JSON.parse(ranged) as { readonly query: Json };
  const saved = await service.request('POST', '/queries', { body: { name: 'grafana', ...query } });
  expect([saved.status, saved.json.code]).toEqual([201, undefined]);
  const page = await readFile(join(PAGES, 'grafana.md'), 'utf8');
  const [, overrides = ''] = /run` with `(\{.*?\})`/.exec(page) ?? [];
  const path = `${BASE}/queries/${String(saved.json.id)}/run`;
  const again = await fetched(path, { method: 'POST', headers, body: interpolated(overrides) });
  expect([again.status, ((await again.json()) as { groups?: unknown[] }).groups?.length]).toEqual([200, 3]);
});

it('Prometheus scrapes the path of the page', async () => {
  const [config = ''] = await blocks('grafana.md', 'yaml');
  const [, path = ''] = /metrics_path: (\S+)/.exec(config) ?? [];
  const answer = await fetched(path, {
    headers: {
      Authorization: `Bearer ${ADMIN_KEY}`,
      Accept: 'application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1',
    },
  });
  expect([answer.status, answer.headers.get('content-type')?.split(';')[0]]).toEqual([200, 'text/plain']);
  const lines = (await answer.text()).trimEnd().split('\n');
  const SAMPLE = /^[a-zA-Z_:][\w:]*(\{[^}]*\})? (NaN|[+-]?Inf|[-+\d.e]+)$/;
  expect(lines.filter((line) => line !== '' && !line.startsWith('#') && !SAMPLE.test(line))).toEqual([]);
});

it('a spreadsheet imports the link of its page without a header', async () => {
  const page = (await blocks('spreadsheets.md', '')).find((block) => block.startsWith('POST ')) ?? '';
  const [, path, body = '', , links = ''] = /^POST (\S+) ([\s\S]*?)\nPOST (\S+) ([\s\S]*)$/.exec(page) ?? [];
  expect(path).toBe('/dashboards');
  const made = await service.request('POST', '/dashboards', { body: JSON.parse(body) });
  expect([made.status, made.json.code]).toEqual([201, undefined]);
  const dashboard = `/dashboards/${String(made.json.id)}`;
  const link = await service.request('POST', `${dashboard}/links`, { body: JSON.parse(links) });
  expect([link.status, link.json.code]).toEqual([201, undefined]);
  const url = `${String(link.json.url)}?format=csv&widget=0`;
  const answer = await fetched(url, {
    headers: { 'User-Agent': 'Mozilla/5.0 (compatible; GoogleDocs; apps-spreadsheets)' },
  });
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/csv; charset=utf-8']);
  const file = join(await scratch.dir('bi-link'), 'link.csv');
  await writeFile(file, Buffer.from(await answer.arrayBuffer()));
  expect(await duck(sumsOf(`read_csv('${file}')`))).toEqual(await wanted());
  expect((await service.request('DELETE', `${dashboard}/links/${String(link.json.id)}`)).status).toBe(204);
  expect((await fetched(url)).ok).toBe(false);
});
