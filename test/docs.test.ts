import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as library from '../index.ts';
import { apiReference } from '../scripts/api-reference.ts';
import { guides } from '../scripts/guides.ts';
import { exampleNames, kindOf, operatorDocs, operatorPages, proseOf } from '../scripts/operator-pages.ts';

const ROOT = resolve(import.meta.dirname, '..');
const EXAMPLES = join(ROOT, 'examples', 'operators');

interface ExampleModule {
  readonly default: () => Promise<unknown[]>;
  readonly expected: unknown[];
}

const examples = exampleNames(ROOT);

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

describe('the API reference', () => {
  // Of the declaration files in `dist`, which are built before.
  it('is what `npm run docs` makes of the exports: each in one page, none stale, every link with its end', {
    timeout: 120_000,
  }, () => {
    const pages = new Map(apiReference(ROOT).map(({ path, text }) => [path, text]));
    for (const [path, text] of pages) {
      const file = join(ROOT, path);
      expect(existsSync(file) ? readFileSync(file, 'utf8') : '', `${path} is stale: npm run docs`).toBe(text);
    }
    const folder = join('docs', 'reference');
    expect(readdirSync(join(ROOT, folder)).filter((name) => !pages.has(join(folder, name)))).toEqual([]);
    const all = [...pages.values()].join('\n');
    const listed = readFileSync(join(ROOT, 'test', 'public-api.txt'), 'utf8')
      .trim()
      .split('\n');
    const names = listed.map((name) => name.replace(/^type /, ''));
    expect(names.filter((name) => all.split(`\n## ${name}\n`).length !== 2)).toEqual([]);
    const headings = new Set(
      [...pages].flatMap(([path, text]) =>
        [...text.matchAll(/^## (\w+)$/gm)].map(
          ([, name = '']) => `${path.split('/').at(-1)}#${name.toLowerCase()}`,
        ),
      ),
    );
    const links = [...all.matchAll(/\]\(([\w-]+\.md#\w+)(?:-1)?\)/g)].map(([, link = '']) => link);
    expect(links.length).toBeGreaterThan(names.length);
    expect(links.filter((link) => !headings.has(link))).toEqual([]);
  });
});

describe('the documentation of operators', () => {
  it('has a page and an example for each that says something of itself', () => {
    expect(operatorDocs().length).toBeGreaterThan(20);
    for (const { kind } of operatorDocs()) expect(examples).toContain(kind);
    for (const { name } of guides) expect(examples).toContain(name);
    expect(examples.filter((name) => kindOf(name) === undefined)).toEqual([]);
  });

  it.each(examples)('the example %s runs, and gives what its page says', async (name) => {
    const module = (await import(join(EXAMPLES, `${name}.ts`))) as ExampleModule;
    expect(await module.default()).toEqual(module.expected);
  });

  it('is what `npm run docs` makes of the code', () => {
    for (const { path, text } of operatorPages(ROOT)) {
      const file = join(ROOT, path);
      expect(existsSync(file) ? readFileSync(file, 'utf8') : `${path} is missing: npm run docs`).toBe(text);
    }
  });

  it('says of each operator what becomes of late, repeated and failing input', () => {
    const said = /^- \*\*Late input\.\*\* (.+)\n- \*\*Duplicates\.\*\* (.+)\n- \*\*Failure\.\*\* (.+)$/;
    const isVague = (text: string): boolean => text.length < 15 || !/\.$/.test(text);
    const vague = operatorDocs().filter(({ kind }) => {
      const parts = said.exec(proseOf(ROOT, kind).guarantees)?.slice(1);
      return parts === undefined || parts.some(isVague);
    });
    expect(vague.map(({ kind }) => kind)).toEqual([]);
  });

  it('has no page of what is no more, and no link to nowhere', () => {
    const folder = join(ROOT, 'docs', 'operators');
    const pages = operatorPages(ROOT);
    const made = pages.map(({ path }) => path);
    expect(readdirSync(folder).filter((name) => !made.includes(`docs/operators/${name}`))).toEqual([]);
    const links = pages.flatMap(({ path, text }) =>
      [...text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, link = '']) => [path, link] as const),
    );
    const broken = links.filter(
      ([path, link]) => !made.includes(join(path, '..', link)) && !existsSync(join(ROOT, path, '..', link)),
    );
    expect(broken).toEqual([]);
  });

  it('names what is there to those who come from elsewhere', () => {
    const docs = join(ROOT, 'docs');
    const text = readFileSync(join(docs, 'coming-from.md'), 'utf8');
    const cells = text.split('\n').filter((line) => line.startsWith('| ') && !line.includes('| Millrace |'));
    const ours = cells.map((line) => line.split(' | ').at(-1) ?? '');
    const names = ours.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code));
    const words = new Set(names.flatMap((code) => code.match(/[A-Za-z]\w{2,}/g) ?? []));
    expect(words.size).toBeGreaterThan(60);
    const elsewhere = readdirSync(docs, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.md') && path !== 'coming-from.md')
      .map((path) => readFileSync(join(docs, path), 'utf8'))
      .join('\n');
    const isKnown = (word: string): boolean => word in library || new RegExp(`\\b${word}\\b`).test(elsewhere);
    expect([...words].filter((word) => !isKnown(word))).toEqual([]);
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
