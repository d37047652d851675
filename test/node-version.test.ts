import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { NODE_VERSIONS, nodeProblem } from '../node-version.ts';

it('runs on the versions that package.json names, and says so on others', () => {
  const read = (name: string): string => readFileSync(resolve(import.meta.dirname, '..', name), 'utf8');
  const { engines } = JSON.parse(read('package.json')) as { engines: { node: string } };
  const lock = JSON.parse(read('package-lock.json')) as { packages: { '': { engines: { node: string } } } };
  expect([engines.node, lock.packages[''].engines.node]).toEqual([NODE_VERSIONS, NODE_VERSIONS]);
  const tried = [
    '20.19.0',
    '20.20.2',
    '22.2.0',
    '22.23.5',
    '23.0.0',
    '24.22.3',
    '26.12.1',
    process.versions.node,
  ];
  expect(tried.filter((version) => nodeProblem(version) !== undefined)).toEqual([]);
  // Without `crc32` of `node:zlib`.
  const old = ['18.20.0', '20.10.0', '20.18.3', '21.7.3', '22.0.0', '22.1.0'];
  expect(old.filter((version) => nodeProblem(version) === undefined)).toEqual([]);
});
