export type {
  KeptDefinition,
  KeptInfo,
  KeptKind,
  KeptLimit,
  KeptLimits,
  KeptSpec,
} from './kept-definition.ts';
export { keptEvents } from './kept-operator.ts';
export { KeptEvents } from './kept-record.ts';
export { type KeptSpan, KeptTimes } from './kept-times.ts';
export { KEPT_LEFT_OUT, type KeptProgress, type KeptView, keptProgress, keptView } from './kept-view.ts';
