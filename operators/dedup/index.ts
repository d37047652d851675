export * from './dedup.ts';
export * from './identify.ts';
export * from './old-ids.ts';
export * from './recent-ids.ts';
