import {
  type BusinessEvent,
  idOf,
  inOrder,
  isWithin,
  numberOf,
  quantileOf,
  type Within,
} from './business-event.ts';

const MINUTE_MS = 60_000;

export interface SupportNumbers {
  /** In the range. */
  readonly opened: number;
  readonly resolved: number;
  /** Open at the end of the range. */
  readonly backlog: number;
  /** Minutes, of tickets that were opened in the range and answered or resolved by now. */
  readonly first_response: Quantiles;
  readonly resolution: Quantiles;
  /** Of tickets that were opened in the range: answered within their time ÷ those whose time is over or who were answered. */
  readonly sla_share: number | null;
}

export interface Quantiles {
  readonly tickets: number;
  readonly p50_minutes: number | null;
  readonly p90_minutes: number | null;
}

interface Ticket {
  opened_ms: number | undefined;
  answered_ms: number | undefined;
  resolved_ms: number | undefined;
  sla_minutes: number | undefined;
}

/** Helpdesk numbers; a ticket is answered at its first `ticket.first_response`, else when it is resolved. */
export function supportNumbers(
  events: readonly BusinessEvent[],
  range: Within,
  { sla_minutes, now_ms }: { readonly sla_minutes: number; readonly now_ms: number },
): SupportNumbers {
  const tickets = [...ticketsOf(events).values()];
  const ours = tickets.flatMap(({ opened_ms, ...ticket }) =>
    opened_ms !== undefined && isWithin(opened_ms, range) ? [{ ...ticket, opened_ms }] : [],
  );
  const minutes = (to: number | undefined, from: number): readonly number[] =>
    to === undefined ? [] : [Math.max(0, to - from) / MINUTE_MS];
  const isOpenAtEnd = ({ opened_ms, resolved_ms }: Ticket): boolean =>
    opened_ms !== undefined &&
    opened_ms < range.end_ms &&
    (resolved_ms === undefined || resolved_ms >= range.end_ms);
  let [kept, judged] = [0, 0];
  for (const { opened_ms, answered_ms, resolved_ms, sla_minutes: own } of ours) {
    const due_ms = opened_ms + (own ?? sla_minutes) * MINUTE_MS;
    const answer_ms = answered_ms ?? resolved_ms;
    if (answer_ms === undefined && now_ms < due_ms) continue;
    judged++;
    if (answer_ms !== undefined && answer_ms <= due_ms) kept++;
  }
  return {
    opened: ours.length,
    resolved: tickets.filter(({ resolved_ms }) => resolved_ms !== undefined && isWithin(resolved_ms, range))
      .length,
    backlog: tickets.filter(isOpenAtEnd).length,
    first_response: quantiles(
      ours.flatMap((one) => minutes(one.answered_ms ?? one.resolved_ms, one.opened_ms)),
    ),
    resolution: quantiles(ours.flatMap((one) => minutes(one.resolved_ms, one.opened_ms))),
    sla_share: judged === 0 ? null : kept / judged,
  };
}

function ticketsOf(events: readonly BusinessEvent[]): ReadonlyMap<string, Ticket> {
  const tickets = new Map<string, Ticket>();
  for (const event of inOrder(events)) {
    const id = idOf(event, 'ticket_id');
    if (id === undefined) continue;
    const none = {
      opened_ms: undefined,
      answered_ms: undefined,
      resolved_ms: undefined,
      sla_minutes: undefined,
    };
    const ticket: Ticket = tickets.get(id) ?? none;
    tickets.set(id, ticket);
    if (event.type === 'ticket.opened') {
      ticket.opened_ms ??= event.time_ms;
      ticket.sla_minutes ??= numberOf(event, 'sla_minutes');
    } else if (event.type === 'ticket.first.response') ticket.answered_ms ??= event.time_ms;
    else if (event.type === 'ticket.resolved') ticket.resolved_ms ??= event.time_ms;
  }
  return tickets;
}

function quantiles(minutes: readonly number[]): Quantiles {
  return {
    tickets: minutes.length,
    p50_minutes: quantileOf(minutes, 0.5),
    p90_minutes: quantileOf(minutes, 0.9),
  };
}
