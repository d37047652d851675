import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from './fixture-api.ts';
import {
  type Counted,
  correctedShop,
  counted,
  grouped,
  isOrder,
  isRefund,
  netOf,
  type Plain,
} from './fixture-recount.ts';

const SEED = 5;
const DAY_MS = 86_400_000;
/** Events lie before and behind it, and so do versions of orders in it. */
const RANGE = { start: '2025-07-01T00:00:00Z', end: '2025-07-31T23:59:59Z' };
const [START_MS, END_MS] = [Date.UTC(2025, 6, 1), Date.UTC(2025, 7, 1)];

let test: TestApi;
let key: string;

beforeAll(async () => {
  test = await startTestApi({ RATE_LIMIT_RPS: '1000000', RATE_LIMIT_BURST: '1000000' });
  key = await test.key('admin');
  const sent = await test.send('/ingest', { key, json: correctedShop(SEED) });
  expect(await sent.json()).toMatchObject({ rejected: [] });
  await test.apply();
});
afterAll(() => test.close());

async function ask<T>(path: string, json: object): Promise<T> {
  const response = await test.send(path, { key, json });
  expect([path, response.status]).toEqual([path, 200]);
  return (await response.json()) as T;
}

interface Search {
  readonly method: string;
  readonly path: string;
  readonly body: object;
}
interface Explain {
  readonly definition_hash: string;
  readonly position: object;
  readonly events: Search;
  readonly events_outside?: Search;
}

/** The payloads that a search lists, all pages. */
async function found({ path, body }: Search): Promise<Plain[]> {
  const events: Plain[] = [];
  for (let cursor: string | null = null; ; ) {
    const page: { events: { payload: Plain }[]; next_cursor: string | null } = await ask(path, {
      ...body,
      ...(cursor === null ? {} : { cursor }),
    });
    events.push(...page.events.map(({ payload }) => payload));
    cursor = page.next_cursor;
    if (cursor === null) return events;
  }
}

/** An answer, and the events that it says to be made of; something else comes in between. */
async function answered<T>(path: string, json: object): Promise<T & { readonly facts: readonly Counted[] }> {
  const answer = await ask<T & { readonly explain: Explain }>(path, { ...RANGE, ...json, explain: true });
  const { explain } = answer;
  expect(explain).toMatchObject({ definition_hash: expect.stringMatching(/^[0-9a-f]{64}$/), position: {} });
  late += 1;
  const order = { event_id: `late${late}`, type: 'order.created', order_id: `late${late}`, currency: 'EUR' };
  const json2 = [{ ...order, customer_id: 'c1', time: '2025-07-02T00:00:00Z', amount: 7 }];
  expect((await test.send('/ingest', { key, json: json2 })).status).toBe(202);
  await test.apply();
  const { events, events_outside: outside } = explain;
  const all = [...(await found(events)), ...(outside === undefined ? [] : await found(outside))];
  expect(new Set(all.map(({ event_id }) => event_id)).size).toBe(all.length);
  expect(all.map(({ event_id }) => event_id)).not.toContain(order.event_id);
  return { ...answer, facts: counted(all) };
}
let late = 0;

const within = (facts: readonly Counted[]): Counted[] =>
  facts.filter(({ at_ms }) => at_ms >= START_MS && at_ms < END_MS);
const ofType = (facts: readonly Counted[], type: string): Counted[] =>
  facts.filter((fact) => fact.type === type);
const amounts = (facts: readonly Counted[]): number => facts.reduce((sum, { amount }) => sum + amount, 0);
const number = (facts: readonly Counted[], of: (fact: Counted) => string): number =>
  new Set(facts.map(of)).size;
/** The first event of each key. */
const firsts = (facts: readonly Counted[], keyOf: (fact: Counted) => string): Counted[] =>
  [...grouped(facts, keyOf).values()].map(([first]) => first as Counted);

describe(`the events behind a number, which \`explain\` lists (seed ${SEED})`, () => {
  it('give metrics of each kind, by group', async () => {
    interface Answer {
      readonly groups: readonly {
        readonly key: { campaign: string };
        readonly totals: Record<string, number>;
      }[];
    }
    const metrics = [
      ...[
        'orders_count',
        'revenue_net',
        'orders_paid',
        'revenue_paid',
        'returns_count',
        'visits',
        'sessions',
      ],
      ...['customers_new', 'customers_active'],
    ];
    const { groups, facts } = await answered<Answer>('/kpis/query', { metrics, group_by: ['campaign'] });
    expect(groups).toHaveLength(2);
    const order = ({ order: id }: Counted): string => id;
    const customer = ({ customer: id }: Counted): string => id;
    for (const { key: of, totals } of groups) {
      const own = (list: readonly Counted[]): Counted[] =>
        within(list).filter(({ campaign }) => campaign === of.campaign);
      const orders = own(facts.filter(isOrder));
      expect(totals).toEqual({
        orders_count: orders.length,
        revenue_net: netOf(own(facts)),
        orders_paid: own(firsts(ofType(facts, 'payment.succeeded'), order)).length,
        revenue_paid: amounts(own(ofType(facts, 'payment.succeeded'))),
        returns_count: own(ofType(facts, 'return.received')).length,
        visits: own(ofType(facts, 'visit')).length,
        sessions: own(firsts(ofType(facts, 'visit'), ({ session }) => session)).length,
        customers_new: own(firsts(facts.filter(isOrder), customer)).length,
        customers_active: number(orders, customer),
      });
    }
  });

  it('give a metric of the tenant, of two ranges', async () => {
    const flagged = { name: 'flagged', type: 'sum', event: 'fraud.flagged', field: 'amount' };
    expect((await test.send('/metrics-catalog', { key, json: flagged })).status).toBe(201);
    interface Answer {
      readonly groups: readonly {
        readonly totals: { flagged: number };
        readonly previous_totals: { flagged: number };
      }[];
      readonly explain: { readonly compared: Explain };
    }
    const { groups, facts, explain } = await answered<Answer>('/kpis/query', {
      ...{ metrics: ['flagged'], compare: 'previous_period' },
    });
    const [total] = groups;
    expect(total?.totals.flagged).toBe(amounts(within(ofType(facts, 'fraud.flagged'))));
    const before = counted(await found(explain.compared.events));
    expect(total?.previous_totals.flagged).toBe(amounts(ofType(before, 'fraud.flagged')));
  });

  it('give the money of each customer', async () => {
    const { customers, facts } = await answered<{
      customers: { customer_id: string; monetary: number; frequency: number }[];
    }>('/customers/rfm', {});
    expect(customers.length).toBeGreaterThan(3);
    for (const { customer_id, monetary, frequency } of customers) {
      const own = within(facts).filter(({ customer }) => customer === customer_id);
      expect([monetary, frequency]).toEqual([netOf(own), own.filter(isOrder).length]);
    }
  });

  it('give what the customers of a cohort brought, by age', async () => {
    interface Answer {
      readonly cohorts: readonly {
        readonly cohort: string;
        readonly size: number;
        readonly ages: readonly { readonly age: number; readonly revenue: number | null }[];
      }[];
    }
    const json = { model: 'historical', periods: 3, bucket: 'week' };
    const { cohorts, facts } = await answered<Answer>('/customers/ltv', json);
    const first = new Map(
      firsts(facts.filter(isOrder), ({ customer }) => customer).map((one) => [one.customer, one.at_ms]),
    );
    expect(cohorts.reduce((sum, { size }) => sum + size, 0)).toBeGreaterThan(1);
    for (const { cohort, size, ages } of cohorts) {
      const [from, to] = [
        Math.max(Date.parse(cohort), START_MS),
        Math.min(Date.parse(cohort) + 7 * DAY_MS, END_MS),
      ];
      const members = [...first].filter(([, at_ms]) => at_ms >= from && at_ms < to);
      expect(members).toHaveLength(size);
      for (const { age, revenue } of ages) {
        const own = facts.filter(({ customer, at_ms }) => {
          const ms = at_ms - (first.get(customer) as number);
          return members.some(([id]) => id === customer) && ms >= 0 && Math.floor(ms / (30 * DAY_MS)) === age;
        });
        expect(revenue ?? 0).toBe(netOf(own));
      }
    }
  });

  it.each([
    [{ measure: 'spend_net', gt: 2_000 }, (own: readonly Counted[]) => netOf(own) > 2_000],
    [{ event: 'visit', gte: 4 }, (own: readonly Counted[]) => ofType(own, 'visit').length >= 4],
    [
      { not: { event: 'refund.issued', gte: 2 } },
      (own: readonly Counted[]) => own.length > 0 && ofType(own, 'refund.issued').length < 2,
    ],
  ])('give the customers of the segment %j', async (rule, isIn) => {
    // From the beginning on: of who did nothing in a month but pay for an older order, no event of it says the id.
    const answer = await answered<{ customers: { customer_id: string }[] }>('/customers/segment', {
      ...{ rule, start: '1970-01-01T00:00:00Z' },
    });
    const before = answer.facts.filter(({ at_ms }) => at_ms < END_MS);
    const byCustomer = grouped(before, ({ customer }) => customer);
    const wanted = [...byCustomer].filter(([id, own]) => id !== 'undefined' && isIn(own)).map(([id]) => id);
    expect(answer.customers.map(({ customer_id }) => customer_id).toSorted()).toEqual(wanted.toSorted());
    expect(wanted.length).toBeGreaterThan(0);
  });

  it('give the members of a cohort, and who came back', async () => {
    interface Answer {
      readonly size: number;
      readonly cohorts: readonly {
        readonly periods: readonly { period: number; returned: number | null }[];
      }[];
    }
    const criteria = { type: 'event', start: { event: 'visit' }, bucket: 'none' };
    const { size, cohorts, facts } = await answered<Answer>('/cohorts/adhoc-retention', {
      ...{ criteria, alignment: 'rolling', period: 'week', periods: 3 },
    });
    const starts = within(firsts(ofType(facts, 'visit'), ({ customer }) => customer));
    expect(size).toBe(starts.length);
    for (const { period, returned } of cohorts.flatMap(({ periods }) => periods)) {
      const came = starts.filter(({ customer, at_ms }) =>
        facts.filter(isOrder).some((order) => {
          const ms = order.at_ms - at_ms;
          return order.customer === customer && ms >= 0 && Math.floor(ms / (7 * DAY_MS)) === period;
        }),
      );
      // Period 0 holds the start event itself.
      if (period > 0) expect(returned ?? 0).toBe(came.length);
    }
  });

  it('give who comes how far', async () => {
    const steps = [{ event: 'visit' }, { event: 'order.created' }, { event: 'payment.succeeded' }];
    const json = { steps, window: '5d', entry: 'first' };
    const { steps: counts, facts } = await answered<{ steps: { count: number }[] }>('/funnels/adhoc', json);
    const reached = [0, 0, 0];
    for (const own of grouped(facts, ({ customer }) => customer).values()) {
      const entry = within(ofType(own, 'visit'))[0];
      if (entry === undefined) continue;
      let at_ms = entry.at_ms;
      for (const [step, { event }] of steps.entries()) {
        const next = ofType(own, event).find(
          (one) => one.at_ms >= at_ms && one.at_ms <= entry.at_ms + 5 * DAY_MS,
        );
        if (next === undefined) break;
        at_ms = next.at_ms;
        reached[step] = (reached[step] as number) + 1;
      }
    }
    expect(counts.map(({ count }) => count)).toEqual(reached);
  });

  it('give the revenue that is attributed', async () => {
    const { totals, facts } = await answered<{ totals: { revenue: number; conversions: number } }>(
      '/attribution/query',
      { method: 'linear' },
    );
    const orders = within(facts).filter(isOrder);
    const ids = new Set(orders.map(({ order }) => order));
    expect(totals).toMatchObject({
      conversions: orders.length,
      // Refunds count whenever they come.
      revenue: netOf(facts.filter((fact) => (isOrder(fact) || isRefund(fact)) && ids.has(fact.order))),
    });
  });

  it.each(['event', 'order'])('give what refunds take, by the time of the %s', async (basis) => {
    const { totals, facts } = await answered<{ totals: Record<string, number> }>('/refunds/impact', {
      basis,
    });
    const orders = within(facts.filter(isOrder));
    const ids = new Set(orders.map(({ order }) => order));
    const refunds = ofType(facts, 'refund.issued');
    const own = basis === 'event' ? within(refunds) : refunds.filter(({ order }) => ids.has(order));
    expect(totals).toMatchObject({
      ...{ orders: orders.length, gross: amounts(orders), refund_events: own.length, refunds: amounts(own) },
      net: netOf([...orders, ...own]),
    });
  });

  it('give what came back, and the requests', async () => {
    interface Answer {
      readonly totals: { readonly orders: number; readonly returns: number };
      readonly processing: { readonly requests: number; readonly finished_by_receipt: number };
    }
    const { totals, processing, facts } = await answered<Answer>('/returns/summary', {});
    const requests = within(ofType(facts, 'return.requested'));
    expect(totals).toMatchObject({
      orders: within(facts.filter(isOrder)).length,
      returns: within(ofType(facts, 'return.received')).length,
    });
    const received = requests.filter(({ order, at_ms }) =>
      ofType(facts, 'return.received').some((one) => one.order === order && one.at_ms >= at_ms),
    );
    expect(processing).toMatchObject({ requests: requests.length, finished_by_receipt: received.length });
  });

  it('give frauds and chargebacks', async () => {
    const { groups, facts } = await answered<{ groups: { totals: Record<string, number> }[] }>(
      '/fraud/trends',
      {
        ip_clusters: false,
      },
    );
    const [flags, chargebacks] = ['fraud.flagged', 'chargeback.received'].map((type) =>
      within(ofType(facts, type)),
    );
    const paid = within(firsts(ofType(facts, 'payment.succeeded'), ({ order }) => order)).length;
    expect(groups[0]?.totals).toMatchObject({
      ...{ fraud_flags: flags?.length, fraud_amount: amounts(flags ?? []), orders_paid: paid },
      ...{ chargebacks: chargebacks?.length, chargeback_rate: (chargebacks?.length ?? 0) / paid },
    });
  });

  it('have a hash of what was asked, whatever the way of asking', async () => {
    const hash = async (more: object): Promise<string> =>
      (await ask<{ explain: Explain }>('/customers/rfm', { ...RANGE, explain: true, ...more })).explain
        .definition_hash;
    const first = await hash({});
    expect(await hash({ limit: 3, force_fresh: false })).toBe(first);
    expect(await hash({ scoring: 'ntile' })).not.toBe(first);
  });
});
