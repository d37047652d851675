import { SeededRandom } from '../../engine/index.ts';
import type { ShopEvent, ShopState } from '../fixture-shop.ts';
import type { OrderQueries } from '../query-kinds.ts';

/** A shop, random rules of segments, and a brute force over its facts. For tests. */

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2025, 0, 1);
export const END = '2025-07-01T00:00:00Z';
export const END_MS = Date.parse(END);
export const CUSTOMERS = 60;

interface Order {
  readonly id: string;
  readonly customer: string;
  readonly at_ms: number;
  readonly amount: number;
  readonly discount: number;
  readonly country: string;
  readonly channel: string;
}
interface Fact {
  readonly customer: string;
  readonly at_ms: number;
  readonly amount: number;
}
export interface Shop {
  readonly events: readonly ShopEvent[];
  readonly orders: readonly Order[];
  readonly refunds: readonly Fact[];
  readonly visits: readonly Fact[];
}

export function shop(seed: number): Shop {
  const random = new SeededRandom(seed);
  const events: ShopEvent[] = [];
  const [orders, refunds, visits]: [Order[], Fact[], Fact[]] = [[], [], []];
  const iso = (at_ms: number): string => new Date(at_ms).toISOString();
  for (let n = 0; n < 400; n++) {
    const customer = `c${random.int(1, CUSTOMERS)}`;
    const at_ms = START_MS + random.int(0, 200 * 24 * 60) * 60_000 + n;
    const channel = random.pick(['web', 'app']);
    if (random.chance(0.5)) {
      events.push({ event_id: `v${n}`, type: 'visit', time: iso(at_ms), customer_id: customer, channel });
      visits.push({ customer, at_ms, amount: 0 });
      continue;
    }
    const [amount, discount] = [random.int(1, 40) * 500, random.int(0, 3) * 100];
    const order = { id: `o${n}`, customer, at_ms, amount, discount, channel };
    const country = random.pick(['DE', 'GB', 'FR']);
    const said = { order_id: order.id, customer_id: customer, currency: 'EUR', channel, country };
    events.push({ event_id: `a${n}`, type: 'order.created', time: iso(at_ms), ...said, amount, discount });
    orders.push({ ...order, country });
    if (random.chance(0.3)) {
      const refund = { customer, at_ms: at_ms + random.int(1, 40) * DAY_MS, amount: random.int(1, amount) };
      const time = iso(refund.at_ms);
      events.push({
        event_id: `r${n}`,
        type: 'refund.issued',
        time,
        order_id: order.id,
        amount: refund.amount,
      });
      refunds.push(refund);
    }
  }
  return { events, orders: orders.toSorted((a, b) => a.at_ms - b.at_ms), refunds, visits };
}

export type Rule = Readonly<Record<string, unknown>>;

/** A random rule with at most `depth` levels. */
export function randomRule(random: SeededRandom, depth: number): Rule {
  const kind = depth > 1 ? random.int(0, 7) : random.int(3, 7);
  const parts = (): Rule[] => Array.from({ length: random.int(1, 3) }, () => randomRule(random, depth - 1));
  if (kind === 0) return { and: parts() };
  if (kind === 1) return { or: parts() };
  if (kind === 2) return { not: randomRule(random, depth - 1) };
  const side = random.pick(['gt', 'gte', 'lt', 'lte', 'eq', 'ne']);
  const within = random.chance(0.4) ? { within: `${random.int(10, 120)}d` } : {};
  if (kind === 3) {
    const measure = random.pick(['spend_net', 'spend_gross', 'refunds', 'aov']);
    return { measure, [side]: random.int(0, 40) * 1_000, ...within };
  }
  if (kind === 4) {
    const measure = random.pick(['orders', 'days_since_last_order']);
    return { measure, [side]: measure === 'orders' ? random.int(0, 4) : random.int(0, 150), ...within };
  }
  if (kind === 5) {
    const time = random.chance(0.5) ? `-${random.int(1, 25)}w` : '2025-03-15T12:00:00+01:00';
    return { measure: random.pick(['first_order', 'last_order']), [side]: time };
  }
  const filters = random.pick<Rule>([
    { channel: 'web' },
    { channel: { not: 'web' } },
    { channel: ['app', 'web'] },
  ]);
  if (kind === 6) {
    const more = random.chance(0.5) ? { country: random.pick(['DE', 'GB']) } : {};
    return { order: random.pick(['first', 'last']), filters: { ...filters, ...more } };
  }
  const sides = random.chance(0.5) ? { [side]: random.int(0, 4) } : {};
  return { event: random.pick(['visit', 'order.created']), ...sides, ...within };
}

function compare(value: number | undefined, rule: Rule, given: (value: unknown) => number): boolean {
  if (value === undefined) return false;
  const { gt, gte, lt, lte, eq, ne } = rule;
  return (
    (gt === undefined || value > given(gt)) &&
    (gte === undefined || value >= given(gte)) &&
    (lt === undefined || value < given(lt)) &&
    (lte === undefined || value <= given(lte)) &&
    (eq === undefined || value === given(eq)) &&
    (ne === undefined || value !== given(ne))
  );
}

/** Whether a customer meets a rule, from the raw facts. */
export function meets(customer: string, rule: Rule, all: Shop): boolean {
  const inner = (list: unknown): Rule[] => list as Rule[];
  if (rule.and) return inner(rule.and).every((one) => meets(customer, one, all));
  if (rule.or) return inner(rule.or).some((one) => meets(customer, one, all));
  if (rule.not) return !meets(customer, rule.not as Rule, all);
  const days = Number(/^(\d+)d$/.exec(String(rule.within))?.[1] ?? 1e6);
  const from_ms = END_MS - days * DAY_MS;
  const own = <F extends { customer: string; at_ms: number }>(facts: readonly F[], since = from_ms): F[] =>
    facts.filter((fact) => fact.customer === customer && fact.at_ms < END_MS && fact.at_ms >= since);
  const sum = (facts: readonly { amount: number }[]): number =>
    facts.reduce((total, { amount }) => total + amount, 0);
  const orders = own(all.orders, 0);
  const recent = own(all.orders);
  const number = (value: unknown): number => Number(value);
  if (rule.order) {
    const order = rule.order === 'first' ? orders[0] : orders.at(-1);
    if (order === undefined) return false;
    return Object.entries(rule.filters as Rule).every(([name, filter]) => {
      const value = order[name as 'channel' | 'country'];
      if (Array.isArray(filter)) return filter.includes(value);
      return typeof filter === 'object' ? value !== (filter as { not: string }).not : value === filter;
    });
  }
  if (rule.event) {
    const count = rule.event === 'visit' ? own(all.visits).length : recent.length;
    const isPlain = !['gt', 'gte', 'lt', 'lte', 'eq', 'ne'].some((side) => side in rule);
    return isPlain ? count >= 1 : compare(count, rule, number);
  }
  if (rule.measure === 'first_order' || rule.measure === 'last_order') {
    const order = rule.measure === 'first_order' ? orders[0] : orders.at(-1);
    return compare(order?.at_ms, rule, (text) => {
      const weeks = /^-(\d+)w$/.exec(String(text))?.[1];
      return weeks === undefined ? Date.parse(String(text)) : END_MS - Number(weeks) * 7 * DAY_MS;
    });
  }
  const last = recent.at(-1);
  const discount = recent.reduce((total, order) => total + order.discount, 0);
  const values: Readonly<Record<string, number | undefined>> = {
    spend_gross: sum(recent),
    refunds: sum(own(all.refunds)),
    spend_net: sum(recent) - discount - sum(own(all.refunds)),
    aov: recent.length === 0 ? undefined : sum(recent) / recent.length,
    orders: recent.length,
    days_since_last_order: last === undefined ? undefined : Math.floor((END_MS - last.at_ms) / DAY_MS),
  };
  return compare(values[String(rule.measure)], rule, number);
}

/** Everybody who did anything before the end. */
export function everybody({ orders, refunds, visits }: Shop): string[] {
  const all = [...orders, ...refunds, ...visits].filter(({ at_ms }) => at_ms < END_MS);
  return [...new Set(all.map(({ customer }) => customer))];
}

export const bare = (value: unknown): string =>
  JSON.stringify(value, (key, member) => (key === 'events' ? [] : member));

/** The hashes of a rule's customers as a query carries them. */
export async function membersOf(state: ShopState, name: string, rule: Rule) {
  const query = { end: END, rule };
  const parsed = { ...state.kinds.segment.schema.parse(query), as_members: true };
  const kind = { ...state.kinds.segment, schema: { parse: () => parsed } };
  const { body } = await state.ask(kind, query);
  return { id: `segment_${name}`, name, end: END, hashes: body.hashes as SharedArrayBuffer };
}

/** Asks as the service does: with the customers of the segments beside a checked query. */
export async function askWith(
  state: ShopState,
  family: Exclude<keyof OrderQueries, 'events' | 'types' | 'summary' | 'batch'>,
  query: object,
  segment_members: readonly object[],
): Promise<Readonly<Record<string, unknown>>> {
  const kind = state.kinds[family] as unknown as {
    schema: { parse(input: unknown): object };
  };
  const parsed = { ...kind.schema.parse(query), segment_members };
  const asked = { ...kind, schema: { parse: () => parsed } } as unknown as typeof state.kinds.rfm;
  return (await state.ask(asked, query)) as unknown as Readonly<Record<string, unknown>>;
}

export const RANGE = { start: '2025-02-01T00:00:00Z', end: END };
