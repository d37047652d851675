import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError } from '../../engine/index.ts';
import { BASE } from './endpoints.ts';

/** A running service, and a key of the tenant that gets the shop. */
export interface Service {
  readonly url: string;
  readonly key: string;
}

type Json = Readonly<Record<string, unknown>>;

const WAIT_MS = 180_000;
const PAUSE_MS = 200;
const NAME_TAKEN = 409;

async function send(
  { url, key }: Service,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ readonly status: number; readonly json: Json }> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      Authorization: `Bearer ${key}`,
      // A form says itself what it is.
      ...(body instanceof FormData ? {} : { 'Content-Type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: body instanceof FormData ? body : JSON.stringify(body) }),
  });
  return { status: response.status, json: (await response.json()) as Json };
}

const refused = (what: string, status: number, json: Json): MillraceError =>
  new MillraceError('request_failed', `${what} was answered ${status}: ${JSON.stringify(json)}`);

/** The answer of a path, whatever comes in the way being an error. */
export async function ask(service: Service, method: string, path: string, body?: unknown): Promise<Json> {
  const { status, json } = await send(service, method, path, body);
  if (status >= 300) throw refused(`${method} ${path}`, status, json);
  return json;
}

/** The id of a definition of this name: a new one, or that which is there. `list` is the member of the list. */
export async function ensure(
  service: Service,
  path: string,
  list: string,
  body: Json & { readonly name: string },
): Promise<string> {
  const { status, json } = await send(service, 'POST', path, body);
  if (status < 300) return String(json.id);
  if (status !== NAME_TAKEN || json.code !== 'name_taken') throw refused(`POST ${path}`, status, json);
  const found = await byName(service, path, list, body.name);
  if (found === undefined) throw refused(`POST ${path}`, status, json);
  return found;
}

/** The id of what has this name in a list. */
export async function byName(
  service: Service,
  path: string,
  list: string,
  name: string,
): Promise<string | undefined> {
  let cursor: string | null = null;
  do {
    const search = new URLSearchParams({ limit: '1000', ...(cursor === null ? {} : { cursor }) });
    const page: Json = await ask(service, 'GET', `${path}?${search}`);
    const found = (page[list] as readonly Json[]).find((one) => one.name === name);
    if (found !== undefined) return String(found.id ?? found.model_id);
    cursor = (page.next_cursor as string | null | undefined) ?? null;
  } while (cursor !== null);
  return undefined;
}

/** Waits until a job is done; its state. */
export async function untilDone(service: Service, job_id: string): Promise<Json> {
  const deadline_ms = performance.now() + WAIT_MS;
  for (;;) {
    const job = await ask(service, 'GET', `${BASE}/jobs/${job_id}`);
    if (job.status === 'succeeded') return job;
    const isOver = job.status === 'failed' || job.status === 'cancelled' || performance.now() > deadline_ms;
    if (isOver) throw new MillraceError('job_failed', `The job ${job_id} is ${JSON.stringify(job)}`);
    await sleep(PAUSE_MS);
  }
}

/** Waits until answers count everything up to a position, as `POST /ingest` gives it. */
export async function untilApplied(service: Service, min_position: unknown): Promise<void> {
  const deadline_ms = performance.now() + WAIT_MS;
  const body = {
    ...{
      metrics: ['orders_count'],
      start: '2025-01-01T00:00:00Z',
      end: '2025-01-02T00:00:00Z',
      min_position,
    },
  };
  for (;;) {
    const { status, json } = await send(service, 'POST', `${BASE}/kpis/query`, body);
    if (status === 200) return;
    if (status !== 503 || performance.now() > deadline_ms) throw refused('POST /kpis/query', status, json);
    await sleep(PAUSE_MS);
  }
}
