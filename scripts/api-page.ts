import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BASE, BUSINESS, ECOMMERCE, ORDER_ANALYTICS, ORDERS, VOUCHERS } from '../examples/shop/endpoints.ts';
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
  /** The test that executes it: its path from the root. */
  readonly test: string | undefined;
  /** A test that compares its numbers, or why there are none to compare. */
  readonly numbers: Numbers | undefined;
}

export type Numbers = { readonly test: string } | { readonly none: string };

/** What is known of tests: by the id of an operation, and by the endpoint of a document as it is listed here. */
export interface Tested {
  test(operation: string): string | undefined;
  numbers(endpoint: string): Numbers | undefined;
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
export function apiTables(routes: readonly Served[], tested: Tested): readonly ApiTable[] {
  const served = new Map(
    routes.map((route) => [`${route.method} ${shapeOf((route.face?.base ?? BASE) + route.path)}`, route]),
  );
  return SPECIFICATIONS.map(({ title, base, endpoints }) => ({
    title,
    rows: endpoints.map((endpoint) => {
      const [method = '', path = ''] = endpoint.split(' ');
      const route = served.get(`${method} ${shapeOf(base + path)}`);
      const test = route === undefined ? undefined : tested.test(route.id);
      return { endpoint, route, test, numbers: tested.numbers(`${method} ${base}${path}`) };
    }),
  }));
}

function tableText({ title, rows }: ApiTable): string {
  const lines = rows.map(({ endpoint, route, test, numbers }) => {
    const served =
      route === undefined
        ? ['**missing**', '', '', '']
        : [`\`${route.id}\``, route.summary, linkOf(test), numbersText(numbers)];
    return `| ${[`\`${endpoint}\``, ...served].join(' | ')} |`;
  });
  return [
    ...[
      `## ${title}`,
      '',
      '| Endpoint | Operation | | Executed by | Numbers compared by |',
      '|---|---|---|---|---|',
    ],
    ...lines,
  ].join('\n');
}

const linkOf = (test: string | undefined): string =>
  test === undefined ? '**missing**' : `[${test.split('/').at(-1)}](../${test})`;

const numbersText = (numbers: Numbers | undefined): string =>
  numbers === undefined ? '**missing**' : 'none' in numbers ? numbers.none : linkOf(numbers.test);

/** `docs/api.md`: what `scripts/api-page.md` says, and the tables. */
export function apiPage(root: string, tables: readonly ApiTable[]): Page {
  const introduction = readFileSync(join(root, 'scripts', 'api-page.md'), 'utf8').trimEnd();
  return { path: 'docs/api.md', text: `${[introduction, ...tables.map(tableText)].join('\n\n')}\n` };
}
