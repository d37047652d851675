import { EVENT_TERMS, ORDERS_TABLE, OrderBegins } from '../../../analytics/index.ts';
import type { ApiPorts } from '../../http/index.ts';

/** Since when there are events of orders, in the state as it is. */
export class BeginReader {
  readonly #ports: Pick<ApiPorts, 'reader'>;
  #known: { readonly reader: unknown; readonly begins: OrderBegins } | undefined;

  constructor(ports: Pick<ApiPorts, 'reader'>) {
    this.#ports = ports;
  }

  of(tenant: string, order_id: string): number | undefined {
    const state = this.#ports.reader();
    return state?.reader.snapshot((table) => {
      const orders = table(ORDERS_TABLE);
      if (this.#known?.reader === state.reader) this.#known.begins.follow(orders);
      else this.#known = { reader: state.reader, begins: new OrderBegins(orders) };
      return this.#known.begins.of(EVENT_TERMS.idHash(tenant, order_id));
    });
  }
}
