export * from './block.ts';
export * from './chain-log.ts';
export { CHANNELS_TABLE } from './channel.ts';
export * from './channel-limits.ts';
export * from './channel-reader.ts';
export { ChannelSender, type ChannelSenderOptions, type CutOutput } from './channel-sender.ts';
export * from './place.ts';
