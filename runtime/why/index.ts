export { diagnose } from './diagnose.ts';
export type { Cause, HostFacts, InputFacts, SendFailure, WhyFacts } from './facts.ts';
export { gatherFacts, type WhyPlace } from './gather.ts';
export { hostFacts } from './host-facts.ts';
export { SendWatch } from './send-watch.ts';
export { type HostStatus, readStatus, removeStatus, runningPid, writeStatus } from './status-file.ts';
export { NOT_STARTED } from './task-causes.ts';
export { WhyWatch } from './why-watch.ts';
