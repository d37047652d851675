export * from './applied.ts';
export * from './control.ts';
export * from './control-input.ts';
export * from './manual-control.ts';
export * from './watched-control.ts';
