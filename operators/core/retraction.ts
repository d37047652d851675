/** Whether an item takes an earlier one back: `kind: 'retract'`, as windows, funnels and other changes say it. */
export function isRetraction(item: unknown): boolean {
  return typeof item === 'object' && item !== null && 'kind' in item && item.kind === 'retract';
}

/** Says that what its key names is gone, as messages without content do: see `tombstone` of `json`. */
export interface Tombstone {
  readonly kind: 'tombstone';
}

export function isTombstone(item: unknown): item is Tombstone {
  return typeof item === 'object' && item !== null && 'kind' in item && item.kind === 'tombstone';
}
