import { type KvView, RunView } from '../../engine/index.ts';
import { OrderEntries } from './order-entries.ts';

/** Since when there are events of an order, for readers. Told of each snapshot, it reads what is new only. */
export class OrderBegins {
  readonly #orders: RunView;
  readonly #entries = new OrderEntries();

  /** `orders` is the ledger's table of them. */
  constructor(orders: KvView) {
    this.#orders = new RunView(orders);
  }

  /** Begins a snapshot, whose view of the table is given. */
  follow(orders: KvView): void {
    this.#orders.follow(orders);
  }

  /**
   * Time of the earliest version, payment, shipment and the like of an order, by the hash of its id, ms; undefined where
   * the ledger has none.
   */
  of({ hi, lo }: { readonly hi: number; readonly lo: number }): number | undefined {
    const bytes = this.#orders.find(hi, lo);
    if (bytes === undefined) return undefined;
    const entries = this.#entries;
    entries.read(bytes, 0, bytes.length);
    let first_ms = Number.POSITIVE_INFINITY;
    for (let at = 0; at < entries.count; at++) first_ms = Math.min(first_ms, entries.time_ms[at] as number);
    return entries.count === 0 ? undefined : first_ms;
  }
}
