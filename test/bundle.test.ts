import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

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
