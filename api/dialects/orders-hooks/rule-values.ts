import { AMOUNT_FIELDS, memberOf, minorUnitExponent, ORDER_MEMBERS } from '../../../analytics/index.ts';
import { type Members, type OrderEvent, totalOf } from './order-history.ts';
import { fitText, fitUrl, PLACEHOLDERS, type Placeholder } from './rule-template.ts';

/** A value of a template, and the members of events that say it together. */
export interface Picked {
  readonly value: string;
  readonly paths: readonly (readonly string[])[];
}
export type PickedValues = Readonly<Partial<Record<Placeholder, Picked>>>;

type Path = readonly string[];
type Paths = readonly Path[];

const TOTAL_PATHS = AMOUNT_FIELDS.map((field) => [field]);

/** An event before what was said earlier of its order, the newest of that first. */
function fromNewest(event: OrderEvent, history: readonly OrderEvent[]): readonly OrderEvent[] {
  const others = history.filter((one) => one !== event);
  return [event, ...others.sort((a, b) => b.time_ms - a.time_ms || b.sequence - a.sequence)];
}

/** What the templates of a rule are filled with: of the event, else of the newest that says it of the order. */
export function valuesOf(
  event: OrderEvent,
  history: readonly OrderEvent[],
  status: string | null,
): PickedValues {
  const events = fromNewest(event, history);
  const find = (paths: Paths, asText = fitText): Picked | undefined => {
    for (const path of paths)
      for (const { members } of events) {
        const value = asText(memberOf(members, path));
        if (value !== '') return { value, paths: [path] };
      }
    return undefined;
  };
  const { order_number, customer_name, tracking_url, return_number } = ORDER_MEMBERS;
  const total = totalOf(history);
  const all: Record<Placeholder, Picked | undefined> = {
    order_number: find([...order_number, ['order_id']]),
    customer_name: find(customer_name) ?? firstFound(events, ({ members }) => fullName(members)),
    total: total === undefined ? undefined : { value: moneyText(total), paths: TOTAL_PATHS },
    status: status === null ? undefined : { value: fitText(status), paths: [['status']] },
    tracking_url: find(tracking_url, fitUrl),
    return_number: find(return_number),
  };
  return Object.fromEntries(
    PLACEHOLDERS.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]])),
  );
}

function firstFound<T, R>(all: readonly T[], of: (one: T) => R | undefined): R | undefined {
  for (const one of all) {
    const found = of(one);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** First and last name, where there is a first one. */
function fullName(members: Members): Picked | undefined {
  const named = (paths: Paths): readonly [path: Path, text: string] | undefined =>
    firstFound(paths, (path) => {
      const text = fitText(memberOf(members, path));
      return text === '' ? undefined : ([path, text] as const);
    });
  const first = named(ORDER_MEMBERS.first_name);
  if (first === undefined) return undefined;
  const last = named(ORDER_MEMBERS.last_name);
  const paths = [first[0], last?.[0] ?? ORDER_MEMBERS.last_name[0]];
  return { value: fitText(`${first[1]} ${last?.[1] ?? ''}`), paths };
}

/** The number of an order as people know it; its id where it has none. */
export function orderNumberOf(event: OrderEvent, history: readonly OrderEvent[], order_id: string): string {
  for (const { members } of fromNewest(event, history)) {
    const number = memberOf(members, ORDER_MEMBERS.order_number[0]);
    if (typeof number === 'string' && number !== '') return number;
    if (typeof number === 'number') return String(number);
  }
  return order_id;
}

/** What a customer is reached by, as the events of the order say it. */
export function customerTexts(
  event: OrderEvent,
  history: readonly OrderEvent[],
  by: 'phone' | 'email',
): readonly string[] {
  const paths: Paths = ORDER_MEMBERS[by];
  return fromNewest(event, history).flatMap(({ members }) =>
    paths.flatMap((path) => {
      const text = memberOf(members, path);
      return typeof text === 'string' ? [text.trim()] : [];
    }),
  );
}

/** `49.90 EUR`, with all digits of the currency. */
export function moneyText({
  minor,
  currency,
}: {
  readonly minor: number;
  readonly currency: string;
}): string {
  const digits = currency === '' ? 2 : minorUnitExponent(currency);
  const text = String(Math.abs(minor)).padStart(digits + 1, '0');
  const whole = digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`;
  return `${minor < 0 ? '-' : ''}${whole} ${currency}`.trim();
}
