import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { App } from './app.ts';

const require = createRequire(import.meta.url);

const SWAGGER = dirname(require.resolve('swagger-ui-dist/package.json'));
const REDOC = dirname(require.resolve('redoc/package.json'));

const JS = 'text/javascript; charset=utf-8';
const CSS = 'text/css; charset=utf-8';

/** Files of the documentation pages, by path; nothing else of those packages is served. */
const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/docs/swagger-ui.css': [join(SWAGGER, 'swagger-ui.css'), CSS],
  '/docs/swagger-ui-bundle.js': [join(SWAGGER, 'swagger-ui-bundle.js'), JS],
  '/docs/favicon-32x32.png': [join(SWAGGER, 'favicon-32x32.png'), 'image/png'],
  '/redoc/redoc.standalone.js': [join(REDOC, 'bundles', 'redoc.standalone.js'), JS],
};

const SWAGGER_START = `window.ui = SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  persistAuthorization: true,
  validatorUrl: null,
});
`;

const REDOC_START = `Redoc.init('/openapi.json', { disableSearch: false, hideDownloadButton: false,
  theme: { typography: { fontFamily: 'system-ui, sans-serif', headings: { fontFamily: 'system-ui, sans-serif' } } },
}, document.getElementById('redoc'));
`;

function page(title: string, head: string, body: string): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
${head}</head>
<body style="margin:0">
${body}</body>
</html>
`;
}

const SWAGGER_PAGE = page(
  'Millrace API',
  '<link rel="stylesheet" href="/docs/swagger-ui.css">\n',
  '<div id="swagger-ui"></div>\n<script src="/docs/swagger-ui-bundle.js"></script>\n<script src="/docs/start.js"></script>\n',
);
const REDOC_PAGE = page(
  'Millrace API reference',
  '',
  '<div id="redoc"></div>\n<script src="/redoc/redoc.standalone.js"></script>\n<script src="/redoc/start.js"></script>\n',
);

// Nothing may come from anywhere else: the pages work, and look the same, without internet. The bundles
// compile validators of schemas when they run, hence unsafe-eval; nothing of a caller's gets there.
const POLICY =
  "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; worker-src 'self' blob:; font-src 'self' data:";

function html(text: string): Response {
  return new Response(text, {
    headers: { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': POLICY },
  });
}

/** `/openapi.json`, Swagger UI at `/docs` and ReDoc at `/redoc`. */
export function addDocs(app: App, document: () => object): void {
  // Made when it is first asked for: it takes longer than the rest of the start.
  let json: string | undefined;
  app.get('/openapi.json', () => {
    json ??= JSON.stringify(document());
    return new Response(json, { headers: { 'Content-Type': 'application/json; charset=utf-8' } });
  });
  for (const path of ['/docs', '/docs/']) app.get(path, () => html(SWAGGER_PAGE));
  for (const path of ['/redoc', '/redoc/']) app.get(path, () => html(REDOC_PAGE));
  const script = (text: string): Response => new Response(text, { headers: { 'Content-Type': JS } });
  app.get('/docs/start.js', () => script(SWAGGER_START));
  app.get('/redoc/start.js', () => script(REDOC_START));
  const held = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();
  for (const [path, [file, type]] of Object.entries(FILES)) {
    app.get(path, async () => {
      const content = held.get(path) ?? readFile(file).then((bytes) => Uint8Array.from(bytes));
      held.set(path, content);
      return new Response(await content, {
        headers: { 'Content-Type': type, 'Cache-Control': 'public, max-age=3600' },
      });
    });
  }
}
