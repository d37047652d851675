import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');
const MAX_LINES = 400;

interface Room {
  readonly rooms: readonly string[];
  readonly packages: readonly string[];
}

/** What each room may import beside itself and `node:`. Arrows run one way. */
const ROOMS: Readonly<Record<string, Room>> = {
  engine: { rooms: [], packages: ['rxjs', 'lmdb'] },
  operators: { rooms: ['engine'], packages: [] },
  connectors: { rooms: ['engine'], packages: ['nats', '@nats-io/jetstream', '@nats-io/kv', 'csv-parse'] },
  analytics: { rooms: ['engine', 'operators'], packages: ['zod', 'temporal-polyfill'] },
  api: {
    rooms: ['engine', 'analytics'],
    packages: [
      ...['hono', '@hono/node-server', '@hono/zod-openapi', 'zod'],
      ...['pino', 'prom-client', 'swagger-ui-dist', 'redoc', 'jose'],
    ],
  },
  cli: { rooms: ['engine', 'connectors', 'analytics', 'api'], packages: ['pino'] },
  web: { rooms: [], packages: [] },
};
/** Not rooms: they may import every room, through its index. */
const OUTSIDE = ['test', 'bench', 'examples', 'scripts'];
const TEST_PACKAGES = ['vitest', 'fast-check'];
/** A test, or what only tests use, wherever it lies. */
const FOR_TESTS = /(\.test|^vitest\.config|(^|[/-])fixture(-[\w-]+)?|(^|\/)testing(-[\w-]+)?)\.ts$/;

const EXCLUDED = new Set(['node_modules', 'dist', 'data', 'coverage']);

function filesUnder(folder: string, ending: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith('.') || EXCLUDED.has(entry.name)) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesUnder(path, ending);
    return entry.name.endsWith(ending) ? [relative(ROOT, path)] : [];
  });
}

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

interface SourceFile {
  readonly path: string;
  readonly text: string;
  /** The first folder, '' for the composition root. */
  readonly room: string;
  readonly forTests: boolean;
  readonly imports: readonly string[];
}

const FROM = /^(?:import|export|\})[^'"`;]*?\bfrom\s+['"]([^'"]+)['"]/gm;
const BARE = /^import\s+['"]([^'"]+)['"]/gm;
const DYNAMIC = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

const files: readonly SourceFile[] = filesUnder(ROOT, '.ts').map((path) => {
  const text = read(path);
  const imports = [FROM, BARE, DYNAMIC].flatMap((pattern) =>
    [...text.matchAll(pattern)].map((match) => match[1] as string),
  );
  const room = path.includes('/') ? (path.split('/')[0] as string) : '';
  return { path, text, room, forTests: FOR_TESTS.test(path) || room === 'test', imports };
});

const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

/** What is wrong with one import; undefined when nothing is. */
function problemOf({ path, room, forTests }: SourceFile, specifier: string): string | undefined {
  if (specifier.startsWith('node:')) return undefined;
  const rules = ROOMS[room];
  if (!specifier.startsWith('.')) {
    const name = packageOf(specifier);
    if (rules === undefined || rules.packages.includes(name)) return undefined;
    return forTests && TEST_PACKAGES.includes(name) ? undefined : `${path} imports the package ${name}`;
  }
  const target = relative(ROOT, resolve(ROOT, dirname(path), specifier));
  const other = target.split('/')[0] as string;
  if (!target.includes('/') || other === room) return undefined;
  if (OUTSIDE.includes(other)) {
    return rules === undefined || forTests ? undefined : `${path} imports ${target}`;
  }
  if (rules !== undefined && !rules.rooms.includes(other))
    return `${path} imports ${target}, against the arrows`;
  return target === `${other}/index.ts` ? undefined : `${path} imports ${target}, past ${other}/index.ts`;
}

/** Started as threads: no import names them. */
const WORKERS = ['connectors/nats/source-thread.ts', 'engine/query/scan-thread.ts'];

/** The sources that these import, and those that they import. */
function reachableFrom(entries: readonly string[]): readonly string[] {
  const found = new Set(entries);
  for (const path of found) {
    const file = files.find((one) => one.path === path);
    for (const name of file?.imports ?? []) {
      if (name.startsWith('.')) found.add(join(dirname(path), name));
    }
  }
  return [...found].sort();
}

describe('rooms', () => {
  it('import only what they may, and other rooms only by their index.ts', () => {
    expect(files.length).toBeGreaterThan(100);
    expect(files.some(({ imports }) => imports.includes('../engine/index.ts'))).toBe(true);
    const problems = files.flatMap((file) => file.imports.map((name) => problemOf(file, name)));
    expect(problems.filter((problem) => problem !== undefined)).toEqual([]);
  });

  it('every folder with sources is known', () => {
    const known = new Set(['', ...Object.keys(ROOMS), ...OUTSIDE]);
    expect([...new Set(files.map(({ room }) => room))].filter((room) => !known.has(room))).toEqual([]);
  });
});

describe('sources', () => {
  /** All files but this one, which has to name what it looks for. */
  const matching = (pattern: RegExp): string[] =>
    files
      .filter(({ path }) => path !== 'test/packaging.test.ts')
      .flatMap(({ path, text }) =>
        text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}`] : [])),
      );

  it('have no way around the type checker', () => {
    // The linter finds what is merely written down as `any`.
    expect(matching(/@ts-(ignore|nocheck)|\bas any\b(?! \w)|biome-ignore .*noExplicitAny/)).toEqual([]);
  });

  it('have no test that is left out, or run alone', () => {
    expect(matching(/\b(it|test|describe)\.(skip|only|todo)\b/)).toEqual([]);
  });

  it(`have at most ${MAX_LINES} lines a file`, () => {
    // The public face is a list of names: test/public-api.test.ts looks after it.
    const long = files
      .filter(({ path }) => path !== 'index.ts')
      .filter(({ text }) => text.trimEnd().split('\n').length > MAX_LINES);
    expect(long.map(({ path, text }) => `${path}: ${text.trimEnd().split('\n').length}`)).toEqual([]);
  });
});

describe('packaging', () => {
  const manifest = JSON.parse(read('package.json')) as {
    dependencies: Record<string, string>;
    devDependencies: Record<string, string>;
    scripts: Record<string, string>;
  };

  it('package.json names exact versions', () => {
    const exact = /^(npm:@?[\w./-]+@)?\d+\.\d+\.\d+(-[\w.-]+)?$/;
    const versions = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(versions.filter(([, version]) => !exact.test(version))).toEqual([]);
  });

  it('what the product imports is a dependency, and every dependency is used', () => {
    const product = files.filter(({ room, forTests }) => !forTests && !OUTSIDE.includes(room));
    const imported = new Set(
      product.flatMap(({ imports }) => imports.filter((name) => !/^(\.|node:)/.test(name)).map(packageOf)),
    );
    const declared = Object.keys(manifest.dependencies);
    expect([...imported].filter((name) => !declared.includes(name))).toEqual([]);
    // Examples are part of what is shipped; some packages are only looked up, for the files in them.
    const shipped = files.filter(({ forTests }) => !forTests);
    const isUsed = (name: string): boolean => shipped.some(({ text }) => text.includes(`'${name}`));
    expect(declared.filter((name) => !isUsed(name))).toEqual([]);
  });

  it('packs what a user of the package runs, and nothing else', () => {
    // It lists what lies in `dist`, which `npm test` has built before.
    const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [packed] = JSON.parse(output) as [{ readonly files: readonly { readonly path: string }[] }];
    const ends = ['.js', '.d.ts'];
    const wanted = reachableFrom(['index.ts', 'main.ts', ...WORKERS])
      .flatMap((path) => ends.map((end) => `dist/${path.slice(0, -'.ts'.length)}${end}`))
      .concat('package.json', 'README.md');
    expect(wanted.length).toBeGreaterThan(300);
    const paths = packed.files.map(({ path }) => path);
    expect(wanted.filter((path) => !paths.includes(path))).toEqual([]);
    // A file whose source is gone may lie in `dist`, but not in a package: that is packed from an empty one.
    const hasSource = (path: string): boolean =>
      existsSync(join(ROOT, path.replace(/^dist\//, '').replace(/(\.d\.ts|\.js)$/, '.ts')));
    expect(paths.filter((path) => !wanted.includes(path) && hasSource(path))).toEqual([]);
  });

  it('every script of package.json has what it runs', () => {
    const commands = Object.values(manifest.scripts).join('\n');
    const missing = [...commands.matchAll(/dist\/(\S+)\.js/g)]
      .map(([, path]) => `${path}.ts`)
      .filter((path) => !files.some((file) => file.path === path));
    expect(missing).toEqual([]);
  });

  it('docker-compose.yml has the two services', () => {
    const lines = read('docker-compose.yml').split('\n');
    expect(lines.filter((line) => line.includes('\t'))).toEqual([]);
    const top = lines.filter((line) => /^\S/.test(line) && !line.startsWith('#'));
    expect(top).toEqual(expect.arrayContaining(['services:', 'volumes:']));
    const services = lines.slice(lines.indexOf('services:') + 1, lines.indexOf('volumes:'));
    expect(services.filter((line) => /^ {2}\w+:$/.test(line)).map((line) => line.trim())).toEqual([
      'nats:',
      'millrace:',
    ]);
    expect(services.every((line) => line.trim() === '' || /^(?: {2})+(#|- |[\w-]+:)/.test(line))).toBe(true);
  });

  it('README.md has the commands that run and test everything', () => {
    const readme = read('README.md');
    expect(readme).toContain('npm ci && npm start');
    expect(readme).toContain('npm ci && npm test');
  });
});
