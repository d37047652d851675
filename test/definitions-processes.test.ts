import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  connectNats,
  EventPublisher,
  type NatsLink,
  openKeyValueStore,
  openManager,
} from '../connectors/index.ts';
import { DEFINITIONS_BUCKET } from '../runtime/index.ts';
import { startTestNats, type TestNats } from './nats.ts';
import { ADMIN_KEY, type HttpAnswer, type Millrace, until } from './process.ts';
import { Scratch } from './scratch.ts';

const PATIENTLY_MS = 60_000;
const SEEN_MS = 1_000;
const MADE = 9;
const TEST_MS = 300_000;
const RACES = 10;
const ORDERS = 200;
const BUCKET_STREAM = 'KV_millrace-definitions';
const COUNT = { type: 'count', event: 'order.created' };

const scratch = new Scratch();
let nats: TestNats;
let link: NatsLink;
let one: Millrace;
let two: Millrace;

beforeAll(async () => {
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'definitions-test' });
  const env = {
    NATS_URL: nats.url,
    KEY_SIGNING_SECRET: 'one secret of both, of 32 characters'.replaceAll(' ', '-'),
  };
  const [first, second] = [await scratch.dir('definitions-one'), await scratch.dir('definitions-two')];
  one = await scratch.start({ dataDir: first, env });
  two = await scratch.start({ dataDir: second, env });
});
afterAll(async () => {
  await link?.close();
  await scratch.clean();
  await nats?.stop();
});

const create = (service: Millrace, name: string): Promise<HttpAnswer> =>
  service.request('POST', '/metrics-catalog', { body: { name, ...COUNT } });

const patch = (service: Millrace, id: unknown, body: object, revision?: unknown): Promise<HttpAnswer> =>
  service.request('PATCH', `/metrics-catalog/${String(id)}`, {
    body,
    ...(revision === undefined ? {} : { headers: { 'If-Match': `"${String(revision)}"` } }),
  });

async function listed(service: Millrace): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const { status, json } = await service.request('GET', '/metrics-catalog?limit=1000');
  expect(status).toBe(200);
  return json.metrics as readonly Readonly<Record<string, unknown>>[];
}

const names = async (service: Millrace): Promise<unknown> => (await listed(service)).map(({ name }) => name);

/** Waits until both have the same, by what they tell. */
const alike = (of: (service: Millrace) => Promise<unknown>, wanted: unknown): Promise<boolean> =>
  until(
    async () => {
      expect([await of(one), await of(two)]).toEqual([wanted, wanted]);
      return true;
    },
    () => `both say ${JSON.stringify(wanted)}`,
    PATIENTLY_MS,
  );

it(
  'two processes on one server see each other’s definitions, and lose no update and no name',
  async () => {
    const made = await create(one, 'first');
    expect(made.status).toBe(201);
    const { id, revision } = made.json;
    const seen = (service: Millrace) => async (): Promise<true | undefined> =>
      (await service.request('GET', `/metrics-catalog/${String(id)}`)).status === 200 ? true : undefined;
    await until(seen(two), () => 'the other process sees it', PATIENTLY_MS);

    // The second one may not have heard of the change: the bucket says that its revision is an old one.
    expect((await patch(one, id, { event: 'order.updated' }, revision)).status).toBe(200);
    const lost = await patch(two, id, { event: 'visit' }, revision);
    expect([lost.status, lost.json.code]).toEqual([409, 'revision_conflict']);
    // Without a revision each keeps what the other one changed.
    await Promise.all([patch(one, id, { event: 'visit' }), patch(two, id, { filters: { country: 'GB' } })]);
    const both = async (service: Millrace): Promise<unknown> => {
      const [metric] = await listed(service);
      return [metric?.event, metric?.filters];
    };
    await alike(both, ['visit', { country: 'GB' }]);

    for (let race = 0; race < RACES; race++) {
      const answers = await Promise.all([create(one, `race_${race}`), create(two, `race_${race}`)]);
      const codes = answers.map(({ status, json }) => [status, json.code]).sort();
      expect(codes).toEqual([
        [201, undefined],
        [409, 'name_taken'],
      ]);
    }
    const removed = await two.request('DELETE', `/metrics-catalog/${String(id)}`);
    expect(removed.status).toBe(204);
    await alike(
      names,
      Array.from({ length: RACES }, (_, race) => `race_${race}`),
    );
  },
  TEST_MS,
);

it(
  'a key of one works on the other, is revoked on both, and its record written back by hand is no key',
  async () => {
    const store = await openKeyValueStore(link, DEFINITIONS_BUCKET);
    const made = await one.request('POST', '/keys', { body: { name: 'board', role: 'viewer' } });
    expect(made.status).toBe(201);
    const { id, key } = made.json;
    const answered = async (service: Millrace): Promise<unknown> => {
      const { url } = await service.listening;
      const headers = { Authorization: `Bearer ${String(key)}` };
      const response = await fetch(`${url}/v1/order-analytics/permissions/me`, { headers });
      return response.status === 200 ? 'works' : ((await response.json()) as { code: string }).code;
    };
    await alike(answered, 'works');
    const place = `def.api_key.default.${String(id)}`;
    const before = await store.get(place);
    expect(JSON.stringify(before)).not.toContain(String(key).split('_')[2]);
    expect((await two.request('DELETE', `/keys/${String(id)}`)).status).toBe(204);
    await alike(answered, 'key_revoked');
    const revoked = await store.get(place);
    expect((await store.update(place, before?.value, revoked?.revision ?? 0)).ok).toBe(true);
    const refused = async (service: Millrace): Promise<unknown> => {
      const { url } = await service.listening;
      const headers = { Authorization: `Bearer ${ADMIN_KEY}` };
      const text = await (await fetch(`${url}/v1/order-analytics/metrics`, { headers })).text();
      return /^millrace_keys_refused_total (\d+)$/m.exec(text)?.[1];
    };
    await alike(refused, '1');
    await alike(answered, 'key_revoked');
  },
  TEST_MS,
);

it(
  'what one has acknowledged the other one knows within a second',
  async () => {
    const took_ms: number[] = [];
    for (let at = 0; at < MADE; at++) {
      const [maker, other] = at % 2 === 0 ? [one, two] : [two, one];
      const { status, json } = await create(maker, `seen_${at}`);
      const acknowledged_ms = performance.now();
      expect(status).toBe(201);
      await until(
        async () => {
          const got = await other.request('GET', `/metrics-catalog/${String(json.id)}`);
          return got.status === 200 ? true : undefined;
        },
        () => `the other process sees it: ${other.output}`,
        PATIENTLY_MS,
        1,
      );
      took_ms.push(performance.now() - acknowledged_ms);
      expect((await other.request('DELETE', `/metrics-catalog/${String(json.id)}`)).status).toBe(204);
    }
    // The middle one: a machine that stands still for a moment is not what is measured.
    const sorted = took_ms.toSorted((a, b) => a - b);
    expect(sorted[Math.floor(MADE / 2)], `each took, ms: ${sorted.map(Math.round)}`).toBeLessThan(SEEN_MS);
  },
  TEST_MS,
);

it(
  'a bucket that is deleted under both is a named error, and comes back with all there was',
  async () => {
    const before = await names(one);
    const manager = await openManager(link);
    const wanted = [...(before as readonly string[])];
    for (let attempt = 0; ; attempt++) {
      await manager.streams.delete(BUCKET_STREAM);
      const answer = await create(two, `more_${attempt}`);
      if (answer.status === 503) {
        expect(answer.json.code).toBe('kv_unavailable');
        break;
      }
      // It was made again between the two.
      expect([answer.status, attempt < 20]).toEqual([201, true]);
      wanted.push(`more_${attempt}`);
      await alike(names, wanted);
    }
    await until(
      async () => ((await create(two, 'after')).status === 201 ? true : undefined),
      () => 'the bucket is there again',
      PATIENTLY_MS,
    );
    await alike(names, [...wanted, 'after']);
    const taken = await create(one, 'race_0');
    expect([taken.status, taken.json.code]).toEqual([409, 'name_taken']);
    for (const service of [one, two]) {
      await service.untilHealth(
        ({ subsystems }) => subsystems.definitions?.status === 'ok',
        'definitions are ok',
      );
    }
  },
  TEST_MS,
);

it(
  'a dimension is built by each of them, and what names it is known where it was not built yet',
  async () => {
    const messages = Array.from({ length: ORDERS }, (_, index) => ({
      subject: 'events.default.x',
      payload: Buffer.from(
        JSON.stringify({
          ...{ event_id: `e${index}`, type: 'order.created', time: '2025-03-10T10:00:00Z' },
          ...{ order_id: `o${index}`, amount: 100, currency: 'EUR', data: { store: `s${index % 2}` } },
        }),
      ),
    }));
    await new EventPublisher(link).publishAll(messages);
    await Promise.all([one.untilApplied(), two.untilApplied()]);
    const made = await one.request('POST', '/dimensions', { body: { name: 'store' } });
    expect(made.status).toBe(201);
    const query = {
      ...{ metrics: ['in_s1'], start: '2025-03-01T00:00:00Z', end: '2025-04-01T00:00:00Z' },
      group_by: ['store'],
    };
    // As soon as one of them takes it; the other one may build still.
    await until(
      async () => {
        const body = { name: 'in_s1', ...COUNT, filters: { store: 's1' } };
        const { status } = await one.request('POST', '/metrics-catalog', { body });
        return status === 201 ? true : undefined;
      },
      () => `the dimension is ready: ${one.output}`,
      PATIENTLY_MS,
    );
    for (const service of [one, two]) {
      await until(
        async () => {
          const { groups } = await service.kpis('default', query);
          expect(groups.find(({ key }) => key.store === 's1')?.totals).toEqual({ in_s1: ORDERS / 2 });
          return true;
        },
        () => `it answers: ${service.output}`,
        PATIENTLY_MS,
      );
    }
  },
  TEST_MS,
);
