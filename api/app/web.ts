import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Env, Hono } from 'hono';

const compress = promisify(gzip);

/** Where the dashboard lies on this host. */
export const DASHBOARD_PATH = '/app';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

// Scripts, styles and data come from this host only; nothing inline runs, and no other page may frame it.
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; " +
  "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

interface Held {
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly gzipped: Uint8Array<ArrayBuffer>;
}

/** The folder of the built dashboard: beside the built service, or in `dist` of the sources; undefined before a build. */
function builtFolder(): string | undefined {
  return ['../../web', '../../dist/web']
    .map((path) => join(import.meta.dirname, path))
    .find((folder) => existsSync(join(folder, 'assets')));
}

/** Whether the dashboard was built, so that it can be named at the start. */
export const hasDashboard = (): boolean => builtFolder() !== undefined;

/** What a server has to show: the order analytics, or a topology of one's own. */
export type Shown = 'analytics' | 'topology';

/**
 * Serves the dashboard at `/app`: its files, and its first page at every other path below, for paths there are places
 * within the dashboard. The first page says what is shown.
 */
export function addDashboard<E extends Env>(app: Hono<E>, shown: Shown = 'analytics'): void {
  const folder = builtFolder();
  if (folder === undefined) return;
  // Only what the build made can be asked for; a path of a request never reaches the disk.
  const files = new Map<string, string>(
    ['', 'assets/'].flatMap((below) =>
      readdirSync(join(folder, below), { withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(
          (entry) => [`${DASHBOARD_PATH}/${below}${entry.name}`, join(folder, below, entry.name)] as const,
        ),
    ),
  );
  const held = new Map<string, Promise<Held>>();
  const first = join(folder, 'index.html');
  const serve = async (file: string, request: Request, cache: string): Promise<Response> => {
    const ready = held.get(file) ?? load(file, file === first ? shown : undefined);
    held.set(file, ready);
    const { plain, gzipped } = await ready;
    const takesGzip = /\bgzip\b/.test(request.headers.get('accept-encoding') ?? '');
    return new Response(takesGzip ? gzipped : plain, {
      headers: {
        'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
        'Content-Security-Policy': POLICY,
        'Referrer-Policy': 'no-referrer',
        'Cache-Control': cache,
        Vary: 'Accept-Encoding',
        ...(takesGzip ? { 'Content-Encoding': 'gzip' } : {}),
      },
    });
  };
  const page = (request: Request): Promise<Response> => serve(first, request, 'no-cache');
  app.get(DASHBOARD_PATH, ({ req }) => page(req.raw));
  app.get(`${DASHBOARD_PATH}/*`, ({ req }, next) => {
    const file = files.get(req.path);
    // A file's name holds the hash of what it says.
    if (file !== undefined && req.path.includes('/assets/')) {
      return serve(file, req.raw, 'public, max-age=31536000, immutable');
    }
    if (file !== undefined) return serve(file, req.raw, 'no-cache');
    return extname(req.path) === '' || !req.path.includes('/assets/') ? page(req.raw) : next();
  });
}

async function load(file: string, shown: Shown | undefined): Promise<Held> {
  const bytes = await readFile(file);
  const plain = Uint8Array.from(shown === undefined ? bytes : Buffer.from(marked(bytes.toString(), shown)));
  return { plain, gzipped: Uint8Array.from(await compress(plain)) };
}

const marked = (page: string, shown: Shown): string =>
  page.replace('<html lang="en"', `<html lang="en" data-shown="${shown}"`);
