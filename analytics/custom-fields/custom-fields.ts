import { z } from 'zod';

/** The kind of definition that is a field of a tenant's orders. */
export const CUSTOM_FIELD_KIND = 'order_custom_field';
export const FIELD_TYPES = ['text', 'number', 'select', 'boolean', 'date'] as const;

const MAX_OPTIONS = 200;
const MAX_OPTION_CHARS = 128;
const MAX_TEXT_CHARS = 1_024;
const FIELD_KEY = /^[a-z][a-z0-9_]{0,47}$/;

export const fieldKeySchema = z
  .string()
  .regex(FIELD_KEY, 'must be lower case letters, digits and "_", 48 at most, a letter first');

/** What a tenant says of a field of its orders. */
export const customFieldSchema = z
  .strictObject({
    field_key: fieldKeySchema.describe('Its member of `data.custom_fields`; never changed'),
    field_label: z.string().min(1).max(128),
    field_type: z.enum(FIELD_TYPES),
    options: z
      .array(z.string().min(1).max(MAX_OPTION_CHARS))
      .min(1)
      .max(MAX_OPTIONS)
      .optional()
      .describe('Of a `select`: the values that there are'),
    is_required: z.boolean().default(false).describe('An `order.created` without it is refused'),
    is_filterable: z
      .boolean()
      .default(false)
      .describe('Orders are filtered by it: it becomes a dimension `cf_<field_key>`, built from all events'),
    sort_order: z.int().min(0).max(1_000_000).default(0),
  })
  .refine(({ field_type, options }) => (field_type === 'select') === (options !== undefined), {
    path: ['options'],
    error: 'go with the field_type select, which needs them',
  })
  .refine(({ options = [] }) => new Set(options).size === options.length, {
    path: ['options'],
    error: 'must not name a value twice',
  });
export type CustomField = z.output<typeof customFieldSchema>;

export interface FieldProblem {
  /** Dotted, from the event's root. */
  readonly path: string;
  readonly message: string;
}

type Rule = Pick<CustomField, 'field_key' | 'field_type' | 'options' | 'is_required'>;

type Members = Readonly<Record<string, unknown>>;
const AT = 'data.custom_fields';

/** What the orders of one tenant may have in `data.custom_fields`. */
export class FieldRules {
  /** Events that were stored before are not looked at: no rule changes what was taken already, ms. */
  readonly since_ms: number;
  readonly #rules: ReadonlyMap<string, Rule>;

  constructor(rules: readonly Rule[], since_ms: number) {
    this.#rules = new Map(rules.map((rule) => [rule.field_key, rule]));
    this.since_ms = since_ms;
  }

  /** What is wrong with the fields of a flat event of an order; undefined: nothing. `isNew`: it creates the order. */
  problemOf(event: Members, isNew: boolean): FieldProblem | undefined {
    const data = own(event, 'data');
    const fields = (isObject(data) ? own(data, 'custom_fields') : undefined) ?? own(event, 'custom_fields');
    if (fields != null && !isObject(fields)) return { path: AT, message: 'must be an object of fields' };
    for (const [key, value] of Object.entries(fields ?? {})) {
      const message = this.#wrong(key, value);
      if (message !== undefined) return { path: `${AT}.${key.slice(0, MAX_OPTION_CHARS)}`, message };
    }
    if (!isNew) return undefined;
    for (const { field_key, is_required } of this.#rules.values()) {
      if (is_required && (fields == null || own(fields, field_key) == null))
        return { path: `${AT}.${field_key}`, message: 'is required' };
    }
    return undefined;
  }

  #wrong(key: string, value: unknown): string | undefined {
    const rule = this.#rules.get(key);
    if (rule === undefined) return `is no custom field; there are ${[...this.#rules.keys()].join(', ')}`;
    // A field that is taken away.
    return value === null ? undefined : wrongValue(rule, value);
  }
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function own(members: Members, name: string): unknown {
  return Object.hasOwn(members, name) ? members[name] : undefined;
}

function wrongValue({ field_type, options = [] }: Rule, value: unknown): string | undefined {
  switch (field_type) {
    case 'text':
      return typeof value === 'string' && value.length <= MAX_TEXT_CHARS
        ? undefined
        : `must be a text of at most ${MAX_TEXT_CHARS} characters`;
    case 'number':
      // Integers with more digits than a double holds come as the text of them where events are read exactly.
      return typeof value === 'number' || typeof value === 'bigint' ? undefined : 'must be a number';
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'must be true or false';
    case 'select':
      return typeof value === 'string' && options.includes(value)
        ? undefined
        : `must be one of ${options.join(', ')}`;
    case 'date':
      return typeof value === 'string' && isDate(value)
        ? undefined
        : 'must be a date that exists, as YYYY-MM-DD';
  }
}

const DATE = /^\d{4}-\d{2}-\d{2}$/;

function isDate(text: string): boolean {
  const at_ms = DATE.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return !Number.isNaN(at_ms) && new Date(at_ms).toISOString().startsWith(text);
}

const storedSchema = z.looseObject({
  ...{ field_key: z.string(), field_type: z.enum(FIELD_TYPES), is_required: z.boolean() },
  options: z.array(z.string()).optional(),
  since_ms: z.number(),
});

/** The rules of all tenants, as definitions come and go. */
export class FieldRulesOfTenants {
  readonly #fields = new Map<string, Map<string, z.output<typeof storedSchema>>>();
  readonly #rules = new Map<string, FieldRules>();

  /** undefined: the tenant has no field of its own, and its events may have any. */
  of(tenant: string): FieldRules | undefined {
    return this.#rules.get(tenant);
  }

  /** `body` is a definition with the time of its last change, `since_ms`. Throws for one that is none. */
  define(tenant: string, id: string, body: unknown): void {
    const fields = this.#fields.get(tenant) ?? new Map();
    fields.set(id, storedSchema.parse(body));
    this.#fields.set(tenant, fields);
    this.#make(tenant);
  }

  forget(tenant: string, id: string): void {
    this.#fields.get(tenant)?.delete(id);
    this.#make(tenant);
  }

  #make(tenant: string): void {
    const fields = [...(this.#fields.get(tenant)?.values() ?? [])];
    if (fields.length === 0) this.#rules.delete(tenant);
    else this.#rules.set(tenant, new FieldRules(fields, Math.max(...fields.map(({ since_ms }) => since_ms))));
  }
}
