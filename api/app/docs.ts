import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { App } from './app.ts';

/** What the build puts there of Swagger UI and ReDoc: beside this file in `dist`, and found there from the source too. */
const BESIDE = join(import.meta.dirname, 'pages');
const PAGES = existsSync(BESIDE) ? BESIDE : resolve(import.meta.dirname, '../../dist/api/app/pages');

const JS = 'text/javascript; charset=utf-8';
const CSS = 'text/css; charset=utf-8';

/** Files of the documentation pages, by path; nothing else is served. They lie compressed. */
const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/docs/swagger-ui.css': ['swagger-ui.css.gz', CSS],
  '/docs/swagger-ui-bundle.js': ['swagger-ui-bundle.js.gz', JS],
  '/docs/favicon-32x32.png': ['favicon-32x32.png.gz', 'image/png'],
  '/redoc/redoc.standalone.js': ['redoc.standalone.js.gz', JS],
};

const uncompressed = promisify(gunzip);

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
  for (const [path, [file, type]] of Object.entries(FILES)) {
    app.get(path, async (context) => {
      const bytes = await readFile(join(PAGES, file));
      const takesGzip = /\bgzip\b/.test(context.req.header('accept-encoding') ?? '');
      const content = takesGzip ? bytes : await uncompressed(bytes);
      const headers = {
        'Content-Type': type,
        'Cache-Control': 'public, max-age=3600',
        Vary: 'Accept-Encoding',
      };
      return new Response(Uint8Array.from(content), {
        headers: takesGzip ? { ...headers, 'Content-Encoding': 'gzip' } : headers,
      });
    });
  }
}
