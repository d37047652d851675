import type { Logger } from 'pino';
import type { HttpSender } from '../../connectors/index.ts';
import type { Clock, Counter, Metrics } from '../../engine/index.ts';
import {
  type Definition,
  type DefinitionChange,
  DefinitionError,
  type KindDefinitions,
  systemRandom,
  ulid,
} from '../definitions/index.ts';
import {
  type Attempted,
  type Deliveries,
  type DeliveryView,
  failuresInRow,
  type RetryPolicy,
} from '../delivery/index.ts';
import type { SigningSecret } from '../trust/index.ts';
import { Seal } from './seal.ts';
import { newSecret } from './signature.ts';
import { SKEW_MS, WebhookEndpoint, type WebhookParts } from './webhook-endpoint.ts';
import { NOTICE_FORM, type WebhookForm } from './webhook-form.ts';
import { asksFor, asksForOrders, type WebhookBody } from './webhook-kind.ts';

/** So many deliveries in a row that failed disable a webhook. */
const FAILURES_MAX = 10;
/** A webhook that was disabled misses nothing for so long: as long as notices are kept, ms. */
const WAITS_MS = 7 * 86_400_000;

export interface WebhooksOptions {
  readonly webhooks: KindDefinitions<WebhookBody>;
  readonly deliveries: Deliveries;
  readonly http: Pick<HttpSender, 'post' | 'check'>;
  readonly secret: SigningSecret;
  readonly retry: RetryPolicy;
  readonly clock: Clock;
  readonly log: Logger;
  /** How they are told; default: as those of the first API. */
  readonly form?: WebhookForm;
  /** Shared by the webhooks of all APIs. */
  readonly metrics: Metrics;
}

/** The webhooks of all tenants, told of what they asked for. */
export class Webhooks {
  readonly #options: WebhooksOptions;
  readonly #seal: Seal;
  readonly #parts: WebhookParts;
  readonly #listeners = new Set<() => void>();
  #unlisten: (() => void) | undefined;
  /** Changes are made one after the other. */
  #changes: Promise<void> = Promise.resolve();

  constructor(options: WebhooksOptions) {
    this.#options = options;
    const { webhooks, http, clock, retry, form = NOTICE_FORM } = options;
    this.#seal = new Seal(options.secret);
    for (const reason of ['gone', 'failing'] as const) this.#disabled(reason);
    const failed = this.#failed.bind(this);
    this.#parts = { webhooks, http, seal: this.#seal, clock, retry, form, failed };
  }

  #disabled(reason: 'gone' | 'failing'): Counter {
    const what = 'Webhooks that this process disabled';
    return this.#options.metrics.counter('millrace.webhooks.disabled', what, { reason });
  }

  /** Begins to tell them; the definitions are loaded. */
  start(): void {
    const { webhooks } = this.#options;
    this.#unlisten = webhooks.onChange((change) => this.#changed(change));
    for (const tenant of webhooks.tenants())
      for (const webhook of webhooks.list(tenant)) this.#apply(webhook);
  }

  async close(): Promise<void> {
    this.#unlisten?.();
    await this.#changes;
  }

  /** Calls back when the tenants whose order events are asked for may be others. */
  onWishes(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Tenants whose order events somebody asked for, and since when. */
  orderTenants(): ReadonlyMap<string, number> {
    const { webhooks } = this.#options;
    const since = new Map<string, number>();
    for (const tenant of webhooks.tenants()) {
      for (const { body, created_at_ms } of webhooks.list(tenant)) {
        if (!this.#isTold(body) || !asksForOrders(body)) continue;
        since.set(tenant, Math.min(since.get(tenant) ?? created_at_ms, created_at_ms));
      }
    }
    return since;
  }

  /** Whether a webhook of the tenant asked for a type. */
  isWanted(tenant: string, type: string): boolean {
    return this.#options.webhooks.list(tenant).some(({ body }) => this.#isTold(body) && asksFor(body, type));
  }

  /** Tenants with webhooks that are told, each with the time since when. */
  toldTenants(): ReadonlyMap<string, number> {
    const { webhooks } = this.#options;
    const since = new Map<string, number>();
    for (const tenant of webhooks.tenants()) {
      for (const { body, created_at_ms } of webhooks.list(tenant)) {
        if (this.#isTold(body))
          since.set(tenant, Math.min(since.get(tenant) ?? created_at_ms, created_at_ms));
      }
    }
    return since;
  }

  /** The webhooks of a tenant that are told of what was stored at a time, if it is of a type that they asked for. */
  askersOf(tenant: string, type: string, stored_at_ms: number): readonly string[] {
    const { wants } = this.#parts.form;
    return this.#options.webhooks
      .list(tenant)
      .filter(({ body, created_at_ms }) => {
        const since_ms = (body.enabled_at_ms ?? created_at_ms) - SKEW_MS;
        return this.#isTold(body) && wants(body, type) && stored_at_ms >= since_ms;
      })
      .map(({ id }) => id);
  }

  /** Throws `target_forbidden`, `target_invalid`. */
  check(url: string): Promise<void> {
    return this.#options.http.check(url);
  }

  /** A secret as it is stored; one is made where none is given. */
  sealed(tenant: string, given: string | undefined): string {
    return this.#seal.seal(tenant, given ?? newSecret());
  }

  /** The secret of a webhook; null where another installation has set it. */
  secretOf({ tenant, body }: Definition<WebhookBody>): string | null {
    return this.#seal.open(tenant, body.sealed_secret) ?? null;
  }

  /** What enables a webhook again: a patch of what is stored. */
  enabling(): Pick<WebhookBody, 'disabled' | 'enabled_at_ms'> {
    return { disabled: null, enabled_at_ms: this.#options.clock.now() };
  }

  /** The newest deliveries first. */
  deliveries({ tenant, id }: Definition<WebhookBody>): Promise<readonly DeliveryView[]> {
    return this.#options.deliveries.log.deliveries(tenant, id);
  }

  /** Sends something now, whatever the webhook asked for, and says what became of it. */
  async test(webhook: Definition<WebhookBody>, signal: AbortSignal): Promise<DeliveryView> {
    const { deliveries, clock } = this.#options;
    const time_ms = clock.now();
    const notice = {
      ...{ tenant: webhook.tenant, type: 'webhook.test', id: `test_${ulid(time_ms, systemRandom)}`, time_ms },
      payload: this.#parts.form.testOf(webhook.id),
    };
    return deliveries.deliverNow(new WebhookEndpoint(webhook, this.#parts), notice, signal);
  }

  /** Has a delivery tried again. Undefined where there is no such one; null where what it told of is not kept. */
  async redeliver(
    webhook: Definition<WebhookBody>,
    delivery_id: string,
  ): Promise<DeliveryView | null | undefined> {
    const { deliveries, clock } = this.#options;
    const all = await this.deliveries(webhook);
    const delivery = all.find((one) => one.delivery_id === delivery_id);
    if (delivery === undefined) return undefined;
    const token = `${delivery_id}/${ulid(clock.now(), systemRandom)}`;
    return (await deliveries.redeliver(new WebhookEndpoint(webhook, this.#parts), delivery, token)) ?? null;
  }

  /** Frees what a webhook that was deleted had. */
  async forget({ tenant, id }: Pick<Definition<WebhookBody>, 'tenant' | 'id'>): Promise<void> {
    const { deliveries } = this.#options;
    await deliveries.forget({ tenant, name: id });
    await deliveries.log.purge(tenant, id);
  }

  #changed(change: DefinitionChange<WebhookBody>): void {
    if (change.type === 'put') this.#apply(change.definition);
    else
      this.#later(() => this.#options.deliveries.close({ ...change.definition, name: change.definition.id }));
    for (const listener of this.#listeners) listener();
  }

  #apply(webhook: Definition<WebhookBody>): void {
    const { deliveries } = this.#options;
    const endpoint = new WebhookEndpoint(webhook, this.#parts);
    if (endpoint.isOpen()) this.#later(async () => deliveries.open(endpoint));
    // What comes to one that is disabled waits; one that is not active misses it.
    else if (this.#isTold(webhook.body)) this.#later(() => deliveries.close(endpoint));
    else this.#later(() => deliveries.forget(endpoint));
  }

  #later(change: () => Promise<void>): void {
    this.#changes = this.#changes.then(change).catch((error: unknown) => {
      this.#options.log.warn({ err: error }, 'a change of a webhook is not followed yet');
    });
  }

  /** Whether what happens now reaches it some time. */
  #isTold({ active, disabled }: WebhookBody): boolean {
    return active && (disabled === null || disabled.at_ms > this.#options.clock.now() - WAITS_MS);
  }

  async #failed(webhook: Definition<WebhookBody>, { verdict }: Attempted): Promise<void> {
    if (webhook.body.disabled !== null) return;
    if (verdict === 'gone') return this.#disable(webhook, 'gone');
    const { deliveries } = this.#options;
    const entries = await deliveries.log.entries(webhook.tenant, webhook.id);
    const failures = failuresInRow(entries, webhook.body.enabled_at_ms ?? 0);
    if (failures >= FAILURES_MAX) await this.#disable(webhook, 'failing');
  }

  async #disable({ tenant, id, name }: Definition<WebhookBody>, reason: 'gone' | 'failing'): Promise<void> {
    const { webhooks, clock, log } = this.#options;
    try {
      await webhooks.patch(tenant, id, { disabled: { reason, at_ms: clock.now() } });
    } catch (error) {
      // Deleted meanwhile.
      if (error instanceof DefinitionError && error.code === 'not_found') return;
      throw error;
    }
    log.warn({ tenant, id, name, reason }, 'a webhook was disabled');
    this.#disabled(reason).add();
  }
}
