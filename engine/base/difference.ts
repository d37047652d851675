/** Deeper than any state; it also ends a value that holds itself. */
const MAX_DEPTH = 200;

/**
 * What became of a value on its way through a codec, e.g. `at .at a Date becomes a text`; undefined where nothing is
 * lost. A member that is undefined is the same as none, and -0 as 0.
 */
export function differenceOf(written: unknown, read: unknown): string | undefined {
  return compare(written, read, '', 0);
}

function compare(a: unknown, b: unknown, path: string, depth: number): string | undefined {
  if (Object.is(a, b) || (typeof a === 'number' && a === b)) return undefined;
  const isObject = typeof a === 'object' && a !== null && typeof b === 'object' && b !== null;
  if (!isObject) return becomes(a, b, path);
  if (depth === MAX_DEPTH) return undefined;
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    return Buffer.compare(a, b) === 0 ? undefined : becomes(a, b, path);
  }
  const isOther = Object.getPrototypeOf(a) !== Object.getPrototypeOf(b);
  if (isOther && nameOf(a) !== nameOf(b)) return becomes(a, b, path);
  if (a instanceof Date && b instanceof Date) {
    return Object.is(a.getTime(), b.getTime()) ? undefined : becomes(a, b, path);
  }
  if ((a instanceof Map && b instanceof Map) || (a instanceof Set && b instanceof Set)) {
    return compare([...a], [...b], path, depth + 1);
  }
  return compareMembers(a, b, path, depth);
}

function compareMembers(a: object, b: object, path: string, depth: number): string | undefined {
  if (Array.isArray(a) && Array.isArray(b) && a.length !== b.length) {
    return `${at(path)}a list of ${a.length} becomes one of ${b.length}`;
  }
  const [before, after] = [new Map(Object.entries(a)), new Map(Object.entries(b))];
  for (const name of new Set([...before.keys(), ...after.keys()])) {
    const inner = Array.isArray(a) ? `${path}[${name}]` : `${path}.${name}`;
    const found = compare(before.get(name), after.get(name), inner, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

function becomes(a: unknown, b: unknown, path: string): string {
  const [before, after] = [describe(a), describe(b)];
  return `${at(path)}${before} becomes ${before === after ? 'another one' : after}`;
}

const at = (path: string): string => (path === '' ? '' : `at ${path} `);

function nameOf(value: object): string {
  const made = value.constructor;
  return typeof made === 'function' && made.name !== '' ? made.name : 'Object';
}

function describe(value: unknown): string {
  switch (typeof value) {
    case 'undefined':
      return 'nothing';
    case 'string':
      return 'a text';
    case 'number':
      return Number.isFinite(value) ? 'a number' : String(value);
    case 'object':
      return value === null ? 'null' : Array.isArray(value) ? 'a list' : `a value of ${nameOf(value)}`;
    default:
      return `a ${typeof value}`;
  }
}
