import { CHANNELS, customerAt, PRODUCTS } from './catalog.ts';
import { chanceOf } from './chance.ts';
import { CURRENCY, DAY_MS, dateOf, eventOf, HOUR_MS, MINUTE_MS, type ShopEvent, weekdayOf } from './event.ts';

/** What a company does beside selling: stock, staff, tickets, leads, subscriptions, campaigns. */
export function companyOf(seed: number, day: number): readonly ShopEvent[] {
  return [stock, attendance, temporary, tickets, leads, subscriptions, campaigns, rates].flatMap((part) =>
    part(seed, day),
  );
}

const MONDAY_TO_FRIDAY = 5;
const OFFICE_OPENS_MS = 8 * HOUR_MS;

/** What there was before the first day. */
export function foundingOf(seed: number): readonly ShopEvent[] {
  return [
    ...STAFF.map(([employee_id, department, joined]) =>
      eventOf(`joined/${employee_id}`, 'employee.joined', Date.parse(joined) + OFFICE_OPENS_MS, {
        data: { employee_id, department },
      }),
    ),
    ...Array.from({ length: 36 }, (_, at) => {
      const random = chanceOf(seed, `founding/${at}`);
      return subscribed(
        `sub-0-${at}`,
        Date.parse('2025-03-01') + random.int(0, 300) * DAY_MS,
        random.int(1, 400),
      );
    }),
  ];
}

const STAFF: readonly (readonly [id: string, department: string, joined: string])[] = [
  ...['2023-02-01', '2023-02-01', '2023-09-15', '2024-04-02'].map(
    (joined, at) => [`e-1${at}`, 'warehouse', joined] as const,
  ),
  ...['2023-02-01', '2024-01-08', '2025-03-03'].map((joined, at) => [`e-2${at}`, 'support', joined] as const),
  ...['2023-02-01', '2023-06-12'].map((joined, at) => [`e-3${at}`, 'marketing', joined] as const),
  ...['2023-02-01', '2024-10-01', '2025-05-19'].map((joined, at) => [`e-4${at}`, 'office', joined] as const),
];

/** Of each product in the morning: what was delivered less what has gone since. */
function stock(_: number, day: number): readonly ShopEvent[] {
  return PRODUCTS.map(({ sku, category, stock: { full, daily, every_days, reorder_point } }) =>
    eventOf(`level/${sku}/${day}`, 'inventory.level', day * DAY_MS + 5 * HOUR_MS, {
      ...{ sku, category, warehouse: 'leeds', reorder_point },
      quantity: Math.max(0, full - daily * (day % every_days)),
    }),
  );
}

function attendance(seed: number, day: number): readonly ShopEvent[] {
  if (weekdayOf(day) >= MONDAY_TO_FRIDAY) return [];
  return STAFF.flatMap(([employee_id, department]) => {
    const random = chanceOf(seed, `attended/${employee_id}/${day}`);
    if (!random.chance(0.94)) return [];
    const time_ms = day * DAY_MS + OFFICE_OPENS_MS + random.int(-20, 40) * MINUTE_MS;
    const data = { employee_id, department, present: true };
    return [eventOf(`attended/${employee_id}/${day}`, 'employee.attended', time_ms, { data })];
  });
}

/** Each month somebody helps in the warehouse, from the 4th to the 25th. */
function temporary(_: number, day: number): readonly ShopEvent[] {
  const date = dateOf(day);
  const type = { '04': 'employee.joined', 25: 'employee.left' }[date.slice(8)];
  const employee_id = `e-temp-${date.slice(0, 7)}`;
  const data = { employee_id, department: 'warehouse' };
  return type === undefined
    ? []
    : [eventOf(`${type}/${employee_id}`, type, day * DAY_MS + OFFICE_OPENS_MS, { data })];
}

function tickets(seed: number, day: number): readonly ShopEvent[] {
  const random = chanceOf(seed, `tickets/${day}`);
  return Array.from({ length: random.int(3, 7) }, (_, at) => {
    const ticket_id = `t-${day}-${at}`;
    const opened_ms = day * DAY_MS + random.int(7 * 60, 20 * 60) * MINUTE_MS;
    const answered_ms = opened_ms + random.int(4, 300) * MINUTE_MS;
    const resolved_ms = answered_ms + random.int(10, 4_000) * MINUTE_MS;
    const of = {
      ...customerId(customerAt(seed, random.int(1, 420))),
      channel: random.pick(['email', 'chat', 'phone']),
      data: {
        ticket_id,
        sla_minutes: 240,
        subject: random.pick(['Where is my order?', 'A cup is broken', 'An invoice']),
      },
    };
    return [
      eventOf(`opened/${ticket_id}`, 'ticket.opened', opened_ms, of),
      eventOf(`answered/${ticket_id}`, 'ticket.first_response', answered_ms, of),
      ...(random.chance(0.9) ? [eventOf(`resolved/${ticket_id}`, 'ticket.resolved', resolved_ms, of)] : []),
    ];
  }).flat();
}

const customerId = ({ customer_id }: { readonly customer_id: string }) => ({ customer_id });

/** Shares of the leads of a stage that come to the next one. */
const STAGES = [
  ['qualified', 0.6],
  ['proposal', 0.65],
  ['negotiation', 0.7],
  ['won', 0.65],
] as const;

/** Offices and cafés that may become customers. */
function leads(seed: number, day: number): readonly ShopEvent[] {
  if (weekdayOf(day) >= MONDAY_TO_FRIDAY) return [];
  const random = chanceOf(seed, `leads/${day}`);
  return Array.from({ length: random.int(1, 4) }, (_, at) => {
    const lead_id = `l-${day}-${at}`;
    const value = random.int(5, 40) * 10_000;
    let time_ms = day * DAY_MS + OFFICE_OPENS_MS + random.int(0, 500) * MINUTE_MS;
    const events: ShopEvent[] = [];
    const reach = (stage: string): void => {
      const of = { currency: CURRENCY, channel: 'referral', data: { lead_id, stage, value } };
      events.push(eventOf(`lead/${lead_id}/${stage}`, 'lead.stage_changed', time_ms, of));
    };
    reach('lead');
    for (const [stage, share] of STAGES) {
      time_ms += random.int(6 * 60, 4 * 24 * 60) * MINUTE_MS;
      if (random.chance(share)) reach(stage);
      else {
        if (stage === 'won') reach('lost');
        break;
      }
    }
    return events;
  }).flat();
}

function subscribed(subscription_id: string, time_ms: number, customer: number): ShopEvent {
  const isYear = customer % 4 === 0;
  const data = { subscription_id, plan_amount: isYear ? 19_000 : 1_900, interval: isYear ? 'year' : 'month' };
  const of = { customer_id: `c-${customer}`, currency: CURRENCY, data };
  return eventOf(`started/${subscription_id}`, 'subscription.started', time_ms, of);
}

/** A box of tea each month: some begin, some change to the large one, some end. */
function subscriptions(seed: number, day: number): readonly ShopEvent[] {
  const random = chanceOf(seed, `subscriptions/${day}`);
  const time_ms = day * DAY_MS + random.int(9, 20) * HOUR_MS;
  const subscription_id = `sub-${day}`;
  const customer_id = `c-${random.int(1, 420)}`;
  const started = subscribed(subscription_id, time_ms, Number(customer_id.slice(2)));
  const later = (days: number): number => time_ms + days * DAY_MS;
  const changed = {
    currency: CURRENCY,
    customer_id,
    data: { subscription_id, plan_amount: 2_900, interval: 'month' },
  };
  const ended = { customer_id, data: { subscription_id }, reason: 'too much tea' };
  return [
    started,
    ...(random.chance(0.2)
      ? [eventOf(`changed/${subscription_id}`, 'subscription.changed', later(random.int(3, 9)), changed)]
      : []),
    ...(random.chance(0.3)
      ? [eventOf(`ended/${subscription_id}`, 'subscription.cancelled', later(random.int(10, 20)), ended)]
      : []),
  ];
}

const NEWSLETTER_DAYS = [1, 4];
const NEWSLETTERS = 60;

function campaigns(seed: number, day: number): readonly ShopEvent[] {
  const random = chanceOf(seed, `campaigns/${day}`);
  const paid = CHANNELS.flatMap((one) => ('campaign' in one ? [one] : []));
  const spend = paid.map(({ campaign, channel }) =>
    eventOf(`spend/${campaign}/${day}`, 'campaign.spend', day * DAY_MS + HOUR_MS, {
      ...{ campaign, channel, currency: CURRENCY, amount: random.int(600, 2_600) },
    }),
  );
  return NEWSLETTER_DAYS.includes(weekdayOf(day)) ? [...spend, ...newsletter(seed, day)] : spend;
}

function newsletter(seed: number, day: number): readonly ShopEvent[] {
  const random = chanceOf(seed, `newsletter/${day}`);
  return Array.from({ length: NEWSLETTERS }, (_, at) => {
    const id = `${day}/${at}`;
    const of = { campaign: 'newsletter', channel: 'email', customer_id: `c-${random.int(1, 420)}` };
    const sent_ms = day * DAY_MS + 9 * HOUR_MS + at * 1_000;
    const opened_ms = sent_ms + random.int(1, 400) * MINUTE_MS;
    const isOpened = random.chance(0.4);
    const isClicked = isOpened && random.chance(0.3);
    return [
      eventOf(`sent/${id}`, 'campaign.sent', sent_ms, of),
      ...(isOpened ? [eventOf(`opened/${id}`, 'campaign.opened', opened_ms, of)] : []),
      ...(isClicked ? [eventOf(`clicked/${id}`, 'campaign.clicked', opened_ms + MINUTE_MS, of)] : []),
    ];
  }).flat();
}

/** So that money may be asked for in euros, too. */
function rates(seed: number, day: number): readonly ShopEvent[] {
  const rate = 1.15 + chanceOf(seed, `rate/${day}`).int(-20, 20) / 1_000;
  return [
    eventOf(`rate/${day}`, 'fx.rate', day * DAY_MS, {
      base: CURRENCY,
      quote: 'EUR',
      rate: Number(rate.toFixed(3)),
    }),
  ];
}
