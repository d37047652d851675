/**
 * What things of orders are called: one table for whoever reads orders: the decoder and all that is counted from it,
 * lists, imports, webhooks and rules.
 */

type Members = Readonly<Record<string, unknown>>;

/** Statuses that have an event of their own, `order.<status>`, and the other names of each, of the event too. */
export const ORDER_STEPS = [
  { status: 'confirmed', names: [] },
  { status: 'shipped', names: ['fulfilled'] },
  { status: 'delivered', names: [] },
  { status: 'cancelled', names: ['canceled'] },
  { status: 'rto', names: ['returned_to_origin'] },
] as const;
type Step = (typeof ORDER_STEPS)[number]['status'];

/** Where an event of an order says its status, the first that is there; `status_changed` of `order.status_changed`. */
export const STATUS_MEMBERS = { status_changed: ['new_status', 'status'], other: ['status'] } as const;

/** Where events say of an order what is not a column, the first that is there; at their top, else in `data`. */
export const ORDER_MEMBERS = {
  order_number: [['order_number']],
  customer_name: [['customer_name'], ['customer', 'name']],
  first_name: [['customer_first_name'], ['customer', 'first_name']],
  last_name: [['customer_last_name'], ['customer', 'last_name']],
  phone: [['customer_phone'], ['customer', 'phone'], ['phone']],
  email: [['customer_email'], ['customer', 'email'], ['email']],
  tracking_url: [['tracking_url'], ['tracking', 'url']],
  return_number: [['return_number'], ['return_id']],
} as const satisfies Readonly<Record<string, readonly (readonly string[])[]>>;

/** What callers may name a status: blanks and signs alone are none. */
export const STATUS_PATTERN: RegExp = /[\p{L}\p{N}]/u;

/** A status as it is compared: in lower case, its words parted by `_`. */
export const normalStatus = (status: string): string =>
  status
    .trim()
    .toLowerCase()
    .replaceAll(/[\s.-]+/gu, '_');

const STEPS: ReadonlyMap<string, Step> = new Map(
  ORDER_STEPS.flatMap(({ status, names }) => [status, ...names].map((name) => [name, status] as const)),
);

/** The status with an event of its own that a text stands for, `shipped` of `Fulfilled`; undefined: none of them. */
export const stepOf = (status: string): Step | undefined => STEPS.get(normalStatus(status));

const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A member of an event, or of its `data` where the event has none. */
export function memberOf(members: Members, path: readonly string[]): unknown {
  const at = (from: unknown): unknown =>
    path.reduce<unknown>(
      (value, name) => (isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined),
      from,
    );
  return at(members) ?? at(Object.hasOwn(members, 'data') ? members.data : undefined);
}

/** How far a status is in the life of an order; every other one lies between what is confirmed and what was shipped. */
const RANKS: ReadonlyMap<string, number> = new Map(
  ['pending', 'confirmed', undefined, 'shipped', 'delivered', 'rto', 'cancelled'].flatMap((status, rank) =>
    status === undefined ? [] : [[status, rank] as const],
  ),
);
const OTHER_RANK = 2;
const rankOf = (status: string): number => RANKS.get(status) ?? OTHER_RANK;

/**
 * Of two statuses that events give an order at one time, whether the first holds: the one later in its life, of two names
 * of no known place the greater. So the status of an order does not depend on which came first.
 */
export function holdsOver(status: string, other: string): boolean {
  const [a, b] = [status, other].map((text) => stepOf(text) ?? normalStatus(text)) as [string, string];
  const difference = rankOf(a) - rankOf(b);
  return difference === 0 ? a > b : difference > 0;
}

/** The status that an event names, by its type in normal form; undefined: none, or it is no event of an order. */
export function namedStatus(type: string, members: Members): string | undefined {
  // The status of a payment is none of its order.
  if (!type.startsWith('order.')) return undefined;
  const names = type === 'order.status.changed' ? STATUS_MEMBERS.status_changed : STATUS_MEMBERS.other;
  for (const name of names) {
    const status = memberOf(members, [name]);
    if (typeof status === 'string' && status.trim() !== '') return status;
  }
  return undefined;
}
