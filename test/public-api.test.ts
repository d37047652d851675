import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as face from '../index.ts';
import { exampleNames, operatorPages } from '../scripts/operator-pages.ts';

const ROOT = resolve(import.meta.dirname, '..');
const ROOMS = ['connectors', 'engine', 'operators', 'runtime'];

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** The names that `index.ts` exports, values as they are and types with `type` before them, sorted. */
function exportedNames(): string[] {
  const lists = [...read('index.ts').matchAll(/^export \{([^}]*)\} from '\.\/\w+(?:\/\w+)?\/index\.ts';$/gm)];
  return lists
    .flatMap(([, list = '']) => list.split(','))
    .map((name) => name.trim())
    .filter((name) => name !== '')
    .sort();
}

const names = exportedNames();
const values = names.filter((name) => !name.startsWith('type '));

interface Declaration {
  readonly path: string;
  readonly text: string;
  readonly hasComment: boolean;
}

const sources = ROOMS.flatMap((room) =>
  readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !/(\.test|\/fixture-[\w-]+)\.ts$/.test(path))
    .map((path) => ({ path: join(room, path), text: read(join(room, path)) })),
);

/** Where a value is declared. A function with several signatures has its comment before the first. */
const declarationsOf = (name: string): Declaration[] =>
  declared('(?:async )?(?:abstract )?(?:function\\*?|const|class)', name);

/** Where types of a name are declared. */
const typesOf = (name: string): Declaration[] => declared('(?:abstract )?(?:interface|type|class)', name);

function declared(how: string, name: string): Declaration[] {
  const pattern = new RegExp(`(\\*/\\n)?^export ${how} ${name}\\b`, 'm');
  return sources.flatMap(({ path, text }) => {
    const found = pattern.exec(text);
    return found === null ? [] : [{ path, text, hasComment: found[1] !== undefined }];
  });
}

/** The kind of the page that a file's operators are on. */
const kindIn = (text: string): string | undefined =>
  /Doc: OperatorDoc = \{\s*kind: '([\w-]+)'/.exec(text)?.[1];

describe('the public face', () => {
  it('is what test/public-api.txt lists: a change of it is meant', () => {
    expect(`${names.join('\n')}\n`).toBe(read('test/public-api.txt'));
    expect(Object.keys(face).sort()).toEqual(values);
    expect(new Set(names).size).toBe(names.length);
  });

  it('exports by name, from the rooms only', () => {
    const code = read('index.ts').replaceAll(/\/\*\*[\s\S]*?\*\/|^\/\/.*$/gm, '');
    const left = code.replaceAll(/^export \{[^}]*\} from '\.\/\w+(?:\/\w+)?\/index\.ts';$/gm, '');
    expect(left.trim()).toBe('');
  });

  it('says of each value what it is', () => {
    const declared = values.map((name) => ({ name, at: declarationsOf(name) }));
    const unclear = declared.filter(({ at }) => at.length !== 1);
    expect(unclear.map(({ name, at }) => [name, ...at.map(({ path }) => path)])).toEqual([]);
    expect(declared.filter(({ at }) => at[0]?.hasComment !== true).map(({ name }) => name)).toEqual([]);
  });

  it('says of each type what it is', () => {
    const types = names.filter((name) => name.startsWith('type ')).map((name) => name.slice('type '.length));
    const declared = types.map((name) => ({ name, at: typesOf(name) }));
    expect(declared.filter(({ at }) => at.length === 0).map(({ name }) => name)).toEqual([]);
    // Where rooms have types of one name, each says what it is.
    const silent = declared.flatMap(({ name, at }) =>
      at.filter(({ hasComment }) => !hasComment).map(({ path }) => `${name} of ${path}`),
    );
    expect(silent).toEqual([]);
  });

  it('has a page and an example for each operator', () => {
    const pages = new Map(operatorPages(ROOT).map(({ path, text }) => [path, text]));
    const examples = exampleNames(ROOT);
    const makesOperators = /\b(defineOperator|makeProcess)[<(]/;
    // Values beside an operator in its file, such as `tableOf`, are on its page too.
    const documented = values.flatMap((name) =>
      declarationsOf(name)
        .filter(({ path, text }) => path.startsWith('operators/') && makesOperators.test(text))
        .map(({ text }) => ({ name, kind: kindIn(text) ?? 'none' })),
    );
    expect(documented.length).toBeGreaterThan(28);
    const missing = documented.filter(
      ({ name, kind }) =>
        !examples.includes(kind) ||
        !new RegExp(`\\b${name}\\b`).test(pages.get(`docs/operators/${kind}.md`) ?? ''),
    );
    expect(missing).toEqual([]);
  });
});
