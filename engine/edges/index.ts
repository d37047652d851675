export * from './dead-letter.ts';
export { Fifo } from './fifo.ts';
export { LetterAllowance, type LetterLimits } from './letter-allowance.ts';
export * from './message-queue.ts';
export * from './original-headers.ts';
export * from './outbox.ts';
export { encodeMessage, OUTBOX_TABLE, type OutMessage, owedMessages, rowKey } from './outbox-rows.ts';
export {
  deadLetterQuarantine,
  errorOf,
  FailureWatch,
  Quarantine,
  type QuarantineOptions,
  type RecordFailure,
} from './quarantine.ts';
export * from './source.ts';
export * from './stream-gap.ts';
export { compareMarks, MARKS_MAX, markOf, type StreamMark, withMark } from './stream-mark.ts';
export { TraceFollower, type TraceHeaders, traceOf } from './trace-context.ts';
