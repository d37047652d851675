import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadPublisher, loadTopology } from './load-topology.ts';

/** As one of another copy of the package looks: no instance of our class. */
const SHAPE = `{ name: 'orders', sources: [], describe() {}, draw() {}, tables() {}, start() {} }`;

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-test-load-'));
  const modules = {
    'named.mjs': `export const orders = ${SHAPE}; export const other = 1;`,
    'both.mjs': `export const other = ${SHAPE}; export default ${SHAPE.replace('orders', 'main')};`,
    'twice.mjs': `export const orders = ${SHAPE}; export const alias = orders;`,
    'several.mjs': `export const a = ${SHAPE}; export const b = ${SHAPE};`,
    'function.mjs': `export const make = () => (${SHAPE});`,
    'none.mjs': `export const name = 'orders';`,
    'calls.mjs': `export const orders = ${SHAPE}; export const publisher = (next) => ({ around: next });`,
    'no-call.mjs': `export const orders = ${SHAPE}; export const publisher = 'mail';`,
    'throws.mjs': `\nthrow new Error('no such table.');`,
  };
  for (const [name, text] of Object.entries(modules)) await writeFile(join(dir, name), text);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('loadTopology', () => {
  it.each([
    ['named.mjs', 'orders'],
    ['named.mjs#orders', 'orders'],
    ['both.mjs', 'main'],
    ['both.mjs#default', 'main'],
    ['both.mjs#other', 'orders'],
    ['twice.mjs', 'orders'],
  ])('finds the topology of %s', async (given, name) => {
    expect((await loadTopology(given, dir)).name).toBe(name);
  });

  it('finds what sends the messages of the module', async () => {
    const next = { publish: () => Promise.resolve() };
    expect((await loadPublisher('calls.mjs', dir))?.(next)).toEqual({ around: next });
    expect(await loadPublisher('named.mjs#orders', dir)).toBeUndefined();
    await expect(loadPublisher('no-call.mjs', dir)).rejects.toMatchObject({
      code: 'topology_module_failed',
    });
  });

  it.each([
    ['absent.mjs', 'topology_not_found', /absent\.mjs is not there/],
    ['.', 'topology_not_found', /is a folder/],
    ['named.mjs#other', 'topology_not_found', /no topology "other"\. Its topologies are orders\./],
    ['function.mjs', 'topology_not_found', /make: a function; export what it returns/],
    ['none.mjs', 'topology_not_found', /Its exports are name/],
    ['several.mjs', 'topology_ambiguous', /a, b.*several\.mjs#a/],
    ['throws.mjs', 'topology_module_failed', /no such table/],
  ])('says what is wrong with %s', async (given, code, message) => {
    await expect(loadTopology(given, dir)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });
});
