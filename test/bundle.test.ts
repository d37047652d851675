import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** The sources of what a file of the bundle loads at its start. */
function loadedBy(entry: string): readonly string[] {
  const files = new Set([entry]);
  for (const path of files) {
    for (const [, to = ''] of read(path).matchAll(/^(?:import|\} from) "(\.[^"]+)";/gm)) {
      files.add(join(dirname(path), to));
    }
  }
  return [...files].flatMap((path) =>
    (JSON.parse(read(`${path}.map`)) as { sources: string[] }).sources.map((source) =>
      relative(ROOT, resolve(ROOT, dirname(path), source)),
    ),
  );
}

it('a thread loads what it uses, and not the rooms that it uses something of', () => {
  const source = loadedBy('dist/bundle/connectors/nats/source/source-thread.js');
  expect(source).toEqual(expect.arrayContaining(['connectors/nats/source/jetstream-source.ts']));
  const rooms = (paths: readonly string[]): readonly string[] => [
    ...new Set(
      paths.map((path) =>
        path
          .split('/')
          .slice(0, path.startsWith('node_modules') ? 2 : 1)
          .join('/'),
      ),
    ),
  ];
  expect(
    rooms(source).filter((room) => ['analytics', 'operators', 'node_modules/zod'].includes(room)),
  ).toEqual([]);
  expect(rooms(source)).toEqual(expect.arrayContaining(['connectors', 'engine', 'node_modules/@nats-io']));
  const pages = loadedBy('dist/bundle/runtime/answers/page-thread.js');
  expect(pages.length).toBeGreaterThan(5);
  expect(rooms(pages).filter((room) => room !== 'engine')).toEqual(['runtime']);
});

it('every package whose code is in the bundle is named with its licence', () => {
  const sources = readdirSync(join(ROOT, 'dist/bundle'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.js.map'))
    .flatMap((path) => (JSON.parse(read(`dist/bundle/${path}`)) as { sources: string[] }).sources);
  const bundled = new Set(
    sources.flatMap((source) => /^.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1] ?? []),
  );
  expect([...bundled]).toEqual(expect.arrayContaining(['rxjs', 'zod', 'hono', '@nats-io/nats-core']));
  // Native code, and what starts threads from its own files, lies in its package.
  expect([...bundled].filter((name) => ['lmdb', 'msgpackr', 'pino'].includes(name))).toEqual([]);
  const said = read('dist/bundle/LICENSES.txt');
  const nameOf = (folder: string): string =>
    (JSON.parse(read(`node_modules/${folder}/package.json`)) as { name: string }).name;
  expect([...bundled].filter((folder) => !said.includes(`==== ${nameOf(folder)} `))).toEqual([]);
  expect(said.split('====').filter((text) => text.trim() !== '' && text.length < 50)).toEqual([]);
});
