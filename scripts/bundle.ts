import { chmodSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { build, type Plugin } from 'esbuild';

/**
 * Puts the thousand modules of the program into a few files, `dist/bundle`, which load sooner at every start of a
 * process or thread. `npm run build` runs it, from `dist/scripts`, on what the compiler made. Packages stay
 * outside: there is one copy of each, also of those that a user's topology imports.
 */
const DIST = resolve(import.meta.dirname, '..');
const BUNDLE = join(DIST, 'bundle');
const ROOMS = ['engine', 'operators', 'connectors', 'analytics', 'runtime', 'api', 'cli'];

/** Modules that are loaded by their URL: threads by their names, and those that give their own URL away. */
const BY_URL = /^export const \w+_MODULE = import\.meta\.url;$/m;

function entriesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entriesIn(path);
    if (!entry.name.endsWith('.js') || /\.test\.js$|^fixture-/.test(entry.name)) return [];
    // What the compiler made of a source that is gone may still lie there.
    if (!existsSync(join(DIST, '..', relative(DIST, path)).replace(/\.js$/, '.ts'))) return [];
    return entry.name.endsWith('-thread.js') || BY_URL.test(readFileSync(path, 'utf8')) ? [path] : [];
  });
}

/**
 * A module asks for its own place: as a URL it is told the place in `dist/bundle`, where threads lie as they do in
 * `dist`; as a folder that in `dist`, where the files lie that it reads.
 */
const places: Plugin = {
  name: 'places',
  setup({ onLoad }) {
    onLoad({ filter: /\.js$/ }, ({ path }) => {
      if (!path.startsWith(DIST + sep)) return undefined;
      const place = JSON.stringify(relative(DIST, path).replaceAll(sep, '/'));
      const text = readFileSync(path, 'utf8');
      const contents = text
        .replaceAll('import.meta.url', `new URL(${place}, bundleUrl(import.meta.url)).href`)
        .replaceAll('import.meta.dirname', `dirOf(new URL('../' + ${place}, bundleUrl(import.meta.url)))`);
      if (contents === text) return undefined;
      return { contents: `${HEAD}\n${contents}`, loader: 'js', resolveDir: join(path, '..') };
    });
  },
};

/** Chunks lie at the root of the bundle, and entries in folders of it. */
const HEAD = [
  "import { fileURLToPath as pathOfUrl } from 'node:url';",
  "const bundleUrl = (url) => url.slice(0, url.lastIndexOf('/bundle/') + '/bundle/'.length);",
  "const dirOf = (url) => pathOfUrl(new URL('.', url)).replace(/[\\\\/]$/, '');",
].join('\n');

rmSync(BUNDLE, { recursive: true, force: true });
await build({
  entryPoints: ['main.js', 'index.js']
    .map((name) => join(DIST, name))
    .concat(ROOMS.flatMap((room) => entriesIn(join(DIST, room)))),
  absWorkingDir: DIST,
  outbase: DIST,
  outdir: BUNDLE,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  keepNames: true,
  sourcemap: true,
  sourcesContent: false,
  plugins: [places],
  logLevel: 'warning',
});

chmodSync(join(BUNDLE, 'main.js'), 0o755);
