import type { ComponentType } from 'preact';

/** A page of the dashboard. */
export interface Page {
  /** Below `/app`. */
  readonly path: string;
  readonly title: string;
  readonly group: 'Look' | 'Operate';
  /** What the reader's role has to allow. */
  readonly permission: string;
  /** The key that goes there after `g`. */
  readonly shortcut: string;
  readonly load: () => Promise<{ readonly default: ComponentType }>;
}

const page = (
  group: Page['group'],
  path: string,
  title: string,
  permission: string,
  shortcut: string,
  load: Page['load'],
): Page => ({ group, path, title, permission, shortcut, load });

const SEE = 'kpis:read';

/** All pages in the order of the menu. Each is loaded when it is first opened. */
export const PAGES: readonly Page[] = [
  page('Look', '/', 'Overview', SEE, 'o', () => import('../pages/overview/index.ts')),
  page('Look', '/explore', 'Explore', SEE, 'e', () => import('../pages/explore/index.ts')),
  page('Look', '/funnels', 'Funnels', SEE, 'f', () => import('../pages/funnels/index.ts')),
  page('Look', '/retention', 'Retention', SEE, 'r', () => import('../pages/retention/index.ts')),
  page('Look', '/customers', 'Customers', SEE, 'c', () => import('../pages/customers/index.ts')),
  page('Look', '/attribution', 'Attribution', SEE, 'a', () => import('../pages/attribution/index.ts')),
  page('Look', '/returns', 'Returns and fraud', SEE, 't', () => import('../pages/returns/index.ts')),
  page('Look', '/anomalies', 'Anomalies', SEE, 'n', () => import('../pages/anomalies/index.ts')),
  page('Look', '/forecast', 'Forecast', SEE, 'w', () => import('../pages/forecast/index.ts')),
  page(
    'Look',
    '/dashboards',
    'Dashboards',
    'definitions:read',
    'd',
    () => import('../pages/dashboards/index.ts'),
  ),
  page('Look', '/jobs', 'Reports and jobs', 'jobs:read', 'j', () => import('../pages/jobs/index.ts')),
  page(
    'Operate',
    '/health',
    'Health and topology',
    'diagnostics:read',
    'h',
    () => import('../pages/health/index.ts'),
  ),
  page('Operate', '/events', 'Events', 'events:read', 'v', () => import('../pages/events/index.ts')),
  page(
    'Operate',
    '/connectors',
    'Connectors',
    'definitions:read',
    'k',
    () => import('../pages/connectors/index.ts'),
  ),
  page(
    'Operate',
    '/generations',
    'Generations',
    'backfills:create',
    'b',
    () => import('../pages/generations/index.ts'),
  ),
  page(
    'Operate',
    '/access',
    'Access and settings',
    'definitions:read',
    's',
    () => import('../pages/access/index.ts'),
  ),
];

/** What a signed link opens; it needs no key. */
export const SHARED: Page = page(
  'Look',
  '/shared',
  'Shared',
  'none',
  '',
  () => import('../pages/shared/index.ts'),
);

/** The page of a path; undefined where there is none. */
export const pageOf = (path: string): Page | undefined => PAGES.find((one) => one.path === path);
