import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectNats, EventPublisher, type NatsLink } from '../connectors/index.ts';
import { METRIC_GROUPS, prometheusName } from '../runtime/index.ts';
import { browserPath, complaintsOf, findingsOf, launch } from './browser.ts';
import { environment, MAIN, millrace } from './command.ts';
import { startTestNats, type TestNats } from './nats.ts';
import { until } from './process.ts';
import { Scratch } from './scratch.ts';

const PACKAGE = pathToFileURL(resolve(import.meta.dirname, '../dist/bundle/index.js')).href;
const TIMEOUT_MS = 120_000;
const TOKEN = 'a-token-of-this-test';
const HOUR_MS = 3_600_000;
const T0_MS = Date.UTC(2026, 0, 1);

const MODULE = `
import { count, jetstream, json, toTable, toWindowTable, topology, tumbling, watermark, window,
  stringCodec } from ${JSON.stringify(PACKAGE)};

export default topology('sales', (t) => {
  const parsed = t
    .source(jetstream('SALES', { subjects: ['sales.>'] }))
    .pipe(json('parse', { parse: (sale) => sale }));
  parsed.pipe(toTable('latest', { keyOf: ({ id }) => id, value: ({ cents }) => ({ cents }) }));
  parsed.pipe(toTable('names', { keyOf: ({ id }) => id, value: ({ id }) => 'n-' + id, codec: stringCodec }));
  parsed
    .pipe(
      watermark('time', { timeOf: ({ at }) => at, outOfOrderness_ms: 0 }),
      window('hourly', { keyOf: ({ shop }) => shop, timeOf: ({ at }) => at,
        window: tumbling({ size_ms: ${HOUR_MS} }), aggregate: { sales: count() } }),
      toWindowTable('by-hour', { keyOf: ({ key }) => key, windowOf: ({ window }) => window,
        value: ({ value }) => value, retain_ms: ${1_000 * HOUR_MS} }),
    );
});
`;

const scratch = new Scratch();
let dir: string;
let nats: TestNats;
let link: NatsLink;
let child: ChildProcess;
let output = '';
let errors = '';
let url: string;
let sequence = 0;

const place = (): string[] => ['--topology', join(dir, 'sales.mjs'), '--data-dir', join(dir, 'data')];

interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly body: Readonly<Record<string, unknown>>;
}

const ask = async (path: string, token = TOKEN, method = 'GET'): Promise<Answer> => {
  const headers: Record<string, string> = token === '' ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(`${url}${path}`, { method, headers });
  const body = (await response.json()) as Answer['body'];
  return { status: response.status, type: response.headers.get('content-type'), body };
};
/** The values of all pages. */
const pages = async (path: string): Promise<unknown[]> => {
  const values: unknown[] = [];
  for (let cursor: unknown = ''; typeof cursor === 'string'; ) {
    const { body } = await ask(`${path}${cursor === '' ? '' : `&cursor=${cursor}`}`);
    values.push(...(body.values as unknown[]));
    cursor = body.next_cursor;
  }
  return values;
};
const sale = (id: string, shop: string, hour: number) => ({
  subject: `sales.${shop}`,
  payload: Buffer.from(JSON.stringify({ id, shop, cents: hour * 100, at: T0_MS + hour * HOUR_MS })),
});

beforeAll(async () => {
  dir = await scratch.dir('topology-http');
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'topology-http-test' });
  await writeFile(join(dir, 'sales.mjs'), MODULE);
  const args = [MAIN, 'start', ...place(), '--nats-url', nats.url, '--http', '0'];
  child = spawn(process.execPath, args, { env: environment({ HTTP_TOKEN: TOKEN, LOG_LEVEL: 'debug' }) });
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  url = await until(
    () => /http +(http:\S+)/.exec(output)?.[1],
    () => `the URL of the server; it said ${output} ${errors}`,
    TIMEOUT_MS,
  );
  const sales = [0, 1, 2, 3].flatMap((hour) => [
    sale(`a${hour}`, 'ber', hour),
    sale(`b${hour}`, 'par', hour),
  ]);
  sequence = (await new EventPublisher(link).publishAll(sales)).lastSequence;
}, TIMEOUT_MS);
afterAll(async () => {
  child.kill('SIGKILL');
  await link.close();
  await nats.stop();
  await scratch.clean();
});

describe('start --topology --http', () => {
  it('answers a key as soon as the position is applied, with what the codec says', async () => {
    const { status, body } = await ask(`/tables/latest?key=a3&min_position=SALES:${sequence}&wait_ms=10000`);
    expect([status, body]).toMatchObject([
      200,
      { table: 'latest', key: 'a3', value: { cents: 300 }, position: { SALES: { 0: sequence } } },
    ]);
    expect((await ask('/tables/names?key=b1')).body).toMatchObject({ value: 'n-b1' });
  });

  it('lists tables, ranges, prefixes and windows, in pages', async () => {
    expect((await ask('/tables')).body.tables).toMatchObject([
      { name: 'latest', by: 'key' },
      { name: 'names', by: 'key' },
      { name: 'by-hour', by: 'window', queries: ['window', 'windows'] },
    ]);
    const keys = (values: unknown[]): string[] => values.map((value) => (value as { key: string }).key);
    const all = ['a0', 'a1', 'a2', 'a3', 'b0', 'b1', 'b2', 'b3'];
    expect(keys(await pages('/tables/latest?limit=3'))).toEqual(all);
    expect(keys(await pages('/tables/latest?limit=3&reverse=true'))).toEqual(all.toReversed());
    expect(keys(await pages('/tables/latest?from=a2&to=b1&limit=2'))).toEqual(['a2', 'a3', 'b0']);
    expect(keys(await pages('/tables/latest?prefix=b&limit=2'))).toEqual(['b0', 'b1', 'b2', 'b3']);
    const windows = await pages('/tables/by-hour?start=2026-01-01T01:00:00Z&limit=1');
    expect(windows).toEqual([
      { key: 'ber', start: '2026-01-01T01:00:00.000Z', end: '2026-01-01T02:00:00.000Z', value: { sales: 1 } },
      { key: 'ber', start: '2026-01-01T02:00:00.000Z', end: '2026-01-01T03:00:00.000Z', value: { sales: 1 } },
      { key: 'par', start: '2026-01-01T01:00:00.000Z', end: '2026-01-01T02:00:00.000Z', value: { sales: 1 } },
      { key: 'par', start: '2026-01-01T02:00:00.000Z', end: '2026-01-01T03:00:00.000Z', value: { sales: 1 } },
    ]);
    expect(await pages('/tables/by-hour?key=ber&limit=2')).toHaveLength(3);
    expect(await pages('/tables/by-hour?key=ber&limit=2&reverse=true')).toHaveLength(3);
  });

  it('says how each operator stands', async () => {
    const { body } = await ask('/operators');
    expect(body).toMatchObject({
      lag: 0,
      watermark: new Date(T0_MS + 3 * HOUR_MS).toISOString(),
      operators: [
        { name: 'sales', emitted: 8, watermark: null },
        { name: 'parse', received: 8, emitted: 8, counts: { 'decode.accepted': 8 } },
        { name: 'latest', received: 8, rows: 8 },
        { name: 'names', received: 8, rows: 8 },
        { name: 'time', emitted: 8, counts: { 'watermark.late': expect.any(Number) } },
        { name: 'hourly', received: 8, watermark: body.watermark },
        { name: 'by-hour', rows: 6, watermark: body.watermark },
      ],
    });
    const { operators } = body as { operators: { name: string; size_bytes: number }[] };
    expect(operators.find(({ name }) => name === 'latest')?.size_bytes).toBeGreaterThan(0);
  });

  it.skipIf(browserPath() === undefined)('shows operators and tables in a browser', async () => {
    const browser = await launch(browserPath() ?? '');
    const page = await browser.newPage({ viewport: { width: 1_280, height: 900 } });
    page.setDefaultTimeout(TIMEOUT_MS);
    await page.goto(`${url}/app`);
    await page.getByLabel('Token').fill(TOKEN);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('row').filter({ hasText: 'to-window-table' }).waitFor();
    const complaints = complaintsOf(page);
    const findings = [...(await findingsOf(page))];
    await page.getByRole('link', { name: 'Tables' }).click();
    const row = page.getByRole('row').filter({ has: page.getByRole('cell', { name: 'a3', exact: true }) });
    await row.getByRole('cell', { name: '300' }).waitFor();
    await page.getByLabel('Table', { exact: true }).selectOption('by-hour');
    await page.getByRole('cell', { name: 'par', exact: true }).first().waitFor();
    findings.push(...(await findingsOf(page)));
    await browser.close();
    expect([findings, complaints]).toEqual([[], []]);
  });

  it.each([
    ['/tables/nothing', 404, 'not_found'],
    ['/tables/latest?key=zz', 404, 'not_found'],
    ['/tables/latest?kye=a', 422, 'validation_failed'],
    ['/tables/latest?key=a&prefix=b', 422, 'validation_failed'],
    ['/tables/latest?start=2026-01-01T00:00:00Z', 422, 'validation_failed'],
    ['/tables/by-hour?prefix=b', 422, 'validation_failed'],
    ['/tables/latest?limit=0', 422, 'validation_failed'],
    ['/tables/latest?cursor=nonsense', 422, 'invalid_cursor'],
    ['/tables/latest?min_position=SALES:999999&wait_ms=0', 503, 'position_unmet'],
    ['/tables/latest?min_position=OTHER:1', 422, 'validation_failed'],
    ['/tables/latest?min_position=nonsense', 422, 'validation_failed'],
    ['/elsewhere', 404, 'route_not_found'],
  ])('refuses %s with a problem', async (path, status, code) => {
    const answer = await ask(path);
    expect(answer).toMatchObject({ status, type: 'application/problem+json', body: { status, code } });
  });

  it('only reads, and only for those with the token; health is for all', async () => {
    expect(await ask('/tables', '')).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
    expect(await ask('/metrics', 'wrong')).toMatchObject({ status: 401 });
    expect(await ask('/tables/latest', TOKEN, 'DELETE')).toMatchObject({ status: 405 });
    expect(await ask('/health', '')).toMatchObject({
      status: 200,
      body: {
        status: 'ok',
        topology: 'sales',
        task: { state: 'running' },
        nats: { connected: true },
        why: [],
      },
    });
  });

  it('exports nothing but what the catalogue has, and all that the topology has', async () => {
    const response = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
    const names = [...(await response.text()).matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name);
    const known = METRIC_GROUPS.flatMap(({ metrics }) => metrics).map(prometheusName);
    expect(names.filter((name) => !known.includes(name))).toEqual([]);
    const task = METRIC_GROUPS.filter(({ title }) => ['Task', 'HTTP and the process'].includes(title));
    const wanted = task.flatMap(({ metrics }) => metrics).map(prometheusName);
    expect(wanted.filter((name) => !names.includes(name))).toEqual([]);
  });

  it('gives every metric that the board and the alert rules of the example name', async () => {
    const bad = { subject: 'sales.ber', payload: Buffer.from('no JSON') };
    const { lastSequence } = await new EventPublisher(link).publishAll([bad]);
    await ask(`/tables/latest?key=a1&min_position=SALES:${lastSequence}&wait_ms=10000`);
    const text = await until(
      async () => {
        const response = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
        const all = await response.text();
        return all.includes('millrace_decode_rejected_total{') ? all : undefined;
      },
      () => 'a dead letter is counted',
      TIMEOUT_MS,
    );
    const given = new Set([...text.matchAll(/^([a-z_]+)(?:\{| )/gm)].map(([, name = '']) => name));
    const folder = resolve(import.meta.dirname, '../examples/operations');
    const board = readFileSync(join(folder, 'grafana-board.json'), 'utf8');
    const { panels } = JSON.parse(board) as { panels: { targets: { expr: string }[] }[] };
    expect(panels.flatMap(({ targets }) => targets).length).toBeGreaterThan(15);
    const named = `${board} ${readFileSync(join(folder, 'alerts.yml'), 'utf8')}`;
    const names = new Set(named.match(/\b(millrace|http_server|process)_[a-z_]+\b/g));
    expect(names.size).toBeGreaterThan(15);
    expect([...names].filter((name) => !given.has(name))).toEqual([]);
  });

  it('logs JSON lines, a request with its route', async () => {
    await ask('/tables/latest?key=a1');
    const lines = await until(
      () => {
        const whole = errors.slice(0, errors.lastIndexOf('\n')).split('\n');
        const parsed = whole.map((line) => JSON.parse(line) as Record<string, unknown>);
        return parsed.some(({ route }) => route === '/tables/{name}') ? parsed : undefined;
      },
      () => `a request in the log: ${errors}`,
      TIMEOUT_MS,
    );
    expect(lines.some(({ msg }) => msg === 'running')).toBe(true);
    expect(errors).not.toContain(TOKEN);
  });

  it('says why from the command line, while it runs and after it', { timeout: TIMEOUT_MS }, async () => {
    const contexts = join(dir, 'config', 'nats', 'context');
    await mkdir(contexts, { recursive: true });
    await writeFile(join(contexts, 'here.json'), JSON.stringify({ url: nats.url }));
    const env = { XDG_CONFIG_HOME: join(dir, 'config') };
    const args = ['why', ...place(), '--context', 'here'];
    expect(await millrace(args, env)).toMatchObject({
      code: 0,
      out: expect.stringContaining('Nothing keeps'),
    });
    child.kill('SIGTERM');
    await once(child, 'exit');
    const { code, out } = await millrace([...args, '--json'], env);
    expect([code, JSON.parse(out)]).toMatchObject([1, { topology: 'sales', why: [{ code: 'not_running' }] }]);
  });
});
