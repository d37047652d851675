import { z } from 'zod';

const SECRET_MAX_CHARS = 8_192;
const SECRET_NAME = /auth|cookie|key|secret|token/i;
const name = z.string().min(1).max(128);
const path = z.string().max(256).describe('Members joined by dots');

export const httpPollConfig = z.strictObject({
  url: z
    .url({ protocol: /^https?$/ })
    .max(2_048)
    .describe('What is read: an address of the public internet'),
  headers: z
    .record(
      name.refine((one) => !SECRET_NAME.test(one), 'is the name of a secret: say it as `auth`'),
      z.string().max(1_024),
    )
    .default({})
    .describe('Sent with each request; no secrets'),
  auth: z
    .strictObject({
      header: name.default('Authorization'),
      value: z.string().min(1).max(SECRET_MAX_CHARS).describe('Such as `Bearer …`; it is stored encrypted'),
    })
    .optional()
    .describe('The header that says who asks'),
  interval_s: z.int().min(1).max(86_400).default(60).describe('Seconds between two looks'),
  records: path
    .default('')
    .describe('Where the list of records is in the answer; empty: the answer is the list'),
  cursor: z
    .strictObject({
      path: path.min(1).describe('Where the answer says the cursor of the next page'),
      param: name.describe('Query parameter that it is sent as'),
    })
    .optional(),
  since: z
    .strictObject({
      path: path.min(1).describe('Member of a record that grows, such as `updated_at`'),
      param: name.describe('Query parameter that the greatest one so far is sent as'),
      start: z.string().max(128).optional().describe('At first'),
    })
    .optional(),
});
export type HttpPollConfig = z.output<typeof httpPollConfig>;

/** How far it is read. */
export const httpPollPosition = z.object({
  cursor: z.string().exactOptional(),
  since: z.string().exactOptional(),
  /** The greatest of the pages that are being read. */
  reached: z.string().exactOptional(),
});
export type HttpPollPosition = z.output<typeof httpPollPosition>;
