export { BoardGrid } from './board-grid.tsx';
export { Dashboards as default } from './dashboards.tsx';
export type { Board } from './widgets.ts';
