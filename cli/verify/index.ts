export * from './rows.ts';
export { type VerifyReport, verifyState } from './verify-state.ts';
export { totalsProblems } from './verify-totals.ts';
