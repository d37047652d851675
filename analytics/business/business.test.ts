import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BusinessEvent } from './business-event.ts';
import { leadFunnel, recurringRevenue, staffNumbers, supportNumbers } from './index.ts';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

let next = 0;
function event(type: string, time_ms: number, members: Readonly<Record<string, unknown>>): BusinessEvent {
  return { event_id: `e${String(++next).padStart(6, '0')}`, type, time_ms, member: (name) => members[name] };
}

describe('recurring revenue', () => {
  const plan = (subscription_id: string, plan_amount: number, interval: string) => ({
    ...{ subscription_id, plan_amount, interval, currency: 'usd' },
  });
  const events = [
    event('subscription.started', 10, plan('a', 1_200, 'month')),
    event('subscription.started', 20, plan('b', 12_000, 'year')),
    event('subscription.started', 30, plan('c', 300, 'week')),
    event('subscription.started', 40, plan('d', 100, 'day')),
    event('subscription.changed', 50, { subscription_id: 'a', plan_amount: 2_400 }),
    event('subscription.cancelled', 60, { subscription_id: 'd' }),
  ];

  it('normalises to a month and rounds once', () => {
    // 1,200 + 1,000 + 1,300 + 3,041.67
    expect(recurringRevenue(events, 45).byCurrency.get('USD')).toEqual({
      mrr: 6_542,
      arr: 78_504,
      subscriptions: 4,
    });
    expect(recurringRevenue(events, 55).byCurrency.get('USD')).toMatchObject({ mrr: 7_742 });
    expect(recurringRevenue(events, 61).byCurrency.get('USD')).toEqual({
      mrr: 4_700,
      arr: 56_400,
      subscriptions: 3,
    });
    expect(recurringRevenue(events, 10).byCurrency.size).toBe(0);
  });
});

it('a plan that is not known is in no sum, and said', () => {
  const started = (members: object) => event('subscription.started', 1, { currency: 'USD', ...members });
  const events = [
    started({ subscription_id: 'a', plan_amount: 300, interval: 'quarterly' }),
    started({ subscription_id: 'b', plan_amount: 300, interval: 'fortnight' }),
    started({ subscription_id: 'c', interval: 'month' }),
  ];
  const { byCurrency, left_out } = recurringRevenue(events, 2);
  expect([[...byCurrency], left_out]).toEqual([[['USD', { mrr: 100, arr: 1_200, subscriptions: 1 }]], 2]);
});

describe('leads', () => {
  it('count in each stage that they ever reached, if they were created in the range', () => {
    const stage = (lead_id: string, at: number, name: string, value?: number) =>
      event('lead.stage.changed', at * DAY_MS, {
        lead_id,
        stage: name,
        ...(value === undefined ? {} : { value }),
      });
    const events = [
      ...[stage('a', 1, 'lead', 100), stage('a', 3, 'qualified'), stage('a', 11, 'won', 150)],
      ...[stage('b', 2, 'lead', 50), stage('b', 4, 'proposal'), stage('b', 5, 'lost')],
      ...[stage('c', 9, 'lead', 70), stage('old', -1, 'lead', 1_000), stage('old', 2, 'won')],
    ];
    expect(leadFunnel(events, { start_ms: 0, end_ms: 10 * DAY_MS })).toEqual({
      funnel: [
        { stage: 'leads', count: 3, value: 270 },
        { stage: 'qualified', count: 1, value: 150 },
        { stage: 'proposal', count: 1, value: 50 },
        { stage: 'negotiation', count: 0, value: 0 },
        { stage: 'won', count: 1, value: 150 },
        { stage: 'lost', count: 1, value: 50 },
      ],
      ...{ win_rate: 1 / 3, average_deal: 150, average_cycle_days: 10, currencies: [''] },
    });
  });
});

describe('staff', () => {
  it('is who joined and did not leave, and who came', () => {
    const at = (day: number, hour = 9) => day * DAY_MS + hour * 60 * MINUTE_MS;
    const events = [
      event('employee.joined', at(-5), { employee_id: 'a', department: 'shop' }),
      event('employee.joined', at(-5), { employee_id: 'b' }),
      event('employee.joined', at(2, 8), { employee_id: 'c', department: 'shop' }),
      event('employee.left', at(3), { employee_id: 'b' }),
      ...[1, 2, 3].map((day) => event('employee.attended', at(day), { employee_id: 'a' })),
      event('employee.attended', at(2), { employee_id: 'b', present: false }),
      event('employee.attended', at(2), { employee_id: 'c' }),
    ];
    const numbers = staffNumbers(events, { start_ms: 0, end_ms: 10 * DAY_MS }, (time) =>
      Math.floor(time / DAY_MS),
    );
    expect(numbers).toEqual({
      ...{ headcount: 2, joins: 1, leaves: 1, turnover: 0.5 },
      // a and b, then a, b and c twice: of 8 days 4.
      attendance_rate: 4 / 8,
      by_department: [{ department: 'shop', headcount: 2 }],
    });
  });
});

describe('support', () => {
  it('has its times by nearest rank, and its share within the time that was promised', () => {
    const at = (minute: number) => minute * MINUTE_MS;
    const events = [
      event('ticket.opened', at(0), { ticket_id: 1, sla_minutes: 10 }),
      event('ticket.first.response', at(5), { ticket_id: 1 }),
      event('ticket.resolved', at(30), { ticket_id: 1 }),
      event('ticket.opened', at(1), { ticket_id: 2 }),
      event('ticket.first.response', at(90), { ticket_id: 2 }),
      event('ticket.opened', at(2), { ticket_id: 3 }),
      event('ticket.opened', at(-100), { ticket_id: 0 }),
      event('ticket.resolved', at(3), { ticket_id: 0 }),
    ];
    const within = { start_ms: 0, end_ms: at(60) };
    expect(supportNumbers(events, within, { sla_minutes: 60, now_ms: at(200) })).toEqual({
      ...{ opened: 3, resolved: 2, backlog: 2 },
      first_response: { tickets: 2, p50_minutes: 5, p90_minutes: 89 },
      resolution: { tickets: 1, p50_minutes: 30, p90_minutes: 30 },
      sla_share: 1 / 3,
    });
    // Whose time is not over is not judged.
    expect(supportNumbers(events, within, { sla_minutes: 60, now_ms: at(61) })).toMatchObject({
      sla_share: 1 / 2,
    });
  });
});

it('gives the same whatever order events come in', () => {
  const record = fc.record({
    type: fc.constantFrom('opened', 'first.response', 'resolved'),
    id: fc.integer({ min: 0, max: 5 }),
    at: fc.integer({ min: 0, max: 50 }),
  });
  const property = fc.property(fc.array(record, { maxLength: 40 }), fc.integer(), (records, salt) => {
    const all = records.map(({ type, id, at }) => {
      const members = {
        ticket_id: id,
        lead_id: id,
        subscription_id: id,
        employee_id: id,
        stage: type,
        plan_amount: at,
      };
      const types: Readonly<Record<string, string>> = {
        opened: 'subscription.started',
        'first.response': 'subscription.changed',
        resolved: 'subscription.cancelled',
      };
      return [event(`ticket.${type}`, at, members), event(types[type] ?? '', at, members)];
    });
    const answers = (events: readonly BusinessEvent[]): string =>
      JSON.stringify([
        [...recurringRevenue(events, 40).byCurrency],
        leadFunnel(events, { start_ms: 0, end_ms: 30 }),
        supportNumbers(events, { start_ms: 5, end_ms: 30 }, { sla_minutes: 0.0001, now_ms: 60 }),
      ]);
    const events = all.flat();
    const shuffled = events.toSorted((a, b) => hash(a.event_id, salt) - hash(b.event_id, salt));
    expect(answers(shuffled)).toBe(answers(events));
  });
  fc.assert(property, { seed: 20261130, numRuns: 200 });
});

function hash(text: string, salt: number): number {
  let state = salt | 0;
  for (const character of text) state = Math.imul(state ^ (character.codePointAt(0) ?? 0), 0x9e3779b1);
  return state;
}
