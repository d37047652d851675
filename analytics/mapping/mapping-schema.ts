import { z } from 'zod';

const MAX_RULES = 32;
const MAX_FIELDS = 64;
const MAX_PATHS = 8;
const MAX_PATH_CHARS = 256;

const path = z
  .string()
  .min(1)
  .max(MAX_PATH_CHARS)
  .describe(
    'Members joined by dots; `$.a` from the record where `each` has gone into a list, `@name` a header',
  );
const scalar = z.union([z.string().max(MAX_PATH_CHARS), z.number(), z.boolean()]);
const paths = z.union([path, z.array(path).min(1).max(MAX_PATHS)]);

export const recordConditionSchema = z.record(
  path,
  z.union([
    scalar,
    z.array(scalar).min(1),
    z.strictObject({ exists: z.boolean() }),
    z.strictObject({ not: z.array(scalar).min(1) }),
  ]),
);

export const TIME_FORMATS = ['rfc3339', 'utc', 'epoch_s', 'epoch_ms'] as const;

/** Where a field of the event comes from. A text is a path. */
export const valueSchema = z.union([
  path,
  z.strictObject({ const: scalar }),
  z.strictObject({
    join: z
      .array(z.union([path, z.strictObject({ const: scalar })]))
      .min(1)
      .max(MAX_PATHS),
  }),
  z.strictObject({
    path: paths.describe('The first of them that is there, and neither null nor empty'),
    as: z
      .enum(['text', 'money', 'minor', 'integer', 'any'])
      .optional()
      .describe(
        '`money`: decimal text of major units; `minor`: an integer of minor units. Default: by the field',
      ),
    minus: path.optional().describe('Of money: what is taken away. It has to be there'),
    negate: z.boolean().optional().describe('Of money that the source says as a negative number'),
    format: z.enum(TIME_FORMATS).optional().describe('Of a time. `utc`: a date-time that says no offset'),
    map: z
      .record(z.string(), z.string())
      .optional()
      .describe('Values by other names; what is not listed stays, and what becomes empty is left out'),
    slug: z.boolean().optional().describe('Lower case, spaces as `_`'),
  }),
  z.strictObject({
    sum: z
      .array(
        z.strictObject({
          each: path.describe('A list; `a.b` is the lists `b` of all elements of the list `a`'),
          path: paths.describe('The first of them that is there'),
          when: recordConditionSchema.optional(),
          negate: z.boolean().optional(),
        }),
      )
      .min(1)
      .max(MAX_PATHS)
      .describe('Money of all elements of lists, added up'),
    or: path.optional().describe('Money in place of the sum, where one of its lists or amounts is not there'),
  }),
]);

const itemsSchema = z.strictObject({
  each: path,
  sku: paths,
  quantity: path,
  unit_price: path.optional(),
  line_total: path
    .optional()
    .describe(
      'In place of `unit_price`. A line that cannot be divided becomes two, so that the sum is exact',
    ),
  name: path.optional(),
  category: path.optional(),
});

const fieldsSchema = z
  .record(z.string().max(64), valueSchema)
  .refine((fields) => Object.keys(fields).length <= MAX_FIELDS, `at most ${MAX_FIELDS} fields`);

const ruleSchema = z.strictObject({
  when: recordConditionSchema.optional().describe('All have to hold; without any the rule always does'),
  drop: z.string().max(64).optional().describe('The record gives nothing, and is counted under this word'),
  each: path.optional().describe('A list: one event for each element'),
  flat: z
    .boolean()
    .optional()
    .describe('The record is an event, flat or a CloudEvent; `event` says what differs'),
  event: fieldsSchema.optional(),
  items: itemsSchema.optional(),
  amount_of_items: z.boolean().optional().describe('`amount` is the sum of the lines'),
  data: fieldsSchema.optional().describe('Members of `data`'),
});

export const mappingSchema = z.strictObject({
  rules: z.array(ruleSchema).min(1).max(MAX_RULES),
  exponents: z
    .record(z.string().regex(/^[A-Z]{3}$/), z.int().min(0).max(4))
    .optional()
    .describe('Decimals of `minor` amounts where the source differs from ISO 4217'),
});

export type Mapping = z.infer<typeof mappingSchema>;
export type MappingRule = z.infer<typeof ruleSchema>;
export type ValueSpec = z.infer<typeof valueSchema>;
export type RecordCondition = z.infer<typeof recordConditionSchema>;
export type ItemsSpec = z.infer<typeof itemsSchema>;
