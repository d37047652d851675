export type { SelectedAttempts } from './attempt-block.ts';
export type { AttemptForm } from './attempt-blocks.ts';
export { logicalAttempts } from './attempt-digest.ts';
export { AttemptKeeper, type AttemptsOf } from './attempt-keeper.ts';
export { clearAttempts } from './attempt-keys.ts';
export { ATTEMPT, AttemptRows } from './attempt-rows.ts';
export { AttemptView } from './attempt-view.ts';
