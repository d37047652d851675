import { MillraceError } from '../../../engine/index.ts';

/** Of a stream's name, in bytes: the server's own limit, and that of a file's name. */
const MAX_NAME_BYTES = 255;

/** Throws `bad_stream_name` for a name that NATS does not take. */
export function requireStreamName(name: string): void {
  const why =
    name === ''
      ? 'it is empty'
      : /[\s.*>/\\]/.test(name)
        ? 'it has white space, a dot, a wildcard or a slash in it'
        : Buffer.byteLength(name) > MAX_NAME_BYTES
          ? `it is longer than ${MAX_NAME_BYTES} bytes`
          : undefined;
  if (why === undefined) return;
  throw new MillraceError(
    'bad_stream_name',
    `"${name}" is no name of a stream: ${why}. Use letters, digits, "-" and "_"; a subject such as "orders.>" belongs into subjects.`,
  );
}

/** Throws `bad_subject` for what is no subject, with or without wildcards; `what` says whose it is. */
export function requirePatterns(what: string, subjects: readonly string[]): void {
  const wrong = subjects.find((subject) => !isPattern(subject));
  if (wrong === undefined) return;
  throw new MillraceError(
    'bad_subject',
    `"${wrong}" is no subject of ${what}: tokens between dots, no white space; "*" stands for a whole token, ">" for all that follow, at the end.`,
  );
}

function isPattern(subject: string): boolean {
  const tokens = subject.split('.');
  return tokens.every(
    (token, at) => /^[^\s*>]+$/.test(token) || token === '*' || (token === '>' && at === tokens.length - 1),
  );
}

/** Whether subject pattern `outer` matches everything that `inner` matches. */
export function covers(outer: string, inner: string): boolean {
  const wide = outer.split('.');
  const narrow = inner.split('.');
  for (const [index, token] of wide.entries()) {
    const other = narrow[index];
    if (token === '>') return other !== undefined;
    if (other === undefined || other === '>') return false;
    if (token !== '*' && token !== other) return false;
  }
  return wide.length === narrow.length;
}

/** Whether some subject matches both patterns. */
export function overlap(a: string, b: string): boolean {
  const left = a.split('.');
  const right = b.split('.');
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const [one, other] = [left[at], right[at]];
    if (one === '>' || other === '>') return one !== undefined && other !== undefined;
    if (one === undefined || other === undefined) return false;
    if (one !== '*' && other !== '*' && one !== other) return false;
  }
  return true;
}
