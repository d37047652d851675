import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectNats, EventPublisher, type NatsLink } from '../connectors/index.ts';
import { SeededRandom } from '../engine/index.ts';
import { sizes } from './long.ts';
import { startTestNats, type TestNats } from './nats.ts';
import { ADMIN_KEY, type HttpAnswer, type Millrace, stateDigestOf, until } from './process.ts';
import { Scratch } from './scratch.ts';

/** Replay one: `DEFINITION_SEED=3 npx vitest run test/definitions-live.test.ts`. */
const SEED = Number(process.env.DEFINITION_SEED ?? 1);
const EVENTS_PER_S = 5_000;
const CHUNK = 500;
const MAX_PAUSE_MS = 300;
const TENANT = 'default';
const FIRST_MS = Date.UTC(2025, 2, 1);
const DAYS = 20;
const RANGE = { start: '2025-03-01T00:00:00Z', end: '2025-03-21T00:00:00Z' };
const PATIENTLY_MS = 120_000;
const TEST_MS = 600_000;
const COLUMNS = ['channel', 'country', 'campaign', 'region', 'payment_method', 'warehouse'] as const;

const scratch = new Scratch();
let nats: TestNats;
let link: NatsLink;

beforeAll(async () => {
  nats = await startTestNats();
});
afterAll(async () => {
  await link?.close();
  await scratch.clean();
  await nats?.stop();
});

const start = async (dataDir: string): Promise<Millrace> =>
  await scratch.start({
    dataDir,
    env: { NATS_URL: nats.url, RATE_LIMIT_RPS: '100000', RATE_LIMIT_BURST: '100000' },
  });

/** Some orders, some payments of orders that come before or after them. */
function event(index: number, random: SeededRandom): object {
  const time = new Date(FIRST_MS + random.int(0, DAYS * 86_400_000 - 1)).toISOString();
  const dimensions = Object.fromEntries(COLUMNS.map((name) => [name, `${name}-${random.int(0, 3)}`]));
  const order_id = `o-${random.int(0, index)}`;
  const type = random.chance(0.6) ? 'order.created' : 'payment.succeeded';
  return {
    event_id: `e-${index}`,
    type,
    time,
    order_id,
    currency: 'EUR',
    amount: random.int(1, 999),
    ...dimensions,
  };
}

/** Publishes at the rate until it is stopped, whatever becomes of the service. */
async function load(random: SeededRandom, stop: AbortSignal): Promise<number> {
  const publisher = new EventPublisher(link);
  const began_ms = performance.now();
  let count = 0;
  while (!stop.aborted && count < sizes.live_max_events) {
    const subject = `events.${TENANT}.x`;
    const messages = Array.from({ length: CHUNK }, () => ({
      subject,
      payload: Buffer.from(JSON.stringify(event(count++, random))),
    }));
    await publisher.publishAll(messages);
    await sleep(Math.max(0, began_ms + (count * 1_000) / EVENTS_PER_S - performance.now()));
  }
  return count;
}

interface Cube {
  readonly id: string;
  readonly dimensions: readonly string[];
}

async function send(service: Millrace, method: string, path: string, json?: unknown): Promise<HttpAnswer> {
  const { url } = await service.listening;
  const response = await fetch(`${url}/v1/order-analytics${path}`, {
    method,
    headers: { Authorization: `Bearer ${ADMIN_KEY}`, 'Content-Type': 'application/json' },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  const text = await response.text();
  const parsed = (text === '' ? {} : JSON.parse(text)) as HttpAnswer['json'];
  return { status: response.status, contentType: '', json: parsed };
}

/** Asks by a cube's dimensions; where a cube answered, a scan of the same position has to say the same. */
async function check(service: Millrace, { dimensions }: Cube): Promise<string> {
  const query = {
    ...{ metrics: ['orders_count', 'revenue', 'revenue_paid'], granularity: '1d', limit: 1_000 },
    ...{ group_by: dimensions, ...RANGE },
  };
  const { status, json } = await send(service, 'POST', '/kpis/query', query);
  if (status !== 200) return String(json.code);
  const source = String((json.meta as Record<string, unknown>).source);
  if (!source.startsWith('rollup')) return source;
  const as_of = { query_id: json.query_id };
  const scanned = await send(service, 'POST', '/kpis/query', { ...query, as_of });
  expect(scanned.status).toBe(200);
  expect((scanned.json.meta as Record<string, unknown>).source).toBe('scan');
  const { start, end } = RANGE;
  expect({ source, start, end, groups: json.groups }).toEqual({
    source,
    start,
    end,
    groups: scanned.json.groups,
  });
  return source;
}

async function stateOf(service: Millrace, { id }: Cube): Promise<string> {
  const { json } = await send(service, 'GET', `/cubes/${id}`);
  return (json.state as { status: string }).status;
}

const complete = (service: Millrace, cube: Cube): Promise<true> =>
  until(
    async () => ((await stateOf(service, cube)) === 'complete' ? true : undefined),
    () => `${cube.id} is complete`,
    PATIENTLY_MS,
  );

it(
  'cubes that are defined while events come in say what scans say, through kills, and end as if they had been there',
  async () => {
    const random = new SeededRandom(SEED);
    link = await connectNats({ url: nats.url, name: 'definitions-test' });
    const dataDir = await scratch.dir('definitions');
    let service = await start(dataDir);
    const stop = new AbortController();
    const loading = load(new SeededRandom(SEED + 1), stop.signal);
    const cubes: Cube[] = [];
    const sources: string[] = [];
    const killAt = Array.from({ length: sizes.live_kills }, (_, at) =>
      Math.round(((at + 1) * sizes.live_definitions) / (sizes.live_kills + 1)),
    );
    try {
      await service.untilApplied();
      for (let at = 0; at < sizes.live_definitions; at++) {
        const dimensions = random.shuffled(COLUMNS).slice(0, random.int(1, 3));
        const body = { name: `cube ${at}`, dimensions, granularity: random.pick(['1h', '1d']) };
        const made = await send(service, 'POST', '/cubes', body);
        expect([made.status, made.json.code]).toEqual([201, undefined]);
        cubes.push({ id: String(made.json.id), dimensions });
        await sleep(random.int(0, MAX_PAUSE_MS));
        // Sometimes before the pipeline has taken the definition, or while it is built.
        if (killAt.includes(at)) {
          await service.kill();
          service = await start(dataDir);
          await service.untilApplied();
        }
        for (let asked = 0; asked < 2; asked++) sources.push(await check(service, random.pick(cubes)));
      }
      for (const cube of cubes) {
        await complete(service, cube);
        expect(await check(service, cube)).toMatch(/^rollup:/);
      }
    } finally {
      stop.abort();
    }
    expect(await loading).toBeGreaterThan(CHUNK);
    expect(sources.filter((source) => source.startsWith('rollup:')).length).toBeGreaterThan(0);
    await service.untilApplied();
    for (const cube of cubes) await check(service, cube);
    await service.terminate();

    const afresh = await scratch.dir('definitions-afresh');
    const other = await start(afresh);
    await other.untilApplied();
    for (const cube of cubes) await complete(other, cube);
    await other.terminate();
    expect((await stateDigestOf(afresh)).tables).toEqual((await stateDigestOf(dataDir)).tables);
  },
  TEST_MS,
);
