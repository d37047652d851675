import { describe, expect, it } from 'vitest';
import { anyAt, MAX_PATH_STEPS, parsePath } from './path.ts';

const at = (root: unknown, path: string): unknown[] => {
  const values: unknown[] = [];
  anyAt(root, parsePath(path) ?? [], (value) => {
    values.push(value);
    return false;
  });
  return values;
};

describe('parsePath', () => {
  it.each([
    ['amount', ['amount']],
    ['data.custom.x', ['data', 'custom', 'x']],
    ['items[].sku', ['items', 'sku']],
    ['items[0].sku', ['items', 0, 'sku']],
    ['a[1][2]', ['a', 1, 2]],
    ['a\\.b.c\\[0\\]', ['a.b', 'c[0]']],
    ['with space.ü', ['with space', 'ü']],
    ['__proto__.x', ['__proto__', 'x']],
  ])('%s', (text, steps) => {
    expect(parsePath(text)).toEqual(steps);
  });

  it.each(['', '.', 'a.', '.a', 'a..b', '[0]', 'a.[0]', 'a[x]', 'a[0]b', 'a[', 'a]', 'a\\', 'x'.repeat(257)])(
    'refuses %j',
    (text) => {
      expect(parsePath(text)).toBeUndefined();
    },
  );

  it('refuses more steps than there may be', () => {
    expect(parsePath(Array.from({ length: MAX_PATH_STEPS }, () => 'a').join('.'))).toHaveLength(
      MAX_PATH_STEPS,
    );
    expect(parsePath(Array.from({ length: MAX_PATH_STEPS + 1 }, () => 'a').join('.'))).toBeUndefined();
  });
});

describe('anyAt', () => {
  const event = JSON.parse(
    '{"items": [{"sku": "a", "tags": ["x", "y"]}, {"sku": "b"}, "c"], "__proto__": {"p": 1}, "n": null, "e": []}',
  ) as unknown;

  it.each([
    ['items.sku', ['a', 'b']],
    ['items[].sku', ['a', 'b']],
    ['items[1].sku', ['b']],
    ['items[9].sku', []],
    ['items.tags', ['x', 'y']],
    ['items.tags[1]', ['y']],
    ['n', [null]],
    ['e', []],
    ['__proto__.p', [1]],
    ['toString', []],
    ['items.length', []],
  ])('%s', (path, values) => {
    expect(at(event, path)).toEqual(values);
  });
});
