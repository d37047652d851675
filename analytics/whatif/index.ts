export type { ItemHistory, MediumHistory } from './history.ts';
export {
  changesOf,
  horizonDaysOf,
  type ScenarioProblem,
  WHATIF_MAX_ITEMS,
  WHATIF_MEMBERS,
  type WhatifChange,
} from './scenario.ts';
export type { WhatifTask } from './task.ts';
export {
  simulateWhatif,
  WHATIF_MIN_DAYS,
  WHATIF_VERSION,
  type WhatifOutcome,
} from './whatif.ts';
