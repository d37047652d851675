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

/** One statement that takes names of another module of the program, as the compiler writes it. */
const FROM = /^(import|export)\s+(?:\{([^}]*)\}|\*)\s+from\s+(['"])(\.[^'"]+)\3;/gm;

interface Names {
  /** Names of its own. */
  readonly own: ReadonlySet<string>;
  /** Names of other modules that it hands on: where from, and what they are called there. */
  readonly handedOn: ReadonlyMap<string, readonly [path: string, name: string]>;
  /** Modules of which it hands on everything. */
  readonly all: readonly string[];
}

const known = new Map<string, Names>();

function pairsOf(list: string): readonly (readonly [there: string, here: string])[] {
  return list
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '')
    .map((text) => {
      const [there = '', here = there] = text.split(/\s+as\s+/);
      return [there, here] as const;
    });
}

function namesOf(path: string): Names {
  const found = known.get(path);
  if (found !== undefined) return found;
  const text = readFileSync(path, 'utf8');
  const own = [...text.matchAll(/^export (?:async )?(?:function\*?|class|const|let) (\w+)/gm)].flatMap(
    ([, name]) => name ?? [],
  );
  const handedOn = new Map<string, readonly [string, string]>();
  const all: string[] = [];
  for (const [, word, list, , from = ''] of text.matchAll(FROM)) {
    if (word !== 'export') continue;
    const to = resolve(path, '..', from);
    if (list === undefined) all.push(to);
    else for (const [there, here] of pairsOf(list)) handedOn.set(here, [to, there]);
  }
  const names = { own: new Set(own), handedOn, all };
  known.set(path, names);
  return names;
}

/** The module that defines what another calls `name`; undefined where the text does not say so. */
function definedIn(path: string, name: string): readonly [path: string, name: string] | undefined {
  const { own, handedOn, all } = namesOf(path);
  if (own.has(name)) return [path, name];
  const next = handedOn.get(name);
  if (next !== undefined) return definedIn(...next) ?? next;
  for (const to of all) {
    const found = definedIn(to, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Takes each name from the module that defines it, past the `index.js` of folders: a thread or a command then loads
 * what it uses, and not all that lies in the rooms that it uses something of. Modules define, and do nothing else.
 */
function direct(path: string, text: string): string {
  return text.replaceAll(FROM, (statement, word: string, list: string | undefined, _, from: string) => {
    if (list === undefined || !from.endsWith('.js')) return statement;
    const to = resolve(path, '..', from);
    return pairsOf(list)
      .map(([there, here]) => {
        const [place, name] = definedIn(to, there) ?? [to, there];
        return `${word} { ${name} as ${here} } from ${JSON.stringify(place)};`;
      })
      .join(' ');
  });
}

/**
 * A module asks for its own place: as a URL it is told the place in `dist/bundle`, where threads lie as they do in
 * `dist`; as a folder that in `dist`, where the files lie that it reads.
 */
const places: Plugin = {
  name: 'places',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^[./]/ }, ({ path, resolveDir, kind }) => {
      const place = resolve(resolveDir, path);
      const isOwn = kind !== 'entry-point' && place.startsWith(DIST + sep) && existsSync(place);
      return isOwn ? { path: place, sideEffects: false } : undefined;
    });
    onLoad({ filter: /\.js$/ }, ({ path }) => {
      if (!path.startsWith(DIST + sep)) return undefined;
      const place = JSON.stringify(relative(DIST, path).replaceAll(sep, '/'));
      const text = readFileSync(path, 'utf8');
      const contents = direct(path, text)
        .replaceAll('import.meta.url', `new URL(${place}, bundleUrl(import.meta.url)).href`)
        .replaceAll('import.meta.dirname', `dirOf(new URL('../' + ${place}, bundleUrl(import.meta.url)))`);
      const head = contents.includes('bundleUrl(') ? `${HEAD}\n` : '';
      return { contents: head + contents, loader: 'js', resolveDir: join(path, '..') };
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
