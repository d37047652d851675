import { normalType } from '../events/index.ts';
import { parseEventJson } from '../events-query/index.ts';
import type { FraudQuery } from './fraud-schema.ts';

/** Events that say who orders or pays: visits share addresses without meaning anything. */
export const CLUSTER_TYPES = [
  ...['checkout.initiated', 'order.created', 'order.updated', 'payment.succeeded', 'payment.failed'],
  ...['fraud.flagged', 'chargeback.received'],
] as const;
/** Members of `data` that say a payment card, the first that is there. */
const CARD_MEMBERS = ['card_fingerprint', 'card', 'card_hash'] as const;
/** Customers named for one cluster. */
const SAMPLE_CUSTOMERS = 10;

export interface IpCluster {
  readonly ip: string;
  readonly customers: number;
  readonly cards: number;
  readonly orders: number;
  readonly events: number;
  readonly fraud_flags: number;
  readonly chargebacks: number;
  readonly first_time: string;
  readonly last_time: string;
  /** Some of the customers, in order of their ids. */
  readonly sample_customers: readonly string[];
}

interface Seen {
  readonly customers: Set<string>;
  readonly cards: Set<string>;
  readonly orders: Set<string>;
  events: number;
  fraud_flags: number;
  chargebacks: number;
  first_ms: number;
  last_ms: number;
}

/** Reads the original events one by one, in any order, and finds addresses of several customers or cards. */
export class IpClusters {
  readonly #seen = new Map<string, Seen>();
  /** The customers of orders, and the orders of addresses whose event names no customer. */
  readonly #customerOf = new Map<string, { readonly event_id: string; readonly customer: string }>();
  readonly #unnamed: { readonly seen: Seen; readonly order: string }[] = [];

  /** `text` is an event's flat JSON, `time_ms` its time. */
  add(text: string, time_ms: number): void {
    const event = parseEventJson(text);
    if (!isObject(event)) return;
    const order = idOf(event.order_id);
    const customer = idOf(event.customer_id);
    if (order !== undefined && customer !== undefined) this.#learn(order, customer, String(event.event_id));
    const ip = idOf(memberOf(event, 'ip'));
    if (ip === undefined) return;
    const seen = this.#of(ip);
    if (customer !== undefined) seen.customers.add(customer);
    else if (order !== undefined) this.#unnamed.push({ seen, order });
    if (order !== undefined) seen.orders.add(order);
    const card = CARD_MEMBERS.map((name) => idOf(memberOf(event, name))).find((one) => one !== undefined);
    if (card !== undefined) seen.cards.add(card);
    const type = normalType(String(event.type));
    seen.events++;
    seen.fraud_flags += type === 'fraud.flagged' ? 1 : 0;
    seen.chargebacks += type === 'chargeback.received' ? 1 : 0;
    seen.first_ms = Math.min(seen.first_ms, time_ms);
    seen.last_ms = Math.max(seen.last_ms, time_ms);
  }

  /** The clusters, those with the most customers, then cards, first. */
  clusters({ min_customers, min_cards }: Pick<FraudQuery, 'min_customers' | 'min_cards'>): IpCluster[] {
    for (const { seen, order } of this.#unnamed) {
      const customer = this.#customerOf.get(order)?.customer;
      if (customer !== undefined) seen.customers.add(customer);
    }
    return Array.from(this.#seen, ([ip, { customers, cards, orders, first_ms, last_ms, ...counts }]) => ({
      ...{ ip, customers: customers.size, cards: cards.size, orders: orders.size, ...counts },
      first_time: new Date(first_ms).toISOString(),
      last_time: new Date(last_ms).toISOString(),
      sample_customers: [...customers].sort().slice(0, SAMPLE_CUSTOMERS),
    }))
      .filter(({ customers, cards }) => customers >= min_customers || cards >= min_cards)
      .sort((a, b) => b.customers - a.customers || b.cards - a.cards || (a.ip < b.ip ? -1 : 1));
  }

  /** Of several customers of one order, the one of the smallest event id: the same whatever the order of reading. */
  #learn(order: string, customer: string, event_id: string): void {
    const known = this.#customerOf.get(order);
    if (known === undefined || event_id < known.event_id) this.#customerOf.set(order, { event_id, customer });
  }

  #of(ip: string): Seen {
    let seen = this.#seen.get(ip);
    if (seen === undefined) {
      seen = {
        ...{ customers: new Set(), cards: new Set(), orders: new Set() },
        ...{ events: 0, fraud_flags: 0, chargebacks: 0 },
        ...{ first_ms: Number.POSITIVE_INFINITY, last_ms: Number.NEGATIVE_INFINITY },
      };
      this.#seen.set(ip, seen);
    }
    return seen;
  }
}

type Members = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Members => typeof value === 'object' && value !== null;

/** A member of `data`; a member that the schema does not name is one, wherever it was sent. */
function memberOf(event: Members, name: string): unknown {
  const own = isObject(event.data) ? event.data[name] : undefined;
  return own ?? event[name];
}

function idOf(value: unknown): string | undefined {
  return typeof value === 'number' || (typeof value === 'string' && value !== '') ? String(value) : undefined;
}
