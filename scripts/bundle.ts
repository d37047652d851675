import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { build, type Plugin } from 'esbuild';

/**
 * Puts the thousand modules of the program into a few files, `dist/bundle`, which load sooner at every start of a
 * process or thread. `npm run build` runs it, from `dist/scripts`, on what the compiler made. Of the packages those go in
 * that every start loads, with what they need: hundreds of small files.
 */
const DIST = resolve(import.meta.dirname, '..');
const BUNDLE = join(DIST, 'bundle');
const ROOMS = ['engine', 'operators', 'connectors', 'analytics', 'runtime', 'api', 'cli'];

/**
 * Packages of JavaScript alone, of which the program keeps to itself what it makes of them, or hands on what another
 * copy of the package takes as its own: RxJS looks at what an operator or an observable can do, not at its class.
 */
const INSIDE = new Set([
  ...['rxjs', 'zod', 'nats', '@nats-io/jetstream', '@nats-io/kv', 'temporal-polyfill', 'csv-parse'],
  ...['hono', '@hono/node-server', '@hono/zod-openapi', 'jose', 'prom-client', 'ws', 'croner'],
]);
/** Those that packages inside ask for, and do without: the native parts of `ws`. */
const OUTSIDE = new Set(['bufferutil', 'utf-8-validate']);

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

const require = createRequire(import.meta.url);

/** Which packages go in, and of these which files. */
const packages: Plugin = {
  name: 'packages',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^[^./]/ }, ({ path, importer, kind }) => {
      if (kind === 'entry-point') return undefined;
      const isInside = INSIDE.has(packageOf(path)) || importer.includes(`${sep}node_modules${sep}`);
      if (path.startsWith('node:') || OUTSIDE.has(path) || !isInside) return { path, external: true };
      // For Node it names its CommonJS, of which every file would come along.
      return path === 'rxjs'
        ? {
            path: join(dirname(require.resolve('rxjs/package.json')), 'dist/esm/index.js'),
            sideEffects: false,
          }
        : undefined;
    });
    // Messages of Zod in fifty languages, of which the first is spoken.
    onLoad({ filter: /zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
    }));
  },
};

function packageOf(path: string): string {
  return path.split('/', path.startsWith('@') ? 2 : 1).join('/');
}

/** The licences of the packages that went in, as they ask for. */
function licensesOf(inputs: readonly string[]): string {
  const folders = inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []);
  return [...new Set(folders)]
    .sort()
    .map((folder) => {
      const place = resolve(DIST, folder);
      const { name, version, license } = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8')) as {
        readonly [member in 'name' | 'version' | 'license']: string;
      };
      const texts = readdirSync(place)
        .filter((file) => /^(licen[cs]e|notice|copying)/i.test(file))
        .map((file) => readFileSync(join(place, file), 'utf8'));
      const said = texts.length > 0 ? texts : ['Its package has no file of the licence.'];
      return [`==== ${name} ${version}: ${license}`, ...said].join('\n\n');
    })
    .join('\n\n');
}

/** Chunks lie at the root of the bundle, and entries in folders of it. */
const HEAD = [
  "import { fileURLToPath as pathOfUrl } from 'node:url';",
  "const bundleUrl = (url) => url.slice(0, url.lastIndexOf('/bundle/') + '/bundle/'.length);",
  "const dirOf = (url) => pathOfUrl(new URL('.', url)).replace(/[\\\\/]$/, '');",
].join('\n');

rmSync(BUNDLE, { recursive: true, force: true });
const { metafile } = await build({
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
  // CommonJS inside asks for Node's own modules.
  banner: {
    js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
  },
  keepNames: true,
  metafile: true,
  sourcemap: true,
  sourcesContent: false,
  plugins: [packages, places],
  logLevel: 'warning',
});

writeFileSync(join(BUNDLE, 'LICENSES.txt'), licensesOf(Object.keys(metafile.inputs)));
chmodSync(join(BUNDLE, 'main.js'), 0o755);
