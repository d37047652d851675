import type { EventsBehind } from '../query-head/index.ts';
import { CONTRIBUTIONS, type Mark } from '../rows/index.ts';
import { isOwn } from './metrics.ts';
import type { Prepared } from './prepare.ts';

/** The types of the events that a mark is on, and those of which an earlier one may take it. */
const OF_MARK: Readonly<Record<Mark, { readonly types: readonly string[]; readonly firsts?: true }>> = {
  orders: { types: ['order.created'] },
  orders_paid: { types: ['payment.succeeded'], firsts: true },
  orders_shipped: { types: ['order.shipped'], firsts: true },
  orders_delivered: { types: ['order.delivered'], firsts: true },
  orders_cancelled: { types: ['order.cancelled'], firsts: true },
  orders_rto: { types: ['order.rto'], firsts: true },
  orders_refunded: { types: ['refund.issued'], firsts: true },
  returns: { types: ['return.received'] },
  visits: { types: ['visit'] },
  sessions: { types: ['visit'], firsts: true },
  sessions_with_cart: { types: ['add_to_cart'], firsts: true },
  sessions_with_order: { types: ['order.created'] },
  customers_new: { types: ['order.created'] },
  shipped_in: { types: ['order.shipped'], firsts: true },
  responded: { types: ['ticket.opened', 'ticket.first_response'], firsts: true },
  payment: { types: ['payment.succeeded'] },
  refund: { types: ['refund.issued'] },
  cancelled: { types: ['order.cancelled'], firsts: true },
};
/** The events that the metrics of a query are made of. */
export function eventsBehind({
  measures,
  observed,
  distributions,
  members,
  own,
  buckets,
}: Prepared): EventsBehind {
  const types = new Set<string>();
  const firstTypes = new Set<string>();
  const addMark = (mark: Mark): void => {
    const { types: marked, firsts } = OF_MARK[mark];
    for (const type of marked) {
      types.add(type);
      if (firsts === true) firstTypes.add(type);
    }
  };
  const addOwn = (rows: { readonly types: ReadonlySet<string> }): void => {
    for (const type of rows.types) types.add(type);
  };
  for (const measure of [...measures, ...observed, ...distributions]) {
    if (isOwn(measure)) addOwn(own.ruleOf(measure).rows);
    else for (const { mark } of CONTRIBUTIONS.filter((one) => one.measure === measure)) addMark(mark);
  }
  for (const member of members) {
    if (member === 'customers') addMark('orders');
    else addOwn(own.memberOf(member).rows);
  }
  return { ...buckets.range, types: [...types], firsts: [...firstTypes] };
}
