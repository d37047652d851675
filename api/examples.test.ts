import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { orderEvent, PATIENTLY, startTestApi, type TestApi } from './fixture-api.ts';
import { fakeBackfill } from './fixture-backfill.ts';
import { type Json, type OpenApi, type Operation, openApiOf, World } from './fixture-operations.ts';
import type { BackfillPort } from './http/index.ts';

/**
 * Each operation's example is sent to the API with some events in it; its answer is what the document says. With
 * `UPDATE_EXAMPLES=1` the answers become the document's own examples, where a route has none.
 */

const FILE = new URL('./app/answer-examples.json', import.meta.url);
const isUpdate = process.env.UPDATE_EXAMPLES === '1';
/** Characters of a text that an example shows. */
const SHOWN_CHARS = 400;
/** Of a range each, so that none is in the way of another. */
let held = 0;

let test: TestApi;
let openApi: OpenApi;
let world: World;
const recorded: Record<string, { status: number; type: string; example: unknown }> = {};

beforeAll(async () => {
  // One that is held, so that there is a job to stop.
  const recount: BackfillPort['recount'] = ({ signal }) =>
    new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
  test = await startTestApi(
    { RATE_LIMIT_RPS: '1000000', RATE_LIMIT_BURST: '1000000' },
    fakeBackfill({ recount }),
  );
  openApi = await openApiOf(test);
  await shop();
  world = await World.of(test, openApi, 'default');
});
afterAll(async () => {
  await test.close();
  if (!isUpdate) return;
  const sorted = Object.fromEntries(
    Object.entries(recorded).sort(([one], [other]) => (one < other ? -1 : 1)),
  );
  writeFileSync(FILE, `${JSON.stringify(sorted, null, 2)}\n`);
});

/** A little of August, which most examples ask for. */
async function shop(): Promise<void> {
  const key = await test.key('ingest');
  const events = [3, 10, 17, 24].flatMap((day, index) => {
    const at = (hour: number): string => `2025-08-${String(day).padStart(2, '0')}T${hour}:00:00Z`;
    const who = {
      customer_id: `c-${1 + (index % 2)}`,
      order_id: `o-${index}`,
      currency: 'GBP',
      campaign: 'summer',
    };
    const visit = { type: 'visit', time: at(10), channel: 'email', session_id: `s-${index}`, ...who };
    return [
      { ...visit, event_id: `visit-${index}`, order_id: undefined },
      orderEvent(`order-${index}`, { ...who, time: at(11), amount: 4_000 + index }),
      { ...who, event_id: `paid-${index}`, type: 'payment.succeeded', time: at(12), amount: 4_000 + index },
    ];
  });
  const sent = await test.send('/ingest', { key, json: JSON.parse(JSON.stringify(events)) });
  expect(await sent.json()).toMatchObject({ rejected: [] });
  await test.apply();
}

/** The first entries of each list. */
function shortened(value: unknown, entries: number): unknown {
  if (Array.isArray(value)) return value.slice(0, entries).map((entry) => shortened(entry, entries));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, shortened(member, entries)]),
  );
}

/** One backfill at a time: that of the example before is ended. */
async function endBackfills(key: string): Promise<void> {
  await vi.waitFor(async () => {
    const { jobs } = (await (await test.send('/jobs?lane=backfill', { key })).json()) as { jobs: Json[] };
    const open = jobs.filter(({ status }) => !['succeeded', 'failed', 'cancelled'].includes(String(status)));
    for (const { job_id } of open) await test.send(`/jobs/${String(job_id)}`, { key, method: 'DELETE' });
    expect(open).toEqual([]);
  }, PATIENTLY);
}

/** Of a job's state the example needs one that goes on. */
async function filled(operation: Operation, key: string): ReturnType<World['fill']> {
  if (operation.route.tag === 'Jobs') await endBackfills(key);
  if (!/^(cancel|pause|resume|delete)Job$/.test(operation.id)) return world.fill(operation);
  const day = (at: number): string => new Date(Date.UTC(2001, 0, at)).toISOString();
  const range = { mode: 'range', start: day(++held), end: day(held + 1) };
  const made = await test.send('/jobs/backfill', { key, json: range });
  const { job_id } = (await made.json()) as { job_id: string };
  if (operation.id === 'resumeJob') await test.send(`/jobs/${job_id}/pause`, { key, method: 'POST' });
  return { path: operation.path.replace('{jobId}', job_id), init: { method: operation.method } };
}

/** Of a body that never ends. */
async function beginningOf(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  const text = new TextDecoder().decode((await reader?.read())?.value);
  await reader?.cancel();
  return text;
}

async function run(operation: Operation): Promise<void> {
  const { id, route, responses } = operation;
  const key = await test.key('admin', { tenants: '*' });
  const { path, init } = await filled(operation, key);
  const headers = { accept: 'application/json', ...(init.headers as Record<string, string>) };
  const response = await test.send(path, {
    ...init,
    headers,
    // A source that signs nothing has a key.
    ...(route.permission === 'none' && id !== 'sendToConnector' ? {} : { key }),
  });
  const type = response.headers.get('content-type')?.split(';')[0] ?? '';
  const text = ['followAnomalies', 'followPosition'].includes(id)
    ? await beginningOf(response)
    : await response.text();
  if (text.includes('"not_supported"') || world.lacks(operation)) return;
  expect(response.status, `${id} ${text}`).toBeLessThan(300);
  expect(response.status, id).toBeGreaterThanOrEqual(200);
  const documented = responses[response.status];
  expect(documented, `${id} documents ${response.status}`).toBeDefined();
  if (response.status === 204) return;
  expect(Object.keys(documented?.content ?? {}), id).toContain(type);
  const answer = route.answers[response.status];
  const schema = answer?.schema ?? answer?.content?.[type]?.schema;
  expect(schema, `${id} has a schema`).toBeDefined();
  const isJson = type === 'application/json';
  const json: unknown = isJson ? JSON.parse(text) : text;
  const parsed = schema?.safeParse(json);
  expect(parsed?.error?.issues, `${id} ${text.slice(0, 500)}`).toBeUndefined();
  if (answer?.example !== undefined) return;
  // As short as its schema lets it be.
  const lengths = isJson ? [1, 2, 10] : [];
  const short = lengths
    .map((length) => shortened(json, length))
    .find((one) => schema?.safeParse(one).success);
  recorded[id] = { status: response.status, type, example: isJson ? short : text.slice(0, SHOWN_CHARS) };
}

describe('each operation', () => {
  it('has an example that is answered as the document says', async () => {
    const last = (operation: Operation): number => Number(operation.method === 'DELETE');
    const failed: string[] = [];
    for (const operation of [...openApi.operations].sort((one, other) => last(one) - last(other))) {
      try {
        await run(operation);
      } catch (error) {
        failed.push(String((error as Error).message).slice(0, 700));
      }
    }
    expect(failed).toEqual([]);
  });

  it('shows a request and an answer, which is of its schema', () => {
    const lacking: string[] = [];
    for (const { id, body, responses, route } of isUpdate ? [] : openApi.operations) {
      if (body !== undefined && body.examples.length === 0) lacking.push(`${id}: a body`);
      const media = Object.entries(responses)
        .filter(([status]) => Number(status) < 300)
        .flatMap(([status, { content = {} }]) =>
          Object.entries(content).map(([type, one]) => ({ status: Number(status), type, ...one })),
        );
      if (media.length > 0 && !media.some(({ example }) => example !== undefined))
        lacking.push(`${id}: an answer`);
      for (const { status, type, example } of media) {
        const schema = route.answers[status]?.schema ?? route.answers[status]?.content?.[type]?.schema;
        const issues = example === undefined ? undefined : schema?.safeParse(example).error?.issues;
        if (issues !== undefined) lacking.push(`${id}: ${status} ${JSON.stringify(issues[0])}`);
      }
    }
    expect(lacking).toEqual([]);
  });

  it('says of each member of its answers and bodies what it is: a schema', () => {
    const empty = openApi.operations.flatMap(({ id, responses, body }) => [
      ...Object.values(responses).flatMap(({ content = {} }) =>
        Object.values(content).flatMap(({ schema }) => (isEmpty(schema) ? [id] : [])),
      ),
      ...(body !== undefined && isEmpty(body.schema) ? [`${id}: body`] : []),
    ]);
    expect(empty).toEqual([]);
  });
});

const isEmpty = (schema: Json | undefined): boolean => Object.keys(schema ?? {}).length === 0;
