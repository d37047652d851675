import type { Path } from './path.ts';

export type Scalar = string | number | boolean;

/** One operator of the search language, ready to be tested against a value. */
export type Test =
  /** `eq` is a list of one. */
  | { readonly op: 'in'; readonly values: readonly Scalar[] }
  /** Numbers compare with numbers, texts with texts by UTF-16 code units. */
  | { readonly op: 'range'; readonly bounds: readonly Bound[] }
  | { readonly op: 'prefix'; readonly text: string }
  /** Without case; the text is folded. */
  | { readonly op: 'contains'; readonly text: string }
  /** A value other than null. */
  | { readonly op: 'exists' };

export interface Bound {
  readonly side: 'gt' | 'gte' | 'lt' | 'lte';
  /** Of field `time`: ms since the epoch. */
  readonly value: string | number;
}

/** A search condition, checked and normalised. Plain data. */
export type Condition =
  | { readonly kind: 'and' | 'or'; readonly of: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  /** Any value at the path passes the test; of `time`, the event's instant does. */
  | { readonly kind: 'field'; readonly field: string; readonly path: Path; readonly test: Test };

/** Holds for every event. */
export const ANY: Condition = { kind: 'and', of: [] };

export const MAX_CONDITION_DEPTH = 16;
/** Conditions in one query, groups included. */
export const MAX_CONDITIONS = 256;
/** Values of one `in`. */
export const MAX_IN_VALUES = 1_000;
/** Characters of a value. */
export const MAX_VALUE_CHARS = 1_024;
/** Words of a full-text search, and characters of its text. */
export const MAX_WORDS = 32;
export const MAX_CONDITION_TEXT_CHARS = 1_024;

/**
 * Text without case. To upper case, which unlike the lower one maps each character for itself: so a part of a text
 * folds to a part of the folded text.
 */
export function fold(text: string): string {
  return text.toUpperCase();
}

/** The folded words of a full-text search: what white space separates. */
export function wordsOf(text: string): readonly string[] {
  return [...new Set(fold(text).split(/\s+/u))].filter((word) => word !== '');
}

export function fieldIn(field: string, path: Path, values: readonly Scalar[]): Condition {
  return { kind: 'field', field, path, test: { op: 'in', values } };
}

export function all(conditions: readonly Condition[]): Condition {
  const [only] = conditions;
  return conditions.length === 1 && only !== undefined ? only : { kind: 'and', of: conditions };
}
