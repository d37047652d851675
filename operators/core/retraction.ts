/** Whether an item takes an earlier one back: `kind: 'retract'`, as windows, funnels and other changes say it. */
export function isRetraction(item: unknown): boolean {
  return typeof item === 'object' && item !== null && 'kind' in item && item.kind === 'retract';
}
