export { layoutOf } from '../client/index.ts';
export { type CutLimits, DEFAULT_CUT_LIMITS, ensureCutStream, purgeChannels } from './cut-streams.ts';
export { NatsChainLog } from './nats-chain-log.ts';
export {
  ensurePartitionedStream,
  type PartitionedStreamSpec,
  transformOf,
} from './partitioned-stream.ts';
