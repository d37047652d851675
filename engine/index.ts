export * from './bytes.ts';
export * from './clock.ts';
export * from './codec.ts';
export * from './control.ts';
export * from './dead-letter.ts';
export * from './digest.ts';
export * from './enriching-source.ts';
export * from './errors.ts';
export * from './event-time.ts';
export * from './generation.ts';
export { inputPositions, type Sources } from './inputs.ts';
export * from './interactive.ts';
export * from './interactive-layout.ts';
export * from './kv.ts';
export * from './long-value.ts';
export * from './merge.ts';
export * from './meta.ts';
export * from './metrics.ts';
export { decodeRow } from './migration.ts';
export * from './operator.ts';
export * from './original-headers.ts';
export * from './outbox.ts';
export type { TestHeaders } from './pushed-source.ts';
export {
  deadLetterQuarantine,
  Quarantine,
  type QuarantineOptions,
  type RecordFailure,
} from './quarantine.ts';
export * from './random.ts';
export * from './schema-version.ts';
export * from './signal.ts';
export * from './simulate-seeds.ts';
export type { SimulatedMessage, SimulatedMessages } from './simulated-edges.ts';
export * from './simulation.ts';
export * from './source.ts';
export * from './store-lmdb.ts';
export * from './store-memory.ts';
export * from './supervisor.ts';
export * from './synchronous-rx.ts';
export * from './tables.ts';
export * from './task.ts';
export * from './test-driver.ts';
export * from './topology.ts';
export * from './topology-diff.ts';
export * from './topology-test-driver.ts';
export * from './ttl.ts';
export * from './upgrade.ts';
