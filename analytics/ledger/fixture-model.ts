import { MARK, ROW_DIMENSIONS } from '../rows/index.ts';
import { eventCode, type TestEvent } from './fixture-events.ts';

/** The rules of the contract over a whole set of events, in the plainest form: what the ledger must come to. */
export function modelRows(events: readonly TestEvent[]): string[] {
  const byPlace = (a: TestEvent, b: TestEvent): number =>
    a.time_ms - b.time_ms || eventCode(a.id) - eventCode(b.id);
  const byVersion = (a: TestEvent, b: TestEvent): number => a.time_ms - b.time_ms || (a.id < b.id ? -1 : 1);
  const orderKey = (event: TestEvent): string => (event.order === 0 ? `lone ${event.id}` : `${event.order}`);
  const first = (list: readonly TestEvent[]): TestEvent | undefined => list.toSorted(byPlace)[0];
  const group = (list: readonly TestEvent[], key: (event: TestEvent) => string): Map<string, TestEvent[]> => {
    const groups = new Map<string, TestEvent[]>();
    for (const event of list) groups.set(key(event), [...(groups.get(key(event)) ?? []), event]);
    return groups;
  };
  const isVersion = ({ type }: TestEvent): boolean => type === 'order.created' || type === 'order.updated';
  const orders = group(events, orderKey);
  /** The newest version, member by member. */
  const stateOf = (event: TestEvent): TestEvent | undefined => {
    const versions = (orders.get(orderKey(event)) ?? []).filter(isVersion).toSorted(byVersion);
    if (versions.length === 0) return undefined;
    let state = { ...(versions[0] as TestEvent), dimensions: {} as Record<string, string> };
    for (const version of versions) {
      state = {
        ...state,
        customer: version.customer || state.customer,
        session: version.session || state.session,
        currency: version.currency || state.currency,
        dimensions: { ...state.dimensions, ...version.dimensions },
        amount: version.amount ?? state.amount,
        discount: version.discount ?? state.discount,
        items: version.items.length > 0 ? version.items : state.items,
      };
    }
    return state;
  };
  const createdOf = (event: TestEvent): TestEvent | undefined =>
    first((orders.get(orderKey(event)) ?? []).filter(({ type }) => type === 'order.created'));
  const counted = events.filter((event) => event.type === 'order.created' && createdOf(event) === event);
  const firstOfCustomer = new Map<number, TestEvent | undefined>();
  for (const [key, list] of group(counted, (event) => `${stateOf(event)?.customer}`))
    firstOfCustomer.set(Number(key), first(list));
  const firstOfSession = new Map<number, TestEvent | undefined>();
  for (const [key, list] of group(counted, (event) => `${stateOf(event)?.session}`))
    firstOfSession.set(Number(key), first(list));
  const isFirstOf = (event: TestEvent, key: (other: TestEvent) => string): boolean =>
    first(events.filter((other) => other.type === event.type && key(other) === key(event))) === event;

  return events.map((event) => {
    let { currency, customer, session, amount, discount, items } = event;
    let dimensions: Readonly<Record<string, string>> = event.dimensions;
    let marks = 0;
    let value: number | null = null;
    const state = stateOf(event);
    const created = createdOf(event);
    const dependent: Readonly<Record<string, readonly [always: number, first: number]>> = {
      'payment.succeeded': [MARK.payment, MARK.orders_paid],
      'refund.issued': [MARK.refund, MARK.orders_refunded],
      'order.shipped': [0, MARK.orders_shipped],
      'order.delivered': [0, MARK.orders_delivered],
      'order.cancelled': [0, MARK.orders_cancelled],
      'order.rto': [0, MARK.orders_rto],
      'return.received': [MARK.returns, 0],
      'chargeback.received': [0, 0],
    };
    if (event.type === 'order.created' && created === event && state !== undefined) {
      ({ currency, customer, session, amount, discount, items } = state);
      const source = event.dimensions.source;
      dimensions = { ...state.dimensions, source: source ?? '' };
      marks = MARK.orders;
      if (customer !== 0 && firstOfCustomer.get(customer) === event) marks |= MARK.customers_new;
      if (session !== 0 && firstOfSession.get(session) === event) marks |= MARK.sessions_with_order;
    } else if (event.type in dependent) {
      const [always, firstMark] = dependent[event.type] as readonly [number, number];
      const isFirst = isFirstOf(event, orderKey);
      marks = always | (isFirst ? firstMark : 0);
      if (state !== undefined) {
        const { sku, category, source = '' } = event.dimensions;
        const categoryOf = (of: string | undefined): string =>
          state.items.find((item) => of && item.sku === of && item.category)?.category ?? '';
        const isOfSku = items.length === 0 && !category && categoryOf(sku) !== '';
        dimensions = { ...state.dimensions, ...event.dimensions, source };
        if (isOfSku) dimensions = { ...dimensions, category: categoryOf(sku) };
        if (items.length === 0 && !sku && !category) items = state.items;
        else items = items.map((item) => ({ ...item, category: item.category || categoryOf(item.sku) }));
        currency = currency || state.currency;
        customer = customer || state.customer;
      }
      if (event.type === 'order.shipped' && isFirst && created !== undefined) {
        marks |= MARK.shipped_in;
        value = event.time_ms - created.time_ms;
      }
      if (event.type === 'order.cancelled' && isFirst) {
        if (created !== undefined && state !== undefined) value = state.amount;
        if (event.order === 0) value = event.amount;
        if (created !== undefined || event.order === 0) marks |= MARK.cancelled;
      }
    } else if (event.type === 'visit' || event.type === 'add.to.cart') {
      if (event.type === 'visit') marks = MARK.visits;
      const mark = event.type === 'visit' ? MARK.sessions : MARK.sessions_with_cart;
      if (session !== 0 && isFirstOf(event, (other) => `${other.session}`)) marks |= mark;
    } else if (event.type === 'ticket.first.response' && event.ticket !== 0) {
      const opened = first(
        events.filter((other) => other.type === 'ticket.opened' && other.ticket === event.ticket),
      );
      if (opened !== undefined && isFirstOf(event, (other) => `${other.ticket}`)) {
        marks = MARK.responded;
        value = event.time_ms - opened.time_ms;
      }
    }
    return JSON.stringify({
      time_ms: event.time_ms,
      type: event.type,
      marks,
      currency,
      event: eventCode(event.id),
      dimensions: ROW_DIMENSIONS.map((name) => dimensions[name] ?? ''),
      order: event.order,
      customer,
      session,
      amount,
      discount,
      value,
      items,
    });
  });
}
