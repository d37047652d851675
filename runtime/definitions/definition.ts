import type { z } from 'zod';

/** Definitions of a kind that one tenant may have. */
export const MAX_DEFINITIONS_PER_KIND = 1_000;

/** The bucket of all definitions; its keys are `def.<kind>.<tenant>.<id>`. */
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
  /** The key or token that made it. */
  readonly created_by: string;
  /** What it says, of its kind's schema. */
  readonly body: T;
}

/** A kind of definition. */
export interface DefinitionKind<T> {
  /** Stable: part of every id and key, lower case letters and `_`. */
  readonly kind: string;
  readonly schema: z.ZodType<T>;
  /** Definitions of one tenant; default: `MAX_DEFINITIONS_PER_KIND`. */
  readonly limit?: number;
}
