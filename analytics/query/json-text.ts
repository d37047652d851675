/**
 * JSON text in which a bigint is its digits: sums of money beyond 2^53 stay exact, which
 * `JSON.stringify` refuses. The result is otherwise that of `JSON.stringify(value)`.
 */
export function toJsonText(value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'null';
  } catch (error) {
    // The native writer is many times faster, so ours is only for answers that do hold a bigint.
    if (!(error instanceof TypeError) || !/bigint/i.test(error.message)) throw error;
    return write(value) ?? 'null';
  }
}

/** undefined for what JSON leaves out. */
function write(value: unknown): string | undefined {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if ('toJSON' in value && typeof value.toJSON === 'function') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => write(item) ?? 'null').join(',')}]`;
  const members: string[] = [];
  for (const [name, member] of Object.entries(value)) {
    const text = write(member);
    if (text !== undefined) members.push(`${JSON.stringify(name)}:${text}`);
  }
  return `{${members.join(',')}}`;
}
