import type { OperatorDoc } from '../../../engine/index.ts';

/** What the documentation says of `jetstream(…)` sources and of `run`. */
export const jetstreamDoc: OperatorDoc = {
  kind: 'jetstream',
  summary: 'A JetStream stream as a source, and the topology run on it',
};
