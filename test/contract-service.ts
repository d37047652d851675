import { connectNats, EventPublisher, type NatsLink } from '../connectors/index.ts';
import { ADMIN_KEY, type HttpAnswer, type KpiAnswer, type Millrace, until } from './process.ts';
import type { Scratch } from './scratch.ts';

const BASE = '/v1/order-analytics';
export const JSON_TYPE = { 'Content-Type': 'application/json' };

export interface Sent {
  readonly tenant: string;
  readonly body: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Event = Readonly<Record<string, unknown>>;

/** What comes back of a request, read to the end. */
export interface RawAnswer {
  readonly status: number;
  readonly text: string;
  readonly json: HttpAnswer['json'];
}

/** A running service, asked as clients and producers do: by HTTP, and by the stream. */
export class ContractService {
  readonly instance: Millrace;
  readonly dataDir: string;
  readonly #link: NatsLink;
  readonly #publisher: EventPublisher;
  #at = 0;

  private constructor(instance: Millrace, dataDir: string, link: NatsLink) {
    this.instance = instance;
    this.dataDir = dataDir;
    this.#link = link;
    this.#publisher = new EventPublisher(link);
  }

  static async start(
    scratch: Scratch,
    {
      env = {},
      dataDir,
    }: { readonly env?: Readonly<Record<string, string>>; readonly dataDir?: string } = {},
  ): Promise<ContractService> {
    const folder = dataDir ?? (await scratch.dir('contract'));
    const settings = { RATE_LIMIT_RPS: '1000000', RATE_LIMIT_BURST: '1000000', ...env };
    const instance = await scratch.start({ dataDir: folder, env: settings });
    const { nats } = await instance.listening;
    const link = await connectNats({ ...nats, name: 'contract-test' });
    return new ContractService(instance, folder, link);
  }

  get link(): NatsLink {
    return this.#link;
  }

  /** Leaves the stream, and ends the service if it still runs. */
  async stop(): Promise<void> {
    await this.#link.close();
    if (this.instance.isRunning) await this.instance.terminate();
  }

  async send(
    path: string,
    { tenant, body, headers = {} }: Sent,
    { method = 'POST', signal }: { readonly method?: string; readonly signal?: AbortSignal } = {},
  ): Promise<RawAnswer> {
    const { url } = await this.instance.listening;
    const response = await fetch(`${url}${BASE}${path}`, {
      method,
      headers: { Authorization: `Bearer ${ADMIN_KEY}`, 'X-Tenant-ID': tenant, ...headers },
      ...(method === 'GET' ? {} : { body: typeof body === 'string' ? body : Uint8Array.from(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
    const text = await response.text();
    return { status: response.status, text, json: JSON.parse(text) as HttpAnswer['json'] };
  }

  get(tenant: string, path: string): Promise<RawAnswer> {
    return this.send(path, { tenant, body: '' }, { method: 'GET' });
  }

  post(tenant: string, path: string, json: unknown): Promise<RawAnswer> {
    return this.send(path, { tenant, body: JSON.stringify(json), headers: JSON_TYPE });
  }

  /** A body to POST /ingest. */
  http(tenant: string, body: string | Uint8Array, headers: Sent['headers'] = JSON_TYPE): Promise<RawAnswer> {
    return this.send('/ingest', { tenant, body, headers });
  }

  /** A message to the stream; gives its sequence. */
  async nats(tenant: string, body: string | Uint8Array, headers?: Sent['headers']): Promise<number> {
    const payload = typeof body === 'string' ? Buffer.from(body) : body;
    const message = { subject: `events.${tenant}.contract`, payload };
    const { sequences } = await this.#publisher.publishAll([
      headers === undefined ? message : { ...message, headers },
    ]);
    return sequences[0] ?? 0;
  }

  /** Events by themselves, one a message, without waiting for each. */
  async stream(tenant: string, events: readonly Event[]): Promise<readonly number[]> {
    const subject = `events.${tenant}.contract`;
    const messages = events.map((event) => ({ subject, payload: Buffer.from(JSON.stringify(event)) }));
    const sequences: number[] = [];
    for (let at = 0; at < messages.length; at += 2_000) {
      const stored = await this.#publisher.publishAll(messages.slice(at, at + 2_000));
      sequences.push(...stored.sequences);
    }
    return sequences;
  }

  /** The same events by HTTP into one tenant and by the stream into another; gives both tenants' names. */
  async both(name: string, events: readonly Event[]): Promise<readonly [http: string, nats: string]> {
    const [http, nats] = [`${name}-http`, `${name}-nats`];
    const { status, text, json } = await this.http(http, JSON.stringify(events));
    if (status !== 202 || json.accepted !== events.length) throw new Error(`${status}: ${text}`);
    await this.stream(nats, events);
    await this.instance.untilApplied();
    return [http, nats];
  }

  /** An event with an id and a type of its own. */
  event(members: Event): Event {
    return { event_id: `e-${++this.#at}`, type: 'order.created', currency: 'EUR', ...members };
  }

  kpis(tenant: string, query: object): Promise<KpiAnswer> {
    return this.instance.kpis(tenant, query);
  }

  /** The totals of the one group of a query over all time, unless it says otherwise. */
  totals(
    tenant: string,
    metrics: readonly string[],
    more: object = {},
  ): Promise<KpiAnswer['groups'][number]['totals']> {
    return this.instance.totals(tenant, { metrics, ...ALL_TIME, ...more });
  }

  /** Totals by the one dimension that is grouped by; `null` is the text 'null'. */
  async by(
    tenant: string,
    dimension: string,
    metrics: readonly string[],
    more: object = {},
  ): Promise<Readonly<Record<string, Readonly<Record<string, number | null>>>>> {
    const { groups } = await this.kpis(tenant, { metrics, ...ALL_TIME, group_by: [dimension], ...more });
    return Object.fromEntries(groups.map(({ key, totals }) => [String(key[dimension]), totals]));
  }

  /** Reasons of the tenant's dead letters, sorted. */
  async deadLetters(tenant: string): Promise<string[]> {
    const { json } = await this.get(tenant, '/diagnostics?limit=1000');
    const notices = json.notices as Record<string, { newest: { detail: { reason: string } }[] }>;
    return (notices.dead_letter?.newest ?? []).map(({ detail }) => detail.reason).sort();
  }

  /** A job that has ended. */
  async job(tenant: string, job_id: unknown): Promise<HttpAnswer['json']> {
    return until(
      async () => {
        const { json } = await this.get(tenant, `/jobs/${job_id}`);
        return ['succeeded', 'failed', 'cancelled'].includes(String(json.status)) ? json : undefined;
      },
      () => `job ${job_id} ends`,
      60_000,
    );
  }
}

/** A range that holds every event of these tests. */
export const ALL_TIME = { start: '2020-01-01T00:00:00Z', end: '2026-01-01T00:00:00Z' };
