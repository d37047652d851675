import { hash } from 'node:crypto';

/** Members of one shape, and how deep they are looked for. */
const MAX_PATHS = 200;
const MAX_DEPTH = 8;

/**
 * The shape of a payload: every path with the type of what lies there, such as `items[].sku: text`, sorted. Elements of
 * a list share one path. `no JSON` for what is none.
 */
export function shapeOf(value: unknown): readonly string[] {
  if (value === undefined) return ['no JSON'];
  const found = new Set<string>();
  visit(value, '', 0, found);
  return [...found].sort();
}

function visit(value: unknown, path: string, depth: number, found: Set<string>): void {
  if (found.size >= MAX_PATHS) return;
  if (typeof value !== 'object' || value === null || depth >= MAX_DEPTH) {
    found.add(`${path === '' ? '.' : path}: ${typeName(value)}`);
    return;
  }
  if (Array.isArray(value)) {
    if (value.length === 0) found.add(`${path}[]: empty`);
    for (const element of value) visit(element, `${path}[]`, depth + 1, found);
    return;
  }
  const members = Object.entries(value);
  if (members.length === 0) found.add(`${path === '' ? '.' : path}: object`);
  for (const [name, member] of members)
    visit(member, path === '' ? name : `${path}.${name}`, depth + 1, found);
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return 'text';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'decimal';
  return typeof value === 'bigint' ? 'integer' : typeof value;
}

/** A name of letters of one reason and shape, the same whenever it is asked for. */
export function groupId(reason: string, shape: readonly string[]): string {
  return `dlg_${hash('sha256', [reason, ...shape].join('\n'), 'hex').slice(0, 20)}`;
}
