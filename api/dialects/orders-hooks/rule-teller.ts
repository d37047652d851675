import {
  type ChannelMessage,
  type Definition,
  messageIdOf,
  type Notice,
  type Outbound,
  orderEventName,
  type PeopleChannel,
} from '../../../runtime/index.ts';
import type { Inbox, InboxEntry } from './inbox.ts';
import type { OrderEvent } from './order-history.ts';
import { addressSchema, type RuleBody } from './rule-kind.ts';
import { filled, fitText, htmlOf, type TemplateValues } from './rule-template.ts';
import { customerTexts, type PickedValues } from './rule-values.ts';

type Rule = Definition<RuleBody>;
const SUBJECT_MAX_CHARS = 200;

/** What a rule tells of. */
export interface RuleEvent {
  readonly order_id: string;
  readonly event_id: string;
  /** Told type. */
  readonly type: string;
  readonly time_ms: number;
  readonly values: PickedValues;
}

interface TellerParts {
  readonly outbound: Pick<Outbound, 'tell' | 'untold'>;
  readonly inbox: Inbox;
}

/** Tells people what rules say. */
export class RuleTeller {
  readonly #parts: TellerParts;

  constructor(parts: TellerParts) {
    this.#parts = parts;
  }

  /** False where nobody is known whom it could tell. */
  async tell(
    rule: Rule,
    told: RuleEvent,
    event: OrderEvent,
    history: readonly OrderEvent[],
  ): Promise<boolean> {
    const { channel, recipient_type, recipients = [] } = rule.body;
    const notice = noticeOf(rule, told);
    if (channel === 'in_app') {
      await this.#parts.inbox.add(rule.tenant, entryOf(rule, notice, told));
      return true;
    }
    const addresses = recipient_type === 'staff' ? recipients : customerOf(channel, event, history);
    if (addresses.length === 0) {
      const message = `No event of the order says a ${channel === 'email' ? 'mail address' : 'number'} of the customer.`;
      await this.#parts.outbound.untold(notice, channel, { code: 'no_recipient', message });
      return false;
    }
    const message = messageOf(rule, textsOf(told.values), told.time_ms);
    await this.#parts.outbound.tell(notice, channelsOf(channel, addresses), message);
    return true;
  }
}

export const noticeTypeOf = ({ id }: Pick<Rule, 'id'>): string => `order_rule.${id}`;

export const noticeOf = (rule: Rule, { event_id, time_ms, order_id }: RuleEvent): Notice => ({
  ...{ tenant: rule.tenant, type: noticeTypeOf(rule), id: event_id, time_ms, payload: { order_id } },
});

export const entryOf = (rule: Rule, notice: Notice, told: RuleEvent, isTest = false): InboxEntry => ({
  id: messageIdOf(notice),
  rule_id: rule.id,
  rule_name: rule.name,
  event: orderEventName(told.type),
  order_id: told.order_id,
  time_ms: told.time_ms,
  template: rule.body.template,
  values: Object.fromEntries(
    Object.entries(told.values).map(([name, { value, paths }]) => [
      name,
      { value, paths: paths.map((path) => [...path]) },
    ]),
  ),
  isTest,
});

export const textsOf = (values: PickedValues): TemplateValues =>
  Object.fromEntries(Object.entries(values).map(([name, { value }]) => [name, value]));

/** What is sent: a short message is its text alone, a mail has a subject, a text and the same as HTML. */
export function messageOf({ id, name, body }: Rule, values: TemplateValues, time_ms: number): ChannelMessage {
  const text = filled(body.template, values);
  const common = { severity: 'info', about: id, isResolved: false, time_ms } as const;
  if (body.channel !== 'email') return { ...common, title: text, text: '' };
  // One line, whatever is filled in: a header has no others.
  const title = fitText(filled(body.subject ?? name, values), SUBJECT_MAX_CHARS);
  return { ...common, title, text, html: htmlOf(text) };
}

/** The first address that is one, as a channel takes it. */
function customerOf(
  channel: Exclude<RuleBody['channel'], 'in_app'>,
  event: OrderEvent,
  history: readonly OrderEvent[],
): readonly string[] {
  const schema = addressSchema(channel);
  const isMail = channel === 'email';
  const texts = customerTexts(event, history, isMail ? 'email' : 'phone');
  const fit = texts.map((text) => (isMail ? text : text.replaceAll(/[\s().-]/g, '')));
  const first = fit.find((text) => schema.safeParse(text).success);
  return first === undefined ? [] : [first];
}

/** A mail goes to all of them, a short message to each. */
export function channelsOf(
  channel: Exclude<RuleBody['channel'], 'in_app'>,
  addresses: readonly string[],
): readonly PeopleChannel[] {
  if (channel === 'email') return [{ type: 'email', to: [...addresses] }];
  return addresses.map((to) => ({ type: channel, to }));
}
