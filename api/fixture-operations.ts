import { vi } from 'vitest';
import { orderEvent, type TestApi } from './fixture-api.ts';
import type { Route } from './http/index.ts';

/** The operations of the OpenAPI document, and things in a tenant for them to find. For tests. */

export type Json = Record<string, unknown>;

interface Media {
  readonly schema?: Json;
  readonly example?: unknown;
  readonly examples?: Readonly<Record<string, { readonly value: unknown }>>;
}

interface Documented {
  readonly operationId: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema: Json;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, Media>> }>>;
}

export interface Operation {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly route: Route;
  readonly query: readonly { readonly name: string; readonly schema: Json }[];
  /** The first media type of the body, with its schema and the first example. */
  readonly body:
    | { readonly type: string; readonly schema: Json; readonly examples: readonly unknown[] }
    | undefined;
  readonly media_types: readonly string[];
  /** Codes of problems that it documents. */
  readonly codes: ReadonlySet<string>;
  readonly responses: Documented['responses'];
}

export interface OpenApi {
  readonly operations: readonly Operation[];
  readonly schemas: Readonly<Record<string, Json>>;
}

const BASE = '/v1/order-analytics';
const A_WHILE = { timeout: 20_000, interval: 5 };

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Documented>>>>;
  readonly components: { readonly schemas?: Readonly<Record<string, Json>> };
}

/** By what they are made of: to make one takes more than a second. */
const documents = new Map<string, Promise<Document>>();

function documentOf(test: TestApi): Promise<Document> {
  const { settings, backfill, archive } = test.ports;
  const ids = test.api.routes.map(({ id }) => id);
  const made = JSON.stringify([ids, settings, backfill !== undefined, archive !== undefined]);
  const key = made.replaceAll(settings.dataDir, '');
  const document =
    documents.get(key) ??
    test.send('/openapi.json').then(async (response) => (await response.json()) as Document);
  documents.set(key, document);
  return document;
}

/** What the document says, for the base without a tenant. */
export async function openApiOf(test: TestApi): Promise<OpenApi> {
  const document = await documentOf(test);
  const routes = new Map(test.api.routes.map((route) => [route.id, route]));
  const operations = Object.entries(document.paths)
    .filter(([path]) => path.startsWith(`${BASE}/`))
    .flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, documented]) => {
        const route = routes.get(documented.operationId);
        if (route === undefined) throw new Error(`no route ${documented.operationId}`);
        return operationOf(path.slice(BASE.length), method.toUpperCase(), documented, route);
      }),
    );
  return { operations, schemas: document.components.schemas ?? {} };
}

function operationOf(path: string, method: string, documented: Documented, route: Route): Operation {
  const { operationId: id, parameters = [], requestBody, responses } = documented;
  const content = Object.entries(requestBody?.content ?? {});
  const [first] = content;
  const examples = content.flatMap(([, media]) => Object.values(media.examples ?? {}));
  const problems = Object.values(responses).flatMap(({ content: media }) =>
    Object.keys(media?.['application/problem+json']?.examples ?? {}),
  );
  const body =
    first === undefined
      ? undefined
      : { type: first[0], schema: first[1].schema ?? {}, examples: examples.map(({ value }) => value) };
  return {
    ...{ id, method, path, route, body, responses },
    query: parameters.filter((parameter) => parameter.in === 'query'),
    media_types: content.map(([type]) => type),
    codes: new Set(problems),
  };
}

/** A request of an operation, its path filled in. */
export interface Filled {
  readonly path: string;
  readonly init: RequestInit;
}

/** A tenant with a bit of everything, and the names that no other tenant may read. */
export class World {
  readonly tenant: string;
  readonly key: string;
  readonly event_id: string;
  readonly #test: TestApi;
  readonly #operations: readonly Operation[];
  /** First parts of paths of what this process cannot make. */
  readonly #lacking = new Set<string>();
  #made = 0;
  #job_id: string | undefined;

  private constructor(test: TestApi, operations: readonly Operation[], tenant: string, key: string) {
    this.#test = test;
    this.#operations = operations;
    this.tenant = tenant;
    this.key = key;
    this.event_id = `event-of-${tenant}`;
  }

  /** Sends in events and defines one of each kind. */
  static async of(test: TestApi, { operations }: OpenApi, tenant: string): Promise<World> {
    const world = new World(test, operations, tenant, await test.key('admin', { tenant }));
    const marked = { customer_id: `customer-of-${tenant}`, channel: `channel-of-${tenant}` };
    const json = [
      orderEvent(world.event_id, marked),
      orderEvent(`${world.event_id}-2`, { ...marked, order_id: `order-of-${tenant}` }),
      // Of an item, for what-ifs; before August, which most examples ask for.
      ...Array.from({ length: 7 }, (_, day) =>
        orderEvent(`item-${day}-of-${tenant}`, {
          ...{ ...marked, time: `2025-07-${21 + day}T10:00:00Z`, amount: 2_400 },
          items: [{ sku: 'mug-blue', category: 'mugs', quantity: 2, unit_price: 1_200 }],
        }),
      ),
      {
        event_id: `fx-${tenant}`,
        type: 'fx.rate',
        time: '2025-01-01T00:00:00Z',
        base: 'GBP',
        quote: 'EUR',
        rate: 1,
      },
    ];
    const sent = await test.send('/ingest', { key: world.key, json });
    if (sent.status !== 202) throw new Error(`events of ${tenant}: ${sent.status}`);
    await test.apply();
    return world;
  }

  /** Whether a text tells something of this tenant. */
  isIn(text: string): boolean {
    return text.includes(`-of-${this.tenant}`);
  }

  /** Whether this process cannot make what the operation is about: a part of the system that is not in memory. */
  lacks({ path }: Operation): boolean {
    return this.#lacking.has(`/${path.split('/')[1]}`);
  }

  /** Makes what the path of an operation names, and gives the value of its parameter. */
  async idFor({ path }: Operation): Promise<string> {
    const [, family = ''] = path.split('/');
    if (family === 'events') return this.event_id;
    // Whom no event names.
    if (family === 'customers') return 'nobody';
    // One that was current before.
    if (family === 'generations') return '2';
    if (family === 'jobs' || family === 'exports') return this.job();
    return this.make(`/${family}`);
  }

  /** A finished export. */
  async job(): Promise<string> {
    if (this.#job_id !== undefined) return this.#job_id;
    const { key } = this;
    const query = {};
    const made = await this.#test.send('/exports', { key, json: { query, format: 'ndjson' } });
    const { job_id } = (await made.json()) as { job_id: string };
    await vi.waitFor(async () => {
      const job = (await (await this.#test.send(`/jobs/${job_id}`, { key })).json()) as { status: string };
      if (job.status !== 'succeeded') throw new Error(`the export is ${job.status}`);
    }, A_WHILE);
    this.#job_id = job_id;
    return job_id;
  }

  /** A model that is trained. */
  async #model(): Promise<string> {
    const { key } = this;
    const train = this.#operations.find(({ id }) => id === 'trainModel');
    const example = train?.body?.examples[0] as Json | undefined;
    this.#made += 1;
    const json = { ...example, name: `model_${this.#made}` };
    const made = await this.#test.send('/models/train', { key, json });
    const { job_id } = (await made.json()) as { job_id: string };
    return vi.waitFor(async () => {
      const job = await (await this.#test.send(`/jobs/${job_id}`, { key })).json();
      const { status, result } = job as { status: string; result: { model_id: string } | null };
      if (status !== 'succeeded') throw new Error(`the training is ${JSON.stringify(job)}`);
      return String(result?.model_id);
    }, A_WHILE);
  }

  /** Makes one more of a collection by its first example, and gives its id. */
  async make(collection: string): Promise<string> {
    if (collection === '/models') return this.#model();
    // Of the family of anomalies only rules are made.
    const path = collection === '/anomalies' ? '/anomalies/rules' : collection;
    const operation = this.#operations.find((one) => one.method === 'POST' && one.path === path);
    const example = operation?.body?.examples[0] as Json | undefined;
    if (example === undefined) throw new Error(`POST ${path} has no example`);
    this.#made += 1;
    const json = { ...example, name: `${String(example.name)}_${this.#made}` };
    const made = await this.#test.send(path, { key: this.key, json });
    const answer = (await made.json()) as { id?: string; code?: string };
    if (answer.code === 'not_supported') {
      this.#lacking.add(path);
      return 'nothing';
    }
    if (answer.id === undefined) throw new Error(`POST ${path}: ${made.status} ${JSON.stringify(answer)}`);
    return answer.id;
  }

  /** The operation with what is in this tenant, and its first example as the body. */
  async fill(operation: Operation): Promise<Filled> {
    const { path, method, body, id } = operation;
    if (id === 'downloadExport') {
      const job_id = await this.job();
      const job = await this.#test.send(`/exports/${job_id}`, { key: this.key });
      const { download_url } = (await job.json()) as { download_url: string };
      return { path: download_url.slice(BASE.length), init: { method } };
    }
    if (id === 'readSharedDashboard') {
      const { url } = await this.#link(await this.make('/dashboards'));
      return { path: url.slice(BASE.length), init: { method } };
    }
    if (id === 'resolveGaps') return this.#resolution(path);
    const filled = path.includes('{') ? await this.#pathOf(operation) : path;
    const query = new URLSearchParams(operation.route.query_example).toString();
    const init: RequestInit = { method, ...(body === undefined ? {} : this.#bodyOf(body)) };
    return { path: query === '' ? filled : `${filled}?${query}`, init };
  }

  /** Of a gap that nobody has resolved yet. */
  #resolution(path: string): Filled {
    this.#made += 1;
    const first = 1_000_000 + 10 * this.#made;
    this.#test.lose(first, first + 2);
    const body = { gaps: [{ stream: 'EVENTS', first, last: first + 2 }], note: 'Sent again.' };
    const headers = { 'content-type': 'application/json' };
    return { path, init: { method: 'POST', body: JSON.stringify(body), headers } };
  }

  async #pathOf(operation: Operation): Promise<string> {
    const id = await this.idFor(operation);
    const path = operation.path.replace(/\{id\}|\{jobId\}/, id);
    if (path.includes('{delivery}')) return path.replace('{delivery}', await this.delivery(id));
    if (path.includes('{linkId}')) return path.replace('{linkId}', (await this.#link(id)).id);
    return path.replace(/\{\w+\}/, id);
  }

  /** A link to a dashboard. */
  async #link(dashboard_id: string): Promise<{ readonly id: string; readonly url: string }> {
    const made = await this.#test.send(`/dashboards/${dashboard_id}/links`, { key: this.key, json: {} });
    return (await made.json()) as { id: string; url: string };
  }

  /** A delivery to a webhook: an anomaly that it was told of. */
  async delivery(webhook_id: string): Promise<string> {
    this.#made += 1;
    const data = Buffer.from(
      JSON.stringify({ id: `anomaly-${this.#made}`, metric: `metric-of-${this.tenant}` }),
    );
    const subject = `anomalies.${this.tenant}.revenue.high`;
    await this.#test.anomalies.append({ subject, id: `${this.tenant}-${this.#made}`, data });
    return vi.waitFor(async () => {
      const answer = await this.#test.send(`/webhooks/${webhook_id}/deliveries`, { key: this.key });
      const { deliveries } = (await answer.json()) as { deliveries: readonly { readonly id: string }[] };
      if (deliveries[0] === undefined) throw new Error('nothing was delivered yet');
      return deliveries[0].id;
    }, A_WHILE);
  }

  #bodyOf({ type, examples }: NonNullable<Operation['body']>): RequestInit {
    const [example = {}] = examples;
    this.#made += 1;
    const has = (member: string): boolean => Object.hasOwn(Object(example), member);
    const isNamed = has('name') && (!has('format') || has('schedule'));
    const named = isNamed
      ? { ...(example as Json), name: `${String((example as Json).name)}_${this.#made}` }
      : example;
    const text = typeof named === 'string' ? named : JSON.stringify(named);
    return { body: text, headers: { 'content-type': type } };
  }
}
