import { spawnSync } from 'node:child_process';
import { readdir, stat, utimes } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '..');
/** The compiler writes it last. */
const BUILT = join(ROOT, 'dist/.tsbuildinfo');
/** What the pages of the API load, copied from packages. */
const PAGES = join(ROOT, 'dist/api/app/pages/LICENSES.txt');
const BUNDLE = join(ROOT, 'dist/bundle/main.js');
const BUNDLER = join(ROOT, 'dist/scripts/bundle.js');
const PAGE_ASSETS = join(ROOT, 'dist/scripts/page-assets.js');
const OUTSIDE = new Set(['node_modules', 'dist', 'docs', 'coverage']);
const SOURCE = /\.ts$|^package\.json$|^tsconfig\.json$/;

/**
 * Vitest's global setup: threads and processes of tests run what is built in `dist` and bundled there, so it is built again where a
 * source is newer, also before a single file is tested. What the types say against is printed, and stops nothing.
 */
export default async function buildIfOlder(): Promise<void> {
  await compileIfOlder();
  if ((await modified(BUNDLE)) < (await modified(BUILT)))
    spawnSync(process.execPath, [BUNDLER], { cwd: ROOT, stdio: 'inherit' });
  if ((await modified(PAGES)) === 0)
    spawnSync(process.execPath, [PAGE_ASSETS], { cwd: ROOT, stdio: 'inherit' });
}

async function compileIfOlder(): Promise<void> {
  const built_ms = await modified(BUILT);
  if ((await newestSource(ROOT)) <= built_ms) return;
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  const began = new Date();
  spawnSync(process.execPath, [compiler, '-p', 'tsconfig.json'], { cwd: ROOT, stdio: 'inherit' });
  if ((await modified(BUILT)) === 0) throw new Error('Nothing was built: see what the compiler says above.');
  // It leaves the file alone where no output changed.
  await utimes(BUILT, began, began);
}

async function modified(path: string): Promise<number> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
}

async function newestSource(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true });
  const times = entries.map((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory())
      return OUTSIDE.has(entry.name) || entry.name.startsWith('.') ? 0 : newestSource(path);
    return SOURCE.test(entry.name) ? modified(path) : 0;
  });
  return Math.max(0, ...(await Promise.all(times)));
}
