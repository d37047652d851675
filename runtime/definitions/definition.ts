import { z } from 'zod';
import type { KeyTrust } from '../trust/index.ts';
import type { KindDefinitions } from './kind-definitions.ts';

/** Definitions of a kind that one tenant may have. */
export const MAX_DEFINITIONS_PER_KIND = 1_000;

/** The largest definition, as JSON. */
export const DEFINITION_MAX_BYTES = 65_536;

/** The bucket of all definitions; its keys are `def.<kind>.<tenant>.<id>` and `name.<kind>.<tenant>.<hash>`. */
export const DEFINITIONS_BUCKET = 'millrace-definitions';

/** What a user defined while the service runs: a funnel, a custom metric, a cube, a rule. Plain data. */
export interface Definition<T> {
  /** `<kind>_<ULID>`. */
  readonly id: string;
  readonly kind: string;
  readonly tenant: string;
  /** Unique in its kind and tenant. */
  readonly name: string;
  /** The bucket's revision of the last write: grows with every change of any definition. */
  readonly revision: number;
  readonly created_at_ms: number;
  readonly updated_at_ms: number;
  /** When it was enabled again, of a kind with `isEnabled`. */
  readonly enabled_at_ms?: number | undefined;
  /** The key or token that made it. */
  readonly created_by: string;
  /** What it says, of its kind's schema. */
  readonly body: T;
}

/** What a definition would be, before it is written. */
export interface Candidate<T> {
  readonly tenant: string;
  /** Undefined while it is being made. */
  readonly id: string | undefined;
  readonly name: string;
  readonly body: T;
}

/** A kind of definition. */
export interface DefinitionKind<T> {
  /** Stable: part of every id and key; lower case letters, digits and `_`, a letter first. */
  readonly kind: string;
  /**
   * Of the body: an object, without the members of `RESERVED_MEMBERS`. What it gives is stored and read by
   * it again, so it takes its own result for what it is. It may change: call `Definitions.readAgain` then.
   */
  readonly schema: z.ZodType<T>;
  /** Of the name; default: 1 to 128 characters, no control characters, no blanks at its ends. */
  readonly name?: z.ZodType<string>;
  /** Of a kind that gives rights: its records are signed, so that writing the bucket makes none. */
  readonly trust?: KeyTrust;
  /**
   * Of a kind with `trust`: a definition goes on as it was known while its record is one that does not count.
   * Default: it is gone until a record that counts takes the place.
   */
  readonly outlastsForgery?: boolean;
  /** Of a kind with `trust`: whether it is remembered in whole when it was changed, should the bucket lose it. */
  readonly isRemembered?: (id: string) => boolean;
  /** False: any number of them may have a name, and `byName` finds none. Default: true. */
  readonly hasUniqueNames?: boolean;
  /** Definitions of one tenant; default: `MAX_DEFINITIONS_PER_KIND`. */
  readonly limit?: number;
  /** Throws a `DefinitionError` for what the schema alone can not see, such as a reference to nothing. */
  readonly check?: (candidate: Candidate<T>, others: KindDefinitions<T>) => void;
  /** Whether it does something now. Of one that is enabled again `enabled_at_ms` is kept. */
  readonly isEnabled?: (body: T) => boolean;
  /** The body as it is stored: its secrets encrypted. The schema takes that too. */
  readonly sealed?: (tenant: string, body: T) => T;
  /** Throws a `DefinitionError` for one that may not go now, such as one that another refers to. */
  readonly checkDelete?: (definition: Definition<T>, others: KindDefinitions<T>) => void;
}

/** Members of a definition as the API shows it that are not of its body. */
export const RESERVED_MEMBERS = [
  'id',
  'kind',
  'tenant',
  'name',
  'revision',
  'created_at',
  'updated_at',
  'created_by',
] as const;

/** A change that the process made or learnt of. */
export type DefinitionChange<T> =
  | { readonly type: 'put'; readonly definition: Definition<T>; readonly before: Definition<T> | undefined }
  | { readonly type: 'delete'; readonly definition: Definition<T> };

export const nameSchema = z
  .string()
  .min(1)
  .max(128)
  .refine((name) => name.trim() === name, 'must not begin or end with a blank')
  // Line breaks, tabs, escape sequences, and what turns the direction of writing: names stand in logs and lists.
  .refine((name) => !/[\p{Cc}\u2028-\u202e\u2066-\u2069]/u.test(name), 'must not have control characters');

/** A definition as it is stored; its revision is the bucket's. */
export const recordSchema = z.object({
  id: z.string(),
  kind: z.string(),
  tenant: z.string(),
  name: z.string(),
  created_at_ms: z.number(),
  updated_at_ms: z.number(),
  enabled_at_ms: z.number().optional(),
  created_by: z.string(),
  body: z.unknown(),
});

export type DefinitionRecord = z.infer<typeof recordSchema>;

export const DEFINITION_PREFIX = 'def.';

export const keyOf = ({ kind, tenant, id }: Pick<DefinitionRecord, 'kind' | 'tenant' | 'id'>): string =>
  `${DEFINITION_PREFIX}${kind}.${tenant}.${id}`;
