import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BASE, BUSINESS, ECOMMERCE, ORDER_ANALYTICS, ORDERS, VOUCHERS } from '../examples/shop/endpoints.ts';
import { testOf } from './api-tests.ts';
import type { Page } from './operator-pages.ts';

/** What a route of the API says of itself. */
interface Served {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly summary: string;
  readonly face?: { readonly base: string };
}

/** An endpoint that a document of an API describes, and what serves and tests it. */
export interface ApiRow {
  /** `POST /ingest`; of the first API below its base. */
  readonly endpoint: string;
  readonly route: Served | undefined;
  /** Path of a test, from the root. */
  readonly test: string;
}

export interface ApiTable {
  readonly title: string;
  readonly rows: readonly ApiRow[];
}

const SPECIFICATIONS = [
  { title: 'Order analytics', base: BASE, endpoints: ORDER_ANALYTICS },
  { title: 'E-commerce', base: '', endpoints: ECOMMERCE },
  { title: 'Business', base: '', endpoints: BUSINESS },
  { title: 'Orders', base: '', endpoints: ORDERS },
  { title: 'Vouchers', base: '', endpoints: VOUCHERS },
] as const;

/** Parameters go by their place: documents and routes name some otherwise. */
const shapeOf = (path: string): string => path.replaceAll(/\{\w+\}/g, '{}');

/** All rows of the five documents beside what the service has. */
export function apiTables(routes: readonly Served[]): readonly ApiTable[] {
  const served = new Map(
    routes.map((route) => [`${route.method} ${shapeOf((route.face?.base ?? BASE) + route.path)}`, route]),
  );
  return SPECIFICATIONS.map(({ title, base, endpoints }) => ({
    title,
    rows: endpoints.map((endpoint) => {
      const [method = '', path = ''] = endpoint.split(' ');
      return {
        ...{ endpoint, test: testOf(endpoint) },
        route: served.get(`${method} ${shapeOf(base + path)}`),
      };
    }),
  }));
}

function tableText({ title, rows }: ApiTable): string {
  const lines = rows.map(({ endpoint, route, test }) => {
    const served =
      route === undefined ? ['**missing**', '', ''] : [`\`${route.id}\``, route.summary, testLink(test)];
    return `| ${[`\`${endpoint}\``, ...served].join(' | ')} |`;
  });
  return [`## ${title}`, '', '| Endpoint | Operation | | Test |', '|---|---|---|---|', ...lines].join('\n');
}

const testLink = (test: string): string => `[${test.split('/').at(-1)}](../${test})`;

/** `docs/api.md`: what `scripts/api-page.md` says, and the tables. */
export function apiPage(root: string, routes: readonly Served[]): Page {
  const introduction = readFileSync(join(root, 'scripts', 'api-page.md'), 'utf8').trimEnd();
  const tables = apiTables(routes).map(tableText);
  return { path: 'docs/api.md', text: `${[introduction, ...tables].join('\n\n')}\n` };
}
