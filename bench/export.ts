import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { call, memoryOf, type RunningApp, until, withMonth, withScratch } from './rig.ts';

const EVENTS = Number(process.env.BENCH_EVENTS ?? 100_000);
const APPLIED_LIMIT_MS = 3_600_000;
const EXPORT_LIMIT_MS = 3_600_000;
const SAMPLE_MS = 100;
const TENTHS = 10;

interface Job {
  readonly job_id: string;
  readonly status: string;
  readonly error: { readonly message: string } | null;
  readonly download_url: string | null;
  readonly progress: { readonly done: number } | null;
  readonly result: { readonly rows: number } | null;
}

/** What a file has, and what the API says of the same events. */
interface Sums {
  readonly events: number;
  /** Revenue by currency, major units. */
  readonly revenue: Readonly<Record<string, number>>;
}

/** All events as CSV and as Parquet: time, peak memory of the process, and the sums that DuckDB reads back. */
export async function exportBench(): Promise<object> {
  return withMonth(EVENTS, async (app, _, end_ms) => {
    await until(async () => (await appliedOf(app)) >= EVENTS, 500, APPLIED_LIMIT_MS);
    const wanted = await sumsOfApi(app, end_ms);
    const before = memoryOf(app.process.pid ?? 'self');
    const figures: Record<string, object> = {};
    for (const [name, body] of Object.entries({
      csv: { format: 'csv', compression: true },
      parquet: { format: 'parquet' },
    })) {
      figures[name] = await withScratch((folder) => measure(app, join(folder, name), body, wanted));
    }
    return { events: EVENTS, before, ...figures };
  });
}

/** Up to where events are applied; 0 before there is a state. */
async function appliedOf(app: RunningApp): Promise<number> {
  const { meta } = await call<{
    readonly meta?: { readonly position?: Record<string, Record<string, number>> };
  }>(app, '/kpis/query', {
    metrics: ['orders_count'],
    start: '2025-01-01T00:00:00Z',
    end: '2025-01-02T00:00:00Z',
  }).catch(() => ({ meta: undefined }));
  return meta?.position?.EVENTS?.['0'] ?? 0;
}

async function sumsOfApi(app: RunningApp, end_ms: number): Promise<Sums> {
  const day_ms = 86_400_000;
  const at = (ms: number): string => `${new Date(ms).toISOString().slice(0, 10)}T00:00:00Z`;
  const answer = await call<{
    readonly groups: readonly {
      readonly key: { readonly currency: string };
      readonly totals: { readonly revenue: number };
    }[];
  }>(app, '/kpis/query', {
    ...{ metrics: ['revenue'], group_by: ['currency'], force_fresh: true },
    ...{ start: at(end_ms - 40 * day_ms), end: at(end_ms + 2 * day_ms) },
  });
  const revenue = answer.groups.map(({ key, totals }) => [key.currency, totals.revenue / 100]);
  return { events: EVENTS, revenue: Object.fromEntries(revenue) as Sums['revenue'] };
}

async function measure(app: RunningApp, path: string, body: object, wanted: Sums): Promise<object> {
  const pid = app.process.pid ?? 'self';
  const peaks = { rss_mib: 0, file_mib: 0, anon_mib: 0 };
  // The peak of the process's own memory in each tenth of the rows: what grows with the rows shows here.
  const anon_mib_by_tenth: number[] = Array.from({ length: TENTHS }, () => 0);
  let done = 0;
  const sampling = setInterval(() => {
    const now = memoryOf(pid);
    for (const name of ['rss_mib', 'file_mib', 'anon_mib'] as const)
      peaks[name] = Math.max(peaks[name], now[name]);
    const tenth = Math.min(TENTHS - 1, Math.floor((done / EVENTS) * TENTHS));
    anon_mib_by_tenth[tenth] = Math.max(anon_mib_by_tenth[tenth] ?? 0, now.anon_mib);
  }, SAMPLE_MS);
  const began_ms = performance.now();
  let job: Job;
  try {
    const { job_id } = await call<Job>(app, '/exports', { query: {}, type: 'events', ...body });
    await until(
      async () => (await call<Job>(app, `/exports/${job_id}`)).status !== 'queued',
      50,
      EXPORT_LIMIT_MS,
    );
    const isOver = async (): Promise<boolean> => {
      const { status, progress } = await call<Job>(app, `/exports/${job_id}`);
      done = progress?.done ?? done;
      return ['succeeded', 'failed'].includes(status);
    };
    await until(isOver, 200, EXPORT_LIMIT_MS);
    job = await call<Job>(app, `/exports/${job_id}`);
  } finally {
    clearInterval(sampling);
  }
  const took_s = (performance.now() - began_ms) / 1_000;
  if (job.download_url === null) throw new Error(`the export failed: ${job.error?.message}`);
  const name = path.endsWith('csv') ? `${path}.gz` : path;
  const response = await fetch(`${app.url}${job.download_url}`);
  await pipeline(Readable.fromWeb(response.body as ReadableStream), createWriteStream(name));
  const found = await sumsOfFile(name);
  if (JSON.stringify(found) !== JSON.stringify({ ...wanted, revenue: sorted(wanted.revenue) })) {
    throw new Error(`the file has ${JSON.stringify(found)}, the API says ${JSON.stringify(wanted)}`);
  }
  return {
    took_s: Math.round(took_s * 10) / 10,
    events_per_s: Math.round(EVENTS / took_s),
    file_mib: Math.round((await stat(name)).size / 2 ** 20),
    ...{ peaks, anon_mib_by_tenth, same_sums: true },
  };
}

const sorted = (of: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(of).sort(([a], [b]) => (a < b ? -1 : 1)));

/** What DuckDB reads in a file. */
async function sumsOfFile(path: string): Promise<Sums> {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const source = path.endsWith('.gz')
    ? `read_csv('${path}', compression = 'gzip', header = true, all_varchar = true)`
    : `read_parquet('${path}')`;
  const ask = async (sql: string): Promise<readonly unknown[][]> =>
    (await connection.runAndReadAll(sql)).getRowsJson() as unknown[][];
  const [[events] = []] = await ask(`SELECT count(*)::INT FROM ${source}`);
  const rows = await ask(
    `SELECT currency, sum(amount::DECIMAL(38, 4))::DOUBLE FROM ${source}
     WHERE type = 'order.created' GROUP BY currency ORDER BY currency`,
  );
  connection.closeSync();
  instance.closeSync();
  return { events: Number(events), revenue: Object.fromEntries(rows) as Sums['revenue'] };
}
