import { MASK, type PiiMask } from './pii-mask.ts';

/** Members whose own members are dimensions with values: of a group, a cause, a filter. */
const HOLDERS: ReadonlySet<string> = new Set(['group', 'where', 'filters', 'key']);
/** A shorter value is masked where it stands alone only: within a text it may be part of any word. */
const MIN_TEXT_CHARS = 3;

/**
 * An answer about groups of values, without those of masked dimensions: neither where they stand nor in the sentences
 * that name them. Members of objects named `group`, `where`, `filters` and `key` are dimensions.
 */
export function maskGroups(mask: PiiMask, answer: unknown): unknown {
  if (mask.isEmpty) return answer;
  const secrets = new Set<string>();
  collect(answer, false, mask, secrets);
  return secrets.size === 0 ? answer : without(answer, secrets);
}

function collect(value: unknown, isHeld: boolean, mask: PiiMask, secrets: Set<string>): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, inner] of Object.entries(value)) {
    if (isHeld && mask.hidesDimension(name)) texts(inner, secrets);
    collect(inner, HOLDERS.has(name), mask, secrets);
  }
}

function texts(value: unknown, secrets: Set<string>): void {
  if (typeof value === 'string' && value !== '') secrets.add(value);
  else if (typeof value === 'object' && value !== null)
    for (const inner of Object.values(value)) texts(inner, secrets);
}

function without(value: unknown, secrets: ReadonlySet<string>): unknown {
  if (typeof value === 'string') return masked(value, secrets);
  if (Array.isArray(value)) return value.map((one) => without(one, secrets));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [masked(name, secrets), without(inner, secrets)]),
  );
}

function masked(text: string, secrets: ReadonlySet<string>): string {
  if (secrets.has(text)) return MASK;
  let left = text;
  for (const secret of secrets) if (secret.length >= MIN_TEXT_CHARS) left = left.replaceAll(secret, MASK);
  return left;
}
