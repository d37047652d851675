export { alertKind } from './alert-kind.ts';
export { AlertLog } from './alert-log.ts';
export { alertSection } from './alert-section.ts';
export { AlertWatch } from './alert-watch.ts';
