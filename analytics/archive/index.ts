export * from './archive-columns.ts';
export * from './archive-rows.ts';
export * from './archived-message.ts';
export * from './message-parts.ts';
