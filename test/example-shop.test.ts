import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { packageRoot } from '../examples/online-retail/app.ts';
import { SECTIONS } from '../examples/shop/commands.ts';
import { shopEvents } from '../examples/shop/generator.ts';
import { type CurlRequest, curlRequest } from './shell-words.ts';

const RUN = join(packageRoot(), 'dist', 'examples', 'run.js');
/** Less happens, and is there sooner. */
const QUICK = ['--every', '30'];
const A_WHILE = { timeout: 120_000, interval: 100 };

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  out(): string;
}

function start(...args: string[]): Run {
  const child = spawn(process.execPath, [RUN, 'shop', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data: Buffer) => {
      out += data.toString();
    });
  }
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return { child, ended, out: () => out };
}

let run: Run;
let requests: readonly CurlRequest[];
let variables: { readonly BASE: string; readonly KEY: string };

beforeAll(async () => {
  run = start(...QUICK);
  await vi.waitFor(() => expect(run.out()).toMatch(/goes on selling|\[\w+\]\n$/), A_WHILE);
  const [, BASE = '', KEY = ''] = /^BASE=(\S+) KEY=(\S+)$/m.exec(run.out()) ?? [];
  variables = { BASE, KEY };
  const lines = run.out().match(/^(curl|printf) .*$/gm) ?? [];
  requests = lines.map((line) => curlRequest(line, variables));
}, 150_000);
afterAll(async () => {
  run.child.kill('SIGTERM');
  expect(await run.ended).toBe(0);
});

async function send({
  url,
  method,
  headers,
  body,
  form,
}: Omit<CurlRequest, 'form'> & Partial<CurlRequest>): Promise<{ status: number; text: string }> {
  const data = new FormData();
  for (const { field, text, name } of form ?? []) {
    if (name === undefined) data.set(field, text);
    else data.set(field, new File([text], name, { type: 'text/csv' }));
  }
  const sent = form?.[0] === undefined ? body : data;
  const response = await fetch(url, { method, headers, ...(sent === undefined ? {} : { body: sent }) });
  return { status: response.status, text: await response.text() };
}

/** Whether a request is one of an endpoint, whose parameters are in braces. */
function isOf({ method, url }: CurlRequest, endpoint: string): boolean {
  const [wanted, path = ''] = endpoint.split(' ');
  const pattern = path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+');
  return method === wanted && new RegExp(`^${pattern}$`).test(new URL(url).pathname);
}

/** Lists of what is wrong: the shop has nothing of that. */
const FAULTS = /^(rejected|errors|error_report|warnings|why)$/;

/** Whether an answer has lists, and nothing in any of them. */
function hasOnlyEmptyLists(answer: object): boolean {
  const named = Object.entries(answer).filter(([name]) => !FAULTS.test(name));
  const lists = named.map(([, member]) => member as unknown).filter(Array.isArray);
  return lists.length > 0 && lists.every(({ length }) => length === 0);
}

/** There are none on most days; what a rule says in the application is sent to nobody. */
const MAY_BE_EMPTY = /\/anomalies|order-notification-rules/;

describe('npm run example -- shop', () => {
  it('prints a command for each endpoint, which is answered with something', async () => {
    const endpoints = SECTIONS.flatMap((section) => section.endpoints);
    expect(endpoints.length).toBeGreaterThan(110);
    const unasked = endpoints.filter((endpoint) => !requests.some((request) => isOf(request, endpoint)));
    expect([unasked, requests.length]).toEqual([[], endpoints.length]);
    const wrong: string[] = [];
    for (const request of requests) {
      const what = `${request.method} ${request.url.slice(variables.BASE.length)}`;
      // One recomputation at a time: the one of the command before.
      const { status, text } = await vi.waitFor(async () => {
        const answer = await send(request);
        expect(answer.text).not.toContain('backfill_running');
        return answer;
      }, A_WHILE);
      const isShown = status === 204 ? request.method === 'DELETE' : status < 300 && text.length > 2;
      if (!isShown) wrong.push(`${what}: ${status} ${text.slice(0, 300)}`);
      else if (
        text.startsWith('{') &&
        !MAY_BE_EMPTY.test(what) &&
        hasOnlyEmptyLists(JSON.parse(text) as object)
      )
        wrong.push(`${what}: ${text.slice(0, 300)}`);
    }
    expect(wrong).toEqual([]);
  }, 120_000);

  it('changes nothing when the same shop is published again', async () => {
    const numbers = async (): Promise<unknown> => {
      const body = JSON.stringify({
        metrics: ['orders_count', 'revenue_net', 'sessions', 'returns_count', 'customers_active'],
        ...{ start: '2026-01-01T00:00:00Z', end: `${new Date().toISOString().slice(0, 10)}T00:00:00Z` },
        ...{ group_by: ['channel'], force_fresh: true },
      });
      const headers = { authorization: `Bearer ${variables.KEY}`, 'content-type': 'application/json' };
      const url = `${variables.BASE}/v1/order-analytics/kpis/query`;
      const { status, text } = await send({ method: 'POST', url, headers, body });
      expect(status, text).toBe(200);
      return (JSON.parse(text) as { groups: unknown }).groups;
    };
    const before = await numbers();
    const again = start(...QUICK, '--url', variables.BASE, '--key', variables.KEY);
    expect([await again.ended, again.out()]).toEqual([0, expect.stringMatching(/^curl /m)]);
    expect(await numbers()).toEqual(before);
    const url = `${variables.BASE}/v1/order-analytics/dead-letters`;
    const letters = await send({
      method: 'GET',
      url,
      headers: { authorization: `Bearer ${variables.KEY}` },
      body: undefined,
    });
    expect(JSON.parse(letters.text)).toMatchObject({ dead_letters: [] });
  }, 120_000);

  it('says what it cannot do', async () => {
    const refused = start('--url', 'http://127.0.0.1:1', '--dyas', '2');
    expect([await refused.ended, refused.out()]).toEqual([1, expect.stringContaining('[bad_option]')]);
  });
});

describe('the shop', () => {
  const now_ms = Date.UTC(2026, 2, 10, 12, 34, 56);

  it('is a function of its seed: later there is more of it, and nothing else', () => {
    const first = shopEvents({ seed: 7, now_ms, days: 2 });
    expect(shopEvents({ seed: 7, now_ms, days: 2 })).toEqual(first);
    const later = new Map(
      shopEvents({ seed: 7, now_ms: now_ms + 3_600_000, days: 3 }).map((event) => [event.event_id, event]),
    );
    expect(
      first.filter((event) => JSON.stringify(later.get(event.event_id)) !== JSON.stringify(event)),
    ).toEqual([]);
    expect(new Set(first.map(({ event_id }) => event_id)).size).toBe(first.length);
    expect(shopEvents({ seed: 8, now_ms, days: 2 })).not.toEqual(first);
  });

  it('has somebody in it at any time, and an order each hour', () => {
    const times = (type: string): number[] =>
      shopEvents({ seed: 7, now_ms, days: 1 })
        .filter((event) => event.type === type)
        .map(({ time }) => Date.parse(time));
    const gaps = (all: readonly number[]): number =>
      Math.max(...all.map((time, at) => (all[at + 1] ?? now_ms) - time));
    expect(gaps(times('visit'))).toBeLessThan(5 * 60_000);
    expect(gaps(times('order.created'))).toBeLessThan(60 * 60_000);
  });
});
