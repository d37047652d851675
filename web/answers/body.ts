/** A definition as it is sent: JSON. */
export type Body = Readonly<Record<string, unknown>>;

const isBody = (value: unknown): value is Body =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The member at a path of names, `a.b`. */
export function memberOf(body: Body, path: string): unknown {
  let found: unknown = body;
  for (const name of path.split('.')) found = isBody(found) ? found[name] : undefined;
  return found;
}

/** The same with another member at a path; undefined takes it away, and objects that are empty then. */
export function withMember(body: Body, path: string, value: unknown): Body {
  const [name = '', ...rest] = path.split('.');
  const { [name]: before, ...others } = body;
  if (rest.length === 0) return value === undefined ? others : { ...body, [name]: value };
  const inner = withMember(isBody(before) ? before : {}, rest.join('.'), value);
  return Object.keys(inner).length === 0 ? others : { ...body, [name]: inner };
}

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** What makes `after` of `before` as a JSON merge patch (RFC 7396): what is not said stays. */
export function patchOf(before: Body, after: Body): Body {
  const patch: Record<string, unknown> = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [old, made] = [before[name], after[name]];
    if (isSame(old, made)) continue;
    patch[name] = isBody(old) && isBody(made) ? patchOf(old, made) : made === undefined ? null : made;
  }
  return patch;
}

/** `country=DE,FR; channel!=email` as the filters of a query; what cannot be read is left out by the reader's own fault. */
export function filtersOf(text: string): Body {
  const filters: Record<string, unknown> = {};
  for (const part of text.split(';')) {
    const match = /^\s*([\w.]+)\s*(!?=)\s*(.*?)\s*$/.exec(part);
    if (match === null) continue;
    const [, name = '', sign, list = ''] = match;
    const values = list.split(',').map((one) => (one.trim() === '' ? null : one.trim()));
    const value = values.length === 1 ? values[0] : values;
    filters[name] = sign === '!=' ? { not: value } : value;
  }
  return filters;
}

/**
 * Filters of a definition as they are sent. What cannot be read is sent as it is written, and refused there; a value that
 * is absent is a list of it, since in a change a lone null takes the filter away.
 */
export function writtenFilters(text: string): unknown {
  if (text.trim().startsWith('{')) {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      return text;
    }
  }
  const parts = text.split(';').filter((part) => part.trim() !== '');
  const filters = filtersOf(text);
  if (Object.keys(filters).length !== parts.length) return text;
  return Object.fromEntries(
    Object.entries(filters).map(([name, value]) => {
      if (value === null) return [name, [null]];
      return [name, isBody(value) && value.not === null ? { not: [null] } : value];
    }),
  );
}

const isPlain = (value: unknown): boolean =>
  [isBody(value) ? value.not : value].flat().every((one) => !/[,;]/.test(String(one ?? '')));

/** Filters as a reader writes them; the other way of `writtenFilters`. Those that cannot be written so are JSON. */
export function filtersText(filters: unknown): string {
  if (typeof filters === 'string') return filters;
  if (!isBody(filters)) return '';
  if (!Object.values(filters).every(isPlain)) return JSON.stringify(filters);
  const listOf = (value: unknown): string =>
    [value]
      .flat()
      .map((one) => one ?? '')
      .join(',');
  return Object.entries(filters)
    .map(([name, value]) => (isBody(value) ? `${name}!=${listOf(value.not)}` : `${name}=${listOf(value)}`))
    .join('; ');
}
