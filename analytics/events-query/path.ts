/** Steps from an event's root: a member's name, or the index of an array's element. */
export type Path = readonly (string | number)[];

/** A path as text, characters. */
export const MAX_PATH_CHARS = 256;
/** Steps of a path. */
export const MAX_PATH_STEPS = 32;

const STEP = /((?:[^.[\]\\]|\\.)+)|\[(\d{0,6})\]/y;

/**
 * `data.custom.x`, `items[].sku` or `items[0].sku` as steps; undefined when malformed. `[]` is left out: arrays on
 * the way always stand for each of their elements. A dot or bracket that belongs to a name has a `\` before it.
 */
export function parsePath(text: string): Path | undefined {
  if (text.length === 0 || text.length > MAX_PATH_CHARS) return undefined;
  const steps: (string | number)[] = [];
  let at = 0;
  while (at < text.length) {
    STEP.lastIndex = at;
    const match = STEP.exec(text);
    if (match === null) return undefined;
    const [whole, name, index] = match;
    const isFirst = at === 0;
    at += whole.length;
    if (name !== undefined) steps.push(name.replaceAll(/\\(.)/g, '$1'));
    else if (isFirst) return undefined;
    else if (index !== undefined && index !== '') steps.push(Number(index));
    // Between a step and a name there is a dot, between a step and a bracket there is none.
    if (text[at] === '.') {
      if (at + 1 === text.length || text[at + 1] === '[') return undefined;
      at++;
    } else if (at < text.length && text[at] !== '[') return undefined;
  }
  return steps.length > MAX_PATH_STEPS ? undefined : steps;
}

/**
 * Whether `test` holds for any value at the path. An array on the way or at its end stands for its elements; an
 * object at the end is a value. Members are an object's own, `__proto__` too.
 */
export function anyAt(root: unknown, path: Path, test: (value: unknown) => boolean): boolean {
  return anyFrom(root, path, 0, test);
}

function anyFrom(value: unknown, path: Path, at: number, test: (value: unknown) => boolean): boolean {
  const step = path[at];
  if (Array.isArray(value)) {
    if (typeof step === 'number') return step < value.length && anyFrom(value[step], path, at + 1, test);
    for (const element of value) if (anyFrom(element, path, at, test)) return true;
    return false;
  }
  if (step === undefined) return test(value);
  if (typeof step === 'number' || typeof value !== 'object' || value === null) return false;
  return Object.hasOwn(value, step) && anyFrom((value as Record<string, unknown>)[step], path, at + 1, test);
}
