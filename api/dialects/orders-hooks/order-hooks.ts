import type { MetricSample } from '../../../engine/index.ts';
import {
  type Definitions,
  type KindDefinitions,
  ORDER_WEBHOOKS,
  type Outbound,
  type WebhookBody,
} from '../../../runtime/index.ts';
import type { PiiMask } from '../../answers/index.ts';
import type { ApiPorts, Cursors, RawCall, Route } from '../../http/index.ts';
import { hookRoutes } from './hook-routes.ts';
import { Inbox } from './inbox.ts';
import { inboxRoute } from './inbox-routes.ts';
import { OrderWatch } from './order-watch.ts';
import { type RuleBody, ruleKind } from './rule-kind.ts';
import { ruleRoutes } from './rule-routes.ts';

/** Order webhooks and notification rules of the orders API. */
export class OrderHooks {
  readonly webhooks: KindDefinitions<WebhookBody>;
  readonly #rules: KindDefinitions<RuleBody>;
  readonly #inbox: Inbox;
  readonly #ports: ApiPorts;
  readonly #outbound: () => Outbound;
  #watch: OrderWatch | undefined;

  /** Registers the kinds. */
  constructor(definitions: Definitions, ports: ApiPorts, outbound: () => Outbound) {
    this.webhooks = definitions.kind(ORDER_WEBHOOKS);
    this.#rules = definitions.kind(ruleKind(outbound));
    this.#inbox = new Inbox(ports.outbound.deliveries);
    this.#ports = ports;
    this.#outbound = outbound;
  }

  routes(cursors: Cursors, maskOf: (call: RawCall) => PiiMask): readonly Route[] {
    const outbound = this.#outbound();
    const { webhooks } = this;
    const [rules, inbox] = [this.#rules, this.#inbox];
    return [
      ...hookRoutes({ webhooks, outbound, cursors }),
      ...ruleRoutes({ rules, outbound, inbox, cursors, now: () => this.#ports.clock.now() }),
      inboxRoute({ inbox, cursors, maskOf }),
    ];
  }

  /** Begins to tell; the definitions are loaded. */
  start(): void {
    const ports = this.#ports;
    this.#watch = new OrderWatch({
      ...{ ports, rules: this.#rules, outbound: this.#outbound(), inbox: this.#inbox },
      events: ports.outbound.sources.events,
    });
    this.#watch.start();
  }

  samples(): readonly MetricSample[] {
    return this.#watch?.samples() ?? [];
  }

  /** Whether some process may still tell of events of these sequences, both inclusive. */
  async mayHold(first: number, last: number): Promise<boolean> {
    return (await this.#watch?.mayHold(first, last)) ?? false;
  }

  async close(): Promise<void> {
    await this.#watch?.close();
  }
}
