export * from './to-table.ts';
export * from './to-window-table.ts';
