export * from './trigger.ts';
export * from './window.ts';
export * from './window-grid.ts';
export {
  byKey,
  type Pane,
  type PaneKind,
  type WindowConfig,
  type WindowMode,
  type WindowResult,
  type WindowSides,
} from './window-types.ts';
export * from './windows.ts';
