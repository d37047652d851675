import { z } from 'zod';
import { EVENT_TERMS, parseCondition } from '../../../analytics/index.ts';
import {
  DefinitionError,
  type DefinitionKind,
  type Outbound,
  orderEventSchema,
  phoneSchema,
} from '../../../runtime/index.ts';
import { unknownPlaceholder } from './rule-template.ts';

const TEXT_MAX_CHARS = 4_000;
/** As long as providers take a message. */
const SHORT_MAX_CHARS = 1_600;
const SUBJECT_MAX_CHARS = 200;
const MAX_RECIPIENTS = 50;

export const CHANNELS = ['sms', 'whatsapp', 'email', 'in_app'] as const;
export const emailSchema = z.email().max(254);

const templateText = (max_chars: number) => z.string().min(1).max(max_chars);

const ruleSchema = z.strictObject({
  event: orderEventSchema.describe('What it tells of, e.g. `order.fulfilled`, which is also `order.shipped`'),
  channel: z.enum(CHANNELS),
  recipient_type: z
    .enum(['customer', 'staff'])
    .default('customer')
    .describe('`customer`: whom the order is of; `staff`: `recipients`, and of `in_app` who may read events'),
  recipients: z
    .array(z.string().max(254))
    .max(MAX_RECIPIENTS)
    .optional()
    .describe('Numbers or addresses of `staff`'),
  subject: templateText(SUBJECT_MAX_CHARS)
    .optional()
    .describe('Of a mail, with placeholders; default: the name'),
  template: templateText(TEXT_MAX_CHARS).describe(
    'Text with the placeholders order_number, customer_name, total, status, tracking_url, return_number in {{…}}',
  ),
  conditions: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('A condition of `POST /events/search` on the event; {}: all'),
  is_active: z.boolean().default(true),
});
export type RuleBody = z.output<typeof ruleSchema>;

/** Rules that tell people of what changes orders. */
export function ruleKind(outbound: () => Pick<Outbound, 'requireChannel'>): DefinitionKind<RuleBody> {
  return {
    kind: 'order_notification_rule',
    schema: ruleSchema,
    isEnabled: ({ is_active }) => is_active,
    check: ({ body }) => {
      requireTemplate('template', body.template);
      if (body.subject !== undefined) requireTemplate('subject', body.subject);
      const isShort = body.channel === 'sms' || body.channel === 'whatsapp';
      if (isShort && body.template.length > SHORT_MAX_CHARS)
        refuse('template', `has at most ${SHORT_MAX_CHARS} characters for ${body.channel}`);
      requireRecipients(body);
      if (!isEmpty(body.conditions)) parseCondition(body.conditions, EVENT_TERMS, 'conditions');
      if (body.channel !== 'in_app') outbound().requireChannel(body.channel, 'channel');
    },
  };
}

export const isEmpty = (conditions: RuleBody['conditions']): boolean => Object.keys(conditions).length === 0;

function refuse(path: string, message: string): never {
  throw new DefinitionError('validation_failed', `${path} ${message}.`, [{ path, message }]);
}

function requireTemplate(path: string, template: string): void {
  const unknown = unknownPlaceholder(template);
  if (unknown !== undefined) refuse(path, `has an unknown placeholder: {{${unknown.slice(0, 100)}}}`);
}

function requireRecipients({ channel, recipient_type, recipients = [] }: RuleBody): void {
  if (channel === 'in_app' || recipient_type === 'customer') {
    if (recipients.length > 0) refuse('recipients', 'are those of `staff` by sms, whatsapp and email');
    return;
  }
  if (recipients.length === 0) refuse('recipients', 'are needed for recipient_type `staff`');
  const schema = addressSchema(channel);
  for (const [at, recipient] of recipients.entries()) {
    const problem = schema.safeParse(recipient).error?.issues[0]?.message;
    if (problem !== undefined) refuse(`recipients.${at}`, problem);
  }
}

/** What a channel reaches somebody by. */
export const addressSchema = (channel: RuleBody['channel']): z.ZodType<string> =>
  channel === 'email' ? emailSchema : phoneSchema;
