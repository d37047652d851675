import { AMOUNT_FIELDS, minorUnitExponent } from '../../../analytics/index.ts';
import { type Members, memberOf, type OrderEvent, totalOf } from './order-history.ts';
import { fitText, fitUrl, PLACEHOLDERS, type Placeholder } from './rule-template.ts';

/** A value of a template, and the members of events that say it together. */
export interface Picked {
  readonly value: string;
  readonly paths: readonly (readonly string[])[];
}
export type PickedValues = Readonly<Partial<Record<Placeholder, Picked>>>;

const PATHS = {
  order_number: [['order_number'], ['order_id']],
  customer_name: [['customer_name'], ['customer', 'name'], ['customer_first_name']],
  tracking_url: [['tracking_url'], ['tracking', 'url']],
  return_number: [['return_number'], ['return_id']],
} as const;
const LAST_NAME = ['customer_last_name'];
const TOTAL_PATHS = AMOUNT_FIELDS.map((field) => [field]);
const PHONES = [['customer_phone'], ['customer', 'phone'], ['phone']];
const EMAILS = [['customer_email'], ['customer', 'email'], ['email']];

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
  const find = (name: keyof typeof PATHS): Picked | undefined => {
    const asText = name === 'tracking_url' ? fitUrl : fitText;
    for (const path of PATHS[name]) {
      for (const { members } of events) {
        const isFirstName = path[0] === 'customer_first_name';
        const value = isFirstName ? fullName(members) : asText(memberOf(members, path));
        if (value !== '') return { value, paths: isFirstName ? [path, LAST_NAME] : [path] };
      }
    }
    return undefined;
  };
  const total = totalOf(history);
  const all: Record<Placeholder, Picked | undefined> = {
    order_number: find('order_number'),
    customer_name: find('customer_name'),
    total: total === undefined ? undefined : { value: moneyText(total), paths: TOTAL_PATHS },
    status: status === null ? undefined : { value: fitText(status), paths: [['status']] },
    tracking_url: find('tracking_url'),
    return_number: find('return_number'),
  };
  return Object.fromEntries(
    PLACEHOLDERS.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]])),
  );
}

const fullName = (members: Members): string =>
  fitText(`${fitText(memberOf(members, PATHS.customer_name[2]))} ${fitText(memberOf(members, LAST_NAME))}`);

/** The number of an order as people know it; its id where it has none. */
export function orderNumberOf(event: OrderEvent, history: readonly OrderEvent[], order_id: string): string {
  for (const { members } of fromNewest(event, history)) {
    const number = memberOf(members, PATHS.order_number[0]);
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
  const paths = by === 'phone' ? PHONES : EMAILS;
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
