export * from './interval-join.ts';
export * from './join-config.ts';
export * from './lookup.ts';
export * from './lookup-join.ts';
export * from './stream-join.ts';
export * from './temporal-join.ts';
export * from './window-join.ts';
