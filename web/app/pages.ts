import type { ComponentType } from 'preact';

/** A page of the dashboard. */
export interface Page {
  /** Below `/app`; `/*` at the end takes one more part, which the page reads from the path. */
  readonly path: string;
  readonly title: string;
  readonly group: 'Look' | 'Operate';
  /** What the reader's role has to allow. */
  readonly permission: string;
  /** The key that goes there after `g`. */
  readonly shortcut?: string;
  readonly load: () => Promise<{ readonly default: ComponentType }>;
}

/** All pages in the order of the menu. Each is loaded when it is first opened. */
export const PAGES: readonly Page[] = [
  {
    ...{ path: '/', title: 'Overview', group: 'Look', permission: 'kpis:read', shortcut: 'o' },
    load: () => import('../pages/overview/index.ts'),
  },
  {
    ...{ path: '/explore', title: 'Explore', group: 'Look', permission: 'kpis:read', shortcut: 'e' },
    load: () => import('../pages/explore/index.ts'),
  },
];

/** The page of a path; undefined where there is none. */
export function pageOf(path: string): Page | undefined {
  return (
    PAGES.find((page) => page.path === path) ??
    PAGES.find((page) => page.path.endsWith('/*') && path.startsWith(page.path.slice(0, -1)))
  );
}
