import type { ComponentType } from 'preact';
import { isOfTopology } from '../api/index.ts';

/** A page of the dashboard. */
export interface Page {
  /** Below `/app`. */
  readonly path: string;
  readonly title: string;
  readonly group: 'Look' | 'Operate';
  /** What the reader's role has to allow. */
  readonly permission: string;
  /** Whether what it shows is of a range. */
  readonly hasRange: boolean;
  /** The lines of its sign in the menu, in a square of 16. */
  readonly sign: string;
  /** The key that goes there after `g`. */
  readonly shortcut: string;
  readonly load: () => Promise<{ readonly default: ComponentType }>;
}

type Rest = Pick<Page, 'shortcut' | 'sign' | 'load'> & Partial<Page>;

const page = (group: Page['group'], path: string, title: string, rest: Rest): Page => ({
  ...{ group, path, title, permission: 'kpis:read', hasRange: group === 'Look' },
  ...rest,
});

/** Of the order analytics. */
const ANALYTICS: readonly Page[] = [
  page('Look', '/', 'Overview', {
    shortcut: 'o',
    sign: 'M2.5 2.5h4.5v5H2.5zM9 2.5h4.5v3H9zM9 8h4.5v5.5H9zM2.5 10h4.5v3.5H2.5z',
    load: () => import('../pages/overview/index.ts'),
  }),
  page('Look', '/explore', 'Explore', {
    shortcut: 'e',
    sign: 'M2.5 13.5h11M2.5 10.5l3.5-4 2.5 2.5 4.5-6',
    load: () => import('../pages/explore/index.ts'),
  }),
  page('Look', '/funnels', 'Funnels', {
    shortcut: 'f',
    sign: 'M2 3h12l-4.7 5.5v4.2L6.7 14V8.5z',
    load: () => import('../pages/funnels/index.ts'),
  }),
  page('Look', '/retention', 'Retention', {
    shortcut: 'r',
    sign: 'M13.5 8A5.5 5.5 0 1 1 11.6 3.8M13.5 2.5v3h-3',
    load: () => import('../pages/retention/index.ts'),
  }),
  page('Look', '/customers', 'Customers', {
    shortcut: 'c',
    sign: 'M6 7.5a2.3 2.3 0 1 0 0-4.6 2.3 2.3 0 0 0 0 4.6M1.8 13.5c.3-2.6 1.9-4 4.2-4s3.9 1.4 4.2 4M10.5 3.2a2.2 2.2 0 0 1 0 4.2M12 9.8c1.3.5 2 1.8 2.2 3.7',
    load: () => import('../pages/customers/index.ts'),
  }),
  page('Look', '/attribution', 'Attribution', {
    shortcut: 'a',
    sign: 'M3 3.5h2.5c3 0 2 9 5 9H13M13 3.5h-2.5M3 12.5h2.5M11.5 11l1.5 1.5-1.5 1.5',
    load: () => import('../pages/attribution/index.ts'),
  }),
  page('Look', '/returns', 'Returns and fraud', {
    shortcut: 't',
    sign: 'M5.5 3L2.5 6l3 3M2.5 6h7a4 4 0 0 1 0 8H6',
    load: () => import('../pages/returns/index.ts'),
  }),
  page('Look', '/anomalies', 'Anomalies', {
    shortcut: 'n',
    sign: 'M1.5 9h3l2-6 3 10.5 2-4.5h3',
    load: () => import('../pages/anomalies/index.ts'),
  }),
  page('Look', '/forecast', 'Forecast', {
    shortcut: 'w',
    sign: 'M2 12l3.5-4 3 2M10 8.5l.8-1M12 6l.8-1M2 14h12',
    load: () => import('../pages/forecast/index.ts'),
  }),
  page('Look', '/dashboards', 'Dashboards', {
    permission: 'definitions:read',
    shortcut: 'd',
    sign: 'M2 3h12v8.5H2zM5.5 14h5M5 8.5V7M8 8.5V5.5M11 8.5V6.5',
    load: () => import('../pages/dashboards/index.ts'),
  }),
  page('Look', '/jobs', 'Reports and jobs', {
    permission: 'jobs:read',
    shortcut: 'j',
    sign: 'M4 1.8h5.5L12.5 5v9.2H4zM6.3 8.5h4M6.3 11h4',
    load: () => import('../pages/jobs/index.ts'),
  }),
  page('Operate', '/health', 'Health and topology', {
    permission: 'diagnostics:read',
    shortcut: 'h',
    sign: 'M2 5.5h4v5H2zM10.5 2h3.5v4h-3.5zM10.5 10h3.5v4h-3.5zM6 8h2.2M10.5 4H8.2v8h2.3',
    load: () => import('../pages/health/index.ts'),
  }),
  page('Operate', '/events', 'Events', {
    permission: 'events:read',
    hasRange: true,
    shortcut: 'v',
    sign: 'M2.5 3.5h.1M2.5 8h.1M2.5 12.5h.1M5.5 3.5h8M5.5 8h8M5.5 12.5h8',
    load: () => import('../pages/events/index.ts'),
  }),
  page('Operate', '/connectors', 'Connectors', {
    permission: 'definitions:read',
    shortcut: 'k',
    sign: 'M6 2v3M10 2v3M4 5h8v2.5a4 4 0 0 1-8 0zM8 11.5V14',
    load: () => import('../pages/connectors/index.ts'),
  }),
  page('Operate', '/generations', 'Generations', {
    permission: 'backfills:create',
    hasRange: true,
    shortcut: 'b',
    sign: 'M8 2l6 3-6 3-6-3zM2 8l6 3 6-3M2 11l6 3 6-3',
    load: () => import('../pages/generations/index.ts'),
  }),
  page('Operate', '/restatements', 'Restatements', {
    hasRange: true,
    shortcut: 'm',
    sign: 'M8 4.5V8l2.5 1.5M2.5 8a5.5 5.5 0 1 1 1.6 3.9M2 13v-2.5h2.5',
    load: () => import('../pages/restatements/index.ts'),
  }),
  page('Operate', '/access', 'Access and settings', {
    permission: 'definitions:read',
    shortcut: 's',
    sign: 'M5.5 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6M8.5 8H14v2.5M11.5 8v2',
    load: () => import('../pages/access/index.ts'),
  }),
];

/** Of a topology of one's own. */
const TOPOLOGY: readonly Page[] = [
  page('Operate', '/', 'Topology', {
    permission: 'none',
    shortcut: 't',
    sign: 'M2 5.5h4v5H2zM10.5 2h3.5v4h-3.5zM10.5 10h3.5v4h-3.5zM6 8h2.2M10.5 4H8.2v8h2.3',
    load: () => import('../pages/topology/index.ts'),
  }),
  page('Operate', '/tables', 'Tables', {
    permission: 'none',
    shortcut: 'b',
    sign: 'M2 3h12v10H2zM2 6.5h12M2 10h12M6.5 3v10',
    load: () => import('../pages/tables/index.ts'),
  }),
];

/** All pages in the order of the menu. Each is loaded when it is first opened. */
export const PAGES: readonly Page[] = isOfTopology ? TOPOLOGY : ANALYTICS;

/** What a signed link opens; it needs no key. */
export const SHARED: Page = page('Look', '/shared', 'Shared', {
  ...{ permission: 'none', shortcut: '', sign: '' },
  load: () => import('../pages/shared/index.ts'),
});

/** The page of a path; undefined where there is none. */
export const pageOf = (path: string): Page | undefined => PAGES.find((one) => one.path === path);
