export * from './contribution.ts';
export * from './cube-body.ts';
export * from './default-cubes.ts';
export * from './item-lines.ts';
export * from './log-upkeep.ts';
export * from './measures.ts';
export * from './row-schema.ts';
export * from './tenant-retention.ts';
