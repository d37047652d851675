export * from './memory-queue.ts';
export type { TestHeaders } from './pushed-source.ts';
export * from './simulate-seeds.ts';
export * from './simulated-chains.ts';
export type { SimulatedDefinition } from './simulated-control.ts';
export type { SimulatedMessage, SimulatedMessages } from './simulated-edges.ts';
export * from './simulation.ts';
export * from './test-driver.ts';
export * from './topology-test-driver.ts';
