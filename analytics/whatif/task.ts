import type { ItemHistory, MediumHistory } from './history.ts';
import type { WhatifChange } from './scenario.ts';

/** A question with the history that it is answered from. Plain data. */
export interface WhatifTask {
  readonly items: readonly ItemHistory[];
  readonly media: readonly MediumHistory[];
  readonly changes: readonly WhatifChange[];
  readonly horizon_days: number;
  readonly margin_pct?: number | undefined;
  readonly substitution?: number | undefined;
  readonly recapture?: number | undefined;
  readonly seed: number;
}
