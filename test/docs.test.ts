import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { operatorDocs, operatorPages } from '../scripts/operator-pages.ts';

const ROOT = resolve(import.meta.dirname, '..');
const EXAMPLES = join(ROOT, 'examples', 'operators');

interface ExampleModule {
  readonly default: () => Promise<unknown[]>;
  readonly expected: unknown[];
}

const kinds = readdirSync(EXAMPLES)
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.slice(0, -'.ts'.length));

describe('a custom operator', () => {
  const lines = (name: string): number =>
    readFileSync(join(ROOT, 'examples', 'custom-operator', name), 'utf8')
      .trimEnd()
      .split('\n').length;

  it('takes twenty lines, and its test fifteen', () => {
    expect(lines('moved.ts')).toBeLessThanOrEqual(20);
    expect(lines('moved.test.ts')).toBeLessThanOrEqual(15);
  });
});

describe('the documentation of operators', () => {
  it('has a page and an example for each that says something of itself', () => {
    expect(kinds.sort()).toEqual(operatorDocs().map(({ kind }) => kind));
  });

  it.each(kinds)('the example of %s runs, and gives what its page says', async (kind) => {
    const module = (await import(join(EXAMPLES, `${kind}.ts`))) as ExampleModule;
    expect(await module.default()).toEqual(module.expected);
  });

  it('is what `npm run docs` makes of the code', () => {
    for (const { path, text } of operatorPages(ROOT)) {
      const file = join(ROOT, path);
      expect(existsSync(file) ? readFileSync(file, 'utf8') : `${path} is missing: npm run docs`).toBe(text);
    }
  });

  const pages = ['tutorial.md', 'testing.md', 'concepts.md'].filter((name) =>
    existsSync(join(ROOT, 'docs', name)),
  );
  it.each(pages)('the code in %s is that of the files it names', (name) => {
    const text = readFileSync(join(ROOT, 'docs', name), 'utf8');
    const blocks = [...text.matchAll(/<!-- file: (\S+) -->\s*```ts\n([\s\S]*?)```/g)];
    expect(blocks.length).toBeGreaterThan(0);
    for (const [, file = '', code] of blocks) {
      expect(readFileSync(join(ROOT, file), 'utf8').replaceAll("'../../index.ts'", "'millrace'")).toContain(
        code,
      );
    }
  });
});
