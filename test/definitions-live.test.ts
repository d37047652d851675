import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectNats, EventPublisher, type NatsLink } from '../connectors/index.ts';
import { SeededRandom } from '../engine/index.ts';
import { sizes } from './long.ts';
import { startTestNats, type TestNats } from './nats.ts';
import { type Millrace, stateDigestOf, until } from './process.ts';
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
/** For what hangs: builds step back for the live task, and a busy machine leaves them little. */
const PATIENTLY_MS = 900_000;
const TEST_MS = 3_600_000;
/** Members of `data` that become dimensions. */
const MEMBERS = ['tier', 'store', 'shelf', 'agent'] as const;
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

const start = async (dataDir: string, declared: readonly string[] = []): Promise<Millrace> =>
  await scratch.start({
    dataDir,
    env: {
      ...{ NATS_URL: nats.url, RATE_LIMIT_RPS: '100000', RATE_LIMIT_BURST: '100000' },
      CUSTOM_DIMENSIONS: declared.join(','),
    },
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
    // So many that none has more events than are kept of one for a funnel.
    customer_id: `c-${random.int(0, 999)}`,
    ...dimensions,
    data: Object.fromEntries(MEMBERS.map((name) => [name, `${name}-${random.int(0, 3)}`])),
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

type Kind = 'cube' | 'metric' | 'dimension' | 'funnel';

interface Made {
  readonly kind: Kind;
  readonly id: string;
  /** What asks for it, whatever else it asks; of a funnel, where. */
  readonly query: Readonly<Record<string, unknown>>;
  readonly path: string;
}

/** An answer while events came in, and the position that it was of. */
interface Answered {
  readonly path: string;
  readonly query: object;
  readonly position: unknown;
  readonly numbers: unknown;
}

const PATHS = {
  ...{ cube: '/cubes', metric: '/metrics-catalog' },
  ...{ dimension: '/dimensions', funnel: '/funnels' },
} as const;
const KPIS = '/kpis/query';
const TOTALS = ['orders_count', 'revenue', 'revenue_paid'];

/** A random definition that may name the dimensions that are ready. */
function bodyOf(
  kind: Kind,
  at: number,
  ready: readonly string[],
  random: SeededRandom,
): Readonly<Record<string, unknown>> {
  if (kind === 'dimension') return { name: MEMBERS[at] };
  const columns = random.shuffled([...COLUMNS, ...ready]);
  const [column = COLUMNS[0]] = columns;
  if (kind === 'funnel') {
    const step = (event: string) => ({
      event,
      ...(random.chance(0.3) ? { filters: { [column]: `${column}-0` } } : {}),
    });
    const steps = ['order.created', 'payment.succeeded', 'order.created'].map(step);
    return {
      ...{ name: `funnel ${at}`, steps: steps.slice(0, random.int(2, 3)), window: random.pick(['1d', '9d']) },
      order: random.pick(['ordered', 'strict', 'any']),
      entity: random.pick(['customer_id', 'order_id']),
      ...(random.chance(0.3) ? { hold_constant: [column] } : {}),
    };
  }
  if (kind === 'cube') {
    const dimensions = columns.slice(0, random.int(1, 3));
    return { name: `cube ${at}`, dimensions, granularity: random.pick(['1h', '1d']) };
  }
  const filters = { [column]: [`${column}-0`, `${column}-${random.int(1, 3)}`] };
  const rows = { event: random.pick(['order.created', 'payment.succeeded']), filters };
  const [sum, distinct] = [
    { type: 'sum', field: 'amount', ...rows },
    { type: 'distinct', field: 'customer_id', ...rows },
  ];
  const ratio = { type: 'ratio', numerator: sum, denominator: distinct };
  const avg = { type: 'avg', field: 'amount', ...rows };
  return { name: `metric_${at}`, ...random.pick([{ type: 'count', ...rows }, sum, avg, distinct, ratio]) };
}

function queryOf(
  kind: Kind,
  id: string,
  { name, dimensions }: Readonly<Record<string, unknown>>,
  random: SeededRandom,
): Pick<Made, 'path' | 'query'> {
  if (kind === 'funnel') return { path: `/funnels/${id}/query`, query: { granularity: '1d' } };
  const query = { granularity: '1d', limit: 1_000 };
  if (kind === 'metric')
    return { path: KPIS, query: { ...query, metrics: [name], group_by: [random.pick(COLUMNS)] } };
  const group_by = kind === 'cube' ? (dimensions as readonly string[]) : [String(name), random.pick(COLUMNS)];
  return { path: KPIS, query: { ...query, metrics: TOTALS, group_by } };
}

/** What a definition's query says now; undefined where the service says that it cannot say it yet. */
async function ask(
  service: Millrace,
  made: Made,
): Promise<(Answered & { readonly source: string }) | undefined> {
  const { path } = made;
  const query = { ...made.query, ...RANGE };
  const { status, json } = await service.request('POST', path, { body: query });
  if (status !== 200) {
    expect(['dimension_backfilling', 'state_not_ready', 'freshness_unmet', 'query_timeout']).toContain(
      json.code,
    );
    if (json.code === 'dimension_backfilling') expect(made.kind).toBe('dimension');
    return undefined;
  }
  const { position, source } = json.meta as { readonly position: unknown; readonly source: string };
  return { path, query, position, numbers: numbersOf(json), source };
}

/** Where a bucket or a window ends after the watermark, which stands elsewhere when the question is asked again. */
const BY_WATERMARK = ['incomplete', 'complete', 'in_progress', 'dropped'];

/** The groups of KPIs; of a funnel who reached which step, and when. */
function numbersOf({ groups, steps, dropoffs, trend, ...other }: Readonly<Record<string, unknown>>): unknown {
  const times = [other.time_to_convert_histogram, other.time_between_steps];
  return JSON.parse(
    JSON.stringify(
      steps === undefined ? groups : { steps, dropoffs, trend, times },
      (name, value: unknown) => (BY_WATERMARK.includes(name) ? undefined : value),
    ),
  );
}

/** Of the same position, by a scan; of the definition of the service that answered, by its id. */
async function expectSame(service: Millrace, answer: Answered): Promise<void> {
  const { path, query, position, numbers } = answer;
  // A scan of the whole log may take longer than a query has on a busy machine; the service says so, and is asked again.
  const again = await until(
    async () => {
      const said = await service.request('POST', path, { body: { ...query, as_of: position } });
      return said.json.code === 'query_timeout' ? undefined : said;
    },
    () => `${path} is answered in time for ${JSON.stringify(query)}`,
    PATIENTLY_MS,
  );
  expect([again.status, again.json.code]).toEqual([200, undefined]);
  expect({ path, query, position, numbers }).toEqual({
    ...{ path, query, position },
    numbers: numbersOf(again.json),
  });
}

const READY: Readonly<Record<Kind, string | undefined>> = {
  cube: 'complete',
  dimension: 'ready',
  funnel: 'complete',
  metric: undefined,
};

const untilReady = (service: Millrace, { kind, id }: Made): Promise<true> =>
  until(
    async () => {
      const { json } = await service.request('GET', `${PATHS[kind]}/${id}`);
      const { status } = (json.state ?? {}) as { readonly status?: string };
      return status === READY[kind] ? true : undefined;
    },
    () => `${id} is ready: ${service.output}`,
    PATIENTLY_MS,
  );

/** The kinds of the definitions, in a random order. */
function kindsOf(random: SeededRandom): readonly Kind[] {
  const { live_definitions, live_dimensions } = sizes;
  const others = Array.from({ length: live_definitions - live_dimensions }, (_, at): Kind => {
    if (at % 5 === 2) return 'funnel';
    return at % 2 === 0 ? 'metric' : 'cube';
  });
  return random.shuffled([...others, ...MEMBERS.slice(0, live_dimensions).map(() => 'dimension' as const)]);
}

it(
  'what is defined while events come in says, from its first answer on, what a state says that was built with it',
  async () => {
    const random = new SeededRandom(SEED);
    link = await connectNats({ url: nats.url, name: 'definitions-test' });
    const dataDir = await scratch.dir('definitions');
    let service = await start(dataDir);
    const stop = new AbortController();
    const loading = load(new SeededRandom(SEED + 1), stop.signal);
    const all: Made[] = [];
    const dimensions: string[] = [];
    const ready = new Set<string>();
    const answers: (Answered & { readonly source: string })[] = [];
    const look = async (made: Made): Promise<void> => {
      const answer = await ask(service, made);
      if (answer === undefined) return;
      answers.push(answer);
      const [name = ''] = (made.query.group_by ?? []) as readonly string[];
      if (made.kind === 'dimension') ready.add(name);
    };
    const killAt = Array.from({ length: sizes.live_kills }, (_, at) =>
      Math.round(((at + 1) * sizes.live_definitions) / (sizes.live_kills + 1)),
    );
    try {
      await service.untilApplied();
      for (const [at, kind] of kindsOf(random).entries()) {
        const body = bodyOf(kind, kind === 'dimension' ? dimensions.length : at, [...ready], random);
        const { status, json } = await service.request('POST', PATHS[kind], { body });
        expect([status, json.code, json.detail]).toEqual([201, undefined, undefined]);
        if (kind === 'dimension') dimensions.push(String(body.name));
        const id = String(json.id);
        const made: Made = { kind, id, ...queryOf(kind, id, body, random) };
        all.push(made);
        await look(made);
        await sleep(random.int(0, MAX_PAUSE_MS));
        // Sometimes before the pipeline has taken the definition, or while it is built.
        if (killAt.includes(at)) {
          await service.kill();
          service = await start(dataDir);
        }
        await look(random.pick(all));
        for (const one of all.filter((other) => other.kind === 'dimension')) await look(one);
      }
      for (const made of all) {
        await untilReady(service, made);
        await look(made);
      }
    } finally {
      stop.abort();
    }
    expect(await loading).toBeGreaterThan(CHUNK);
    await service.untilApplied();
    for (const made of all) await look(made);
    const from = (way: string): boolean => answers.some(({ source }) => source.startsWith(way));
    expect([ready.size, from('rollup:'), from('incremental')]).toEqual([sizes.live_dimensions, true, true]);
    await service.terminate();

    const afresh = await scratch.dir('definitions-afresh');
    const other = await start(afresh, dimensions);
    await other.untilApplied();
    for (const made of all) await untilReady(other, made);
    for (const answer of answers) await expectSame(other, answer);
    await other.terminate();
    expect((await stateDigestOf(afresh)).tables).toEqual((await stateDigestOf(dataDir)).tables);
  },
  TEST_MS,
);
