import {
  type FamilyAnswer,
  type ListedOrder,
  type OrdersPlace,
  type OrdersQuery,
  orderVersions,
  parseEventJson,
} from '../../../analytics/index.ts';
import { type AnswerParts, MASK, maskFor } from '../../answers/index.ts';
import { type Cursors, type RawCall, timeText } from '../../http/index.ts';

interface Place {
  readonly as_of: NonNullable<OrdersQuery['as_of']>;
  readonly after: OrdersPlace;
}

/** What a cursor is bound to. */
function filterOf({ after: _, as_of: __, limit: ___, explain: ____, ...query }: OrdersQuery): object {
  return query;
}

/** The query of the page that a cursor names. Throws ApiError `invalid_cursor`, `cursor_mismatch`. */
export function pageQuery(cursors: Cursors, query: OrdersQuery, cursor: string | undefined): OrdersQuery {
  return cursor === undefined ? query : { ...query, ...(cursors.decode(filterOf(query), cursor) as Place) };
}

type Members = Readonly<Record<string, unknown>>;

/** Members that the answer has by other ways, or that are of one event and not of the order. */
const OWN = new Set([
  ...['event_id', 'type', 'time', 'order_id', 'customer_id', 'currency', 'status'],
  ...['amount', 'discount', 'shipping', 'tax'],
]);

/** The members of an answer: orders with what their events say, and the cursor of the next page. */
export async function orderPage(
  { ports, tenants }: Pick<AnswerParts, 'ports' | 'tenants'>,
  { tenant, principal, request }: Pick<RawCall, 'tenant' | 'principal' | 'request'>,
  cursors: Cursors,
  query: OrdersQuery,
  { query_id, body }: Pick<FamilyAnswer, 'query_id' | 'body'>,
): Promise<Readonly<Record<string, unknown>>> {
  const { orders_total, orders, next } = body as {
    readonly orders_total: number | null;
    readonly orders: readonly ListedOrder[];
    readonly next: OrdersPlace | null;
  };
  const mask = maskFor(principal, tenants?.maskedOf(tenant));
  const finder = ports.finder?.();
  const texts = finder === undefined ? [] : await orderVersions(finder, tenant, orders, request.signal);
  const shown = (member: string, value: unknown): unknown => (mask.hides(member) ? MASK : value);
  return {
    orders_total,
    orders: orders.map((order, at) => {
      const said = membersOf((texts[at] ?? []).map((text) => mask.textOf(text)));
      const { created_ms, updated_ms, status_ms, currency, payment_status, payment_kind, total, paid } =
        order;
      const { amount, discount, shipping, tax, refunded } = order;
      const sums = { amount, discount, shipping, tax, total, paid, refunded };
      // A total would tell what is masked in it.
      const masked = ['amount', 'discount', 'shipping', 'tax'].some((member) => mask.hides(member));
      return {
        order_id: said?.order_id ?? null,
        order_key: order.key,
        customer_id: said?.customer_id ?? null,
        ...{ created_at: timeText(created_ms), updated_at: timeText(updated_ms) },
        ...{ status: shown('status', order.status), status_at: timeText(status_ms) },
        payment_status,
        payment_kind: shown('payment_method', payment_kind),
        ...{ currency: currency === '' ? null : currency },
        ...(masked ? Object.fromEntries(Object.keys(sums).map((name) => [name, MASK])) : sums),
        members: said === undefined ? null : withoutOwn(said),
      };
    }),
    next_cursor:
      next === null
        ? null
        : cursors.encode(filterOf(query), {
            as_of: query.as_of ?? { query_id },
            after: next,
          } satisfies Place),
  };
}

/** The newest of each member of the versions of an order, which come oldest first; undefined without any. */
function membersOf(texts: readonly string[]): Members | undefined {
  if (texts.length === 0) return undefined;
  let all: Members = {};
  for (const text of texts) all = merged(all, Object(parseEventJson(text)) as Members, MERGED_LEVELS);
  return all;
}

/** `data` and its objects, such as `data.custom_fields`, are merged member by member, too. */
const MERGED_LEVELS = 3;

function merged(before: Members, now: Members, levels: number): Members {
  const all: Record<string, unknown> = { ...before };
  for (const [name, value] of Object.entries(now)) {
    if (value === null || name === '__proto__') continue;
    const known = all[name];
    all[name] = levels > 1 && isPlain(value) ? merged(isPlain(known) ? known : {}, value, levels - 1) : value;
  }
  return all;
}

const isPlain = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function withoutOwn(said: Members): Members {
  return Object.fromEntries(Object.entries(said).filter(([name]) => !OWN.has(name)));
}
