export * from './interactive.ts';
export * from './interactive-layout.ts';
export * from './kind.ts';
