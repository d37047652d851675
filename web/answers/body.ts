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

/** Filters as a reader writes them; the other way of `filtersOf`. */
export function filtersText(filters: unknown): string {
  if (!isBody(filters)) return '';
  const listOf = (value: unknown): string =>
    [value]
      .flat()
      .map((one) => one ?? '')
      .join(',');
  return Object.entries(filters)
    .map(([name, value]) => (isBody(value) ? `${name}!=${listOf(value.not)}` : `${name}=${listOf(value)}`))
    .join('; ');
}
