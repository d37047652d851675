import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { programVersion } from '../runtime/index.ts';

const ROOT = resolve(import.meta.dirname, '..');
const [MAX_LINES, MAX_LINE_CHARS] = [400, 160];

interface Room {
  readonly rooms: readonly string[];
  readonly packages: readonly string[];
}

/** What each room may import beside itself and `node:`. Arrows run one way. */
const ROOMS: Readonly<Record<string, Room>> = {
  engine: { rooms: [], packages: ['rxjs', 'lmdb'] },
  operators: { rooms: ['engine'], packages: [] },
  connectors: {
    rooms: ['engine'],
    packages: [
      ...['nats', '@nats-io/jetstream', '@nats-io/kv', 'csv-parse', 'hyparquet', 'zod'],
      ...['@aws-sdk/client-s3', '@aws-sdk/client-kinesis', '@smithy/node-http-handler'],
    ],
  },
  analytics: { rooms: ['engine', 'operators'], packages: ['zod', 'temporal-polyfill'] },
  runtime: {
    rooms: ['engine', 'connectors', 'operators', 'analytics'],
    packages: ['zod', 'pino', 'exceljs', 'hyparquet', 'hyparquet-writer'],
  },
  api: {
    rooms: ['engine', 'analytics', 'runtime'],
    packages: [
      ...['hono', '@hono/node-server', '@hono/zod-openapi', 'ws', 'zod'],
      ...['croner', 'pino', 'prom-client', 'jose'],
    ],
  },
  cli: { rooms: ['engine', 'connectors', 'analytics', 'runtime', 'api'], packages: ['pino'] },
  web: { rooms: [], packages: ['preact', '@preact/signals', 'uplot', 'vite'] },
};
/** Not rooms: they may import every room, through its index. */
const OUTSIDE = ['test', 'bench', 'examples', 'scripts'];
const TEST_PACKAGES = ['vitest', 'fast-check', '@duckdb/node-api', 'zod'];
/** What only tests use: `fixture-*.ts`, in the folder of what it is for. */
const FIXTURE = /(^|\/)fixture-[\w-]+\.ts$/;
/** A test, or what only tests use, wherever it lies. */
const FOR_TESTS = /(\.test|^vitest\.config|(^|\/)fixture-[\w-]+)\.ts$/;
const MAX_FILES_OF_FOLDER = 25;

const EXCLUDED = new Set(['node_modules', 'dist', 'data', 'coverage']);

function filesUnder(folder: string, ending: RegExp): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith('.') || EXCLUDED.has(entry.name)) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesUnder(path, ending);
    return ending.test(entry.name) ? [relative(ROOT, path)] : [];
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
const IMPORT = /^import [^;]*;\n/gm;
const DYNAMIC = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

const files: readonly SourceFile[] = filesUnder(ROOT, /\.tsx?$/).map((path) => {
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

const targetOf = (path: string, specifier: string): string =>
  relative(ROOT, resolve(ROOT, dirname(path), specifier));

/** What is wrong with an import of a file of the same room. */
function problemInside(path: string, target: string, forTests: boolean): string | undefined {
  const folder = dirname(target);
  // A room of lists of programs (`examples/`, `test/`) has no walls inside.
  if (folder === dirname(path) || ROOMS[folder.split('/')[0] as string] === undefined) return undefined;
  if (FIXTURE.test(target)) return forTests ? undefined : `${path} imports ${target}, which is for tests`;
  if (!folder.includes('/')) {
    return forTests ? undefined : `${path} imports ${target}, which is above it`;
  }
  return target === `${folder}/index.ts` ? undefined : `${path} imports ${target}, past ${folder}/index.ts`;
}

/** What is wrong with one import; undefined when nothing is. */
function problemOf({ path, room, forTests }: SourceFile, specifier: string): string | undefined {
  if (specifier.startsWith('node:')) return undefined;
  const rules = ROOMS[room];
  if (!specifier.startsWith('.')) {
    const name = packageOf(specifier);
    if (rules === undefined || rules.packages.includes(name)) return undefined;
    return forTests && TEST_PACKAGES.includes(name) ? undefined : `${path} imports the package ${name}`;
  }
  const target = targetOf(path, specifier);
  const other = target.split('/')[0] as string;
  if (!target.includes('/')) return undefined;
  if (other === room) return problemInside(path, target, forTests);
  if (OUTSIDE.includes(other)) {
    return rules === undefined || forTests ? undefined : `${path} imports ${target}`;
  }
  if (rules !== undefined && !rules.rooms.includes(other))
    return `${path} imports ${target}, against the arrows`;
  // The package's face loads the folder that it needs, and not the order analytics with it.
  if (path === 'index.ts' && target.endsWith('/index.ts')) return undefined;
  return target === `${other}/index.ts` ? undefined : `${path} imports ${target}, past ${other}/index.ts`;
}

/** Started as threads: no import names them. */
const WORKERS = [
  'connectors/nats/source/source-thread.ts',
  'engine/query/scan-thread.ts',
  'runtime/answers/page-thread.ts',
  'runtime/models/model-thread.ts',
  'runtime/host/fit-thread.ts',
  'runtime/table-files/table-thread.ts',
  'runtime/generations/build-thread.ts',
  'runtime/generations/recount-thread.ts',
  'runtime/host/task-thread.ts',
];

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

describe('folders inside a room', () => {
  const product = files.filter(({ room, forTests }) => room in ROOMS && !forTests);
  const folders = [...new Set(product.map(({ path }) => dirname(path)))];

  /** The folders of its room that a folder imports. */
  const arrowsOf = (folder: string): readonly string[] => {
    const targets = product
      .filter(({ path }) => dirname(path) === folder)
      .flatMap(({ path, imports }) =>
        imports.filter((name) => name.startsWith('.')).map((name) => targetOf(path, name)),
      );
    const others = targets
      .map(dirname)
      .filter((other) => other !== folder && other.split('/')[0] === folder.split('/')[0]);
    return [...new Set(others)];
  };

  it('have arrows that run one way', () => {
    const arrows = new Map(folders.map((folder) => [folder, arrowsOf(folder)]));
    expect([...arrows.values()].flat().length).toBeGreaterThan(40);
    // Whatever imports nothing that is still there goes; what stays is on a circle, or imports one.
    let before: number;
    do {
      before = arrows.size;
      for (const [folder, others] of [...arrows]) {
        if (!others.some((other) => arrows.has(other))) arrows.delete(folder);
      }
    } while (arrows.size < before);
    expect(
      [...arrows].map(
        ([folder, others]) => `${folder} -> ${others.filter((other) => arrows.has(other)).join(', ')}`,
      ),
    ).toEqual([]);
  });

  it('have one public face each, the dashboard its first page', () => {
    const faces = new Set(['web', ...files.map(({ path }) => path.replace(/\/index\.ts$/, ''))]);
    expect(folders.filter((folder) => !faces.has(folder))).toEqual([]);
  });

  it(`have at most ${MAX_FILES_OF_FOLDER} product files`, () => {
    const sizes = folders.map((folder) => ({
      folder,
      size: product.filter(({ path }) => dirname(path) === folder && !path.endsWith('/index.ts')).length,
    }));
    expect(sizes.filter(({ size }) => size > MAX_FILES_OF_FOLDER)).toEqual([]);
  });

  it('name what only tests use by one scheme', () => {
    const others = files.filter(
      ({ path, room }) =>
        room in ROOMS && /(fixture|testing)/.test(path.split('/').at(-1) ?? '') && !FIXTURE.test(path),
    );
    expect(others.map(({ path }) => path)).toEqual([]);
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

  it('export nothing that is named nowhere else', () => {
    // Lists of names in `index.ts` are no use of them; pages of operators are found by their ending.
    const counts = new Map<string, number>();
    for (const { path, text } of files) {
      if (path.endsWith('/index.ts')) continue;
      for (const [word] of text.matchAll(/\w+/g)) counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    const declared = /^export (?:abstract )?(?:async )?(?:function\*?|const|class|interface|type) (\w+)/gm;
    const unused = files
      .filter(({ path, room, forTests }) => room in ROOMS && !forTests && !path.endsWith('/index.ts'))
      .flatMap(({ path, text }) => [...text.matchAll(declared)].map(([, name = '']) => ({ path, name })))
      .filter(({ name }) => counts.get(name) === 1 && !name.endsWith('Doc'));
    expect(unused).toEqual([]);
  });

  it('have no test that is left out, or run alone', () => {
    expect(matching(/\b(it|test|describe)\.(skip|only|todo)\b/)).toEqual([]);
  });

  it('say in docs/testing.md what runs in the long form alone', () => {
    const page = read('docs/testing.md');
    const unnamed = files.filter(
      ({ path, text }) => /^\s*itLong\(/m.test(text) && !page.includes(`\n| \`${path}\` | `),
    );
    expect(unnamed.map(({ path }) => path)).toEqual([]);
  });

  it(`have at most ${MAX_LINE_CHARS} characters a line in the rooms`, () => {
    const long = files
      .filter(({ room, forTests }) => room in ROOMS && !forTests)
      .flatMap(({ path, text }) =>
        text
          .split('\n')
          .flatMap((line, index) => (line.length > MAX_LINE_CHARS ? [`${path}:${index + 1}`] : [])),
      );
    expect(long).toEqual([]);
  });

  it(`have at most ${MAX_LINES} lines a file beside its imports`, () => {
    // The public face is a list of names: test/public-api.test.ts looks after it.
    const lengths = files
      .filter(({ path }) => path !== 'index.ts')
      .map(({ path, text }) => ({ path, lines: text.replace(IMPORT, '').trim().split('\n').length }));
    expect(lengths.filter(({ lines }) => lines > MAX_LINES)).toEqual([]);
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
    // The dashboard takes what it imports into its own files.
    const product = files.filter(({ room, forTests }) => !forTests && !['web', ...OUTSIDE].includes(room));
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

  it('packs what a user of the package runs and reads, and nothing else', () => {
    // It lists what lies in `dist`, which `npm test` has built before.
    const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [packed] = JSON.parse(output) as [{ readonly size: number; readonly files: { path: string }[] }];
    const bundled = ['index.ts', 'main.ts', ...WORKERS];
    const pages = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png', 'redoc.standalone.js'];
    const wanted = reachableFrom(['index.ts', 'main.ts', ...WORKERS])
      // At the root the face alone is for those who import it.
      .filter((path) => path.endsWith('.ts') && (path === 'index.ts' || path.includes('/')))
      .map((path) => `dist/${path.slice(0, -'.ts'.length)}.d.ts`)
      .concat(bundled.map((path) => `dist/bundle/${path.slice(0, -'.ts'.length)}.js`))
      .concat('package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md')
      .concat(
        [...pages.map((name) => `${name}.gz`), 'LICENSES.txt'].map((name) => `dist/api/app/pages/${name}`),
      )
      .concat('Dockerfile', 'docker-compose.yml', 'dist/web/index.html', 'dist/bundle/LICENSES.txt');
    expect(wanted.length).toBeGreaterThan(300);
    const paths = packed.files.map(({ path }) => path);
    expect(wanted.filter((path) => !paths.includes(path))).toEqual([]);
    // A file whose source is gone may lie in `dist`, but not in a package: that is packed from an empty one.
    const hasSource = (path: string): boolean =>
      existsSync(join(ROOT, path.replace(/^dist\//, '').replace(/(\.d\.ts|\.js)$/, '.ts')));
    const isToRead = (path: string): boolean => /^(docs|examples)\//.test(path);
    expect(paths.filter((path) => !wanted.includes(path) && hasSource(path) && !isToRead(path))).toEqual([]);
    expect(packed.size).toBeLessThan(5_000_000);
    // Whoever reads the package's pages in `node_modules` finds what they lead to; tests are in the repository only.
    const links = paths
      .filter((path) => path.endsWith('.md'))
      .flatMap((path) =>
        [...read(path).matchAll(/\]\((?!\w+:)([^)#\s]+)[^)]*\)/g)].map(([, to = '']) =>
          join(dirname(path), to),
        ),
      );
    expect(links.length).toBeGreaterThan(200);
    const leadsOn = (to: string): boolean => paths.some((path) => path === to || path.startsWith(`${to}/`));
    expect(links.filter((to) => !to.endsWith('.test.ts') && !leadsOn(to))).toEqual([]);
  });

  it('has no telemetry, React or pages of documentation among the packages that it brings', () => {
    const { packages } = JSON.parse(read('package-lock.json')) as {
      packages: Readonly<Record<string, { readonly dev?: boolean }>>;
    };
    const brought = Object.entries(packages).filter(([path, { dev }]) => path !== '' && dev !== true);
    expect(brought.length).toBeGreaterThan(30);
    const unwanted = /node_modules\/(@scarf\/|react(-|$)|redoc$|swagger-ui|styled-components|mobx|core-js$)/;
    expect(brought.map(([path]) => path).filter((path) => unwanted.test(path))).toEqual([]);
  });

  it('has one version everywhere', () => {
    const { version } = JSON.parse(read('package.json')) as { version: string };
    const lock = JSON.parse(read('package-lock.json')) as {
      version: string;
      packages: Readonly<Record<string, { readonly version?: string }>>;
    };
    expect([lock.version, lock.packages['']?.version]).toEqual([version, version]);
    expect(programVersion()).toBe(version);
    for (const [, named] of read('docs/tutorial.md').matchAll(/millrace-(\d+\.\d+\.\d+)\.tgz/g)) {
      expect(named).toBe(version);
    }
    expect(read('CHANGELOG.md')).toContain(`\n## ${version}\n`);
  });

  it('every script of package.json has what it runs', () => {
    const commands = Object.values(manifest.scripts).join('\n');
    const missing = [...commands.matchAll(/dist\/(?:bundle\/)?(\S+)\.js/g)]
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
