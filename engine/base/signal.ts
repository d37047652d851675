/** What flows through a topology. Times are ms since the Unix epoch. */
export type Signal<T> = Batch<T> | Watermark | Barrier;

/** Items that come together. How many is a matter of the way: no result may depend on it. */
export interface Batch<T> {
  readonly kind: 'batch';
  readonly items: readonly T[];
  /** The side output that they belong to; absent for the main one. */
  readonly side?: string;
  /** What each item comes from, where somebody behind makes ids of it. */
  readonly origins?: readonly Origin[];
}

/**
 * What an item comes from: a record of the source at work, or what an operator does because time moves or a commit
 * passes, by a name that it has within the operator for good.
 */
export type Origin = { readonly sequence: number } | { readonly operator: string; readonly name: string };

/** An item of one of two inputs. */
export type Either<L, R> =
  | { readonly input: 'left'; readonly value: L }
  | { readonly input: 'right'; readonly value: R };

/** No event with an earlier time is expected. Never moves back. */
export interface Watermark {
  readonly kind: 'watermark';
  readonly time_ms: number;
}

/** Everything before it is one commit. Operators put their changed state into their tables when it passes. */
export interface Barrier {
  readonly kind: 'barrier';
  /** Rises by one with each commit. */
  readonly commit: number;
  readonly now_ms: number;
  /** How long the source has had nothing pending and nothing in flight; 0 while it has. */
  readonly idle_ms: number;
  /** The task's event time when the barrier began its way; null before the first event, absent in hand-made ones. */
  readonly watermark_ms?: number | null;
}

/** How many rows an item holds that is a batch of columns. */
export const ROWS = Symbol('rows');

const isColumns = (item: unknown): item is { readonly [ROWS]: number } =>
  typeof item === 'object' && item !== null && ROWS in item;

/** How many things the items of a batch are: items, or, of columns, their rows. Those of a batch are of one kind. */
export function rowsOf(items: readonly unknown[]): number {
  if (!isColumns(items[0])) return items.length;
  return items.reduce<number>((sum, item) => sum + (isColumns(item) ? item[ROWS] : 1), 0);
}

export function batch<T>(items: readonly T[]): Batch<T> {
  return { kind: 'batch', items };
}
