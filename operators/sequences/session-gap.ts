import { MillraceError } from '../../engine/index.ts';

/** Refuses a gap that is no whole number of ms. */
export function requireGap(name: string, gap_ms: number): void {
  if (Number.isSafeInteger(gap_ms) && gap_ms >= 0) return;
  throw new MillraceError('bad_config', `"${name}" needs whole ms as gap_ms.`);
}
