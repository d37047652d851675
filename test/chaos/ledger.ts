/** An order that the publisher has sent at least once. */
export interface SentOrder {
  readonly tenant: string;
  readonly id: string;
  /** Event time. */
  readonly time_ms: number;
  /** When the stream had said that it has it; undefined: not yet. */
  acknowledged_ms: number | undefined;
}

export const AMOUNT = 100;
export const MINUTE_MS = 60_000;

/** What the publisher knows, beside the service: what it sent, and what the stream has acknowledged, and when. */
export class Ledger {
  readonly #orders: SentOrder[] = [];
  readonly tenants: readonly string[];

  constructor(tenants: readonly string[]) {
    this.tenants = tenants;
  }

  sent(tenant: string, time_ms: number): SentOrder {
    const id = `${tenant}-${this.#orders.length}`;
    const order: SentOrder = { tenant, id, time_ms, acknowledged_ms: undefined };
    this.#orders.push(order);
    return order;
  }

  get all(): readonly SentOrder[] {
    return this.#orders;
  }

  /** Orders of a tenant, from a minute on and of one minute where it is given. */
  of(tenant: string, minute_ms?: number): readonly SentOrder[] {
    return this.#orders.filter(
      (order) =>
        order.tenant === tenant &&
        (minute_ms === undefined || (order.time_ms >= minute_ms && order.time_ms < minute_ms + MINUTE_MS)),
    );
  }

  /** How many of them were acknowledged up to a moment. */
  static acknowledged(orders: readonly SentOrder[], until_ms = Number.POSITIVE_INFINITY): number {
    return orders.filter(({ acknowledged_ms = Number.POSITIVE_INFINITY }) => acknowledged_ms <= until_ms)
      .length;
  }
}
