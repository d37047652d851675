/**
 * An error of the system with a stable code. `message` says what happened and what the reader can do.
 * `retriable` marks a condition that passes by itself (a full disk, a server that is away): the
 * supervisor starts the task again; any other error stops it until somebody acts.
 */
export class MillraceError extends Error {
  readonly code: string;
  readonly retriable: boolean;
  /** Whose function threw it, where it is the user's. */
  readonly operator: string | undefined;

  constructor(
    code: string,
    message: string,
    options: { cause?: unknown; retriable?: boolean; operator?: string } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'MillraceError';
    this.code = code;
    this.retriable = options.retriable ?? false;
    this.operator = options.operator;
  }
}

/** Any thrown value as a MillraceError: an unknown one becomes `internal`, keeping its cause. */
export function asMillraceError(thrown: unknown): MillraceError {
  if (thrown instanceof MillraceError) return thrown;
  if (isOfAnotherCopy(thrown)) {
    const { code, message, retriable } = thrown;
    return new MillraceError(code, message, { cause: thrown, retriable });
  }
  if (isDiskFull(thrown)) return diskFull(thrown);
  return new MillraceError('internal', messageOf(thrown), { cause: thrown });
}

const MAX_ISSUES = 5;

/** What a thrown value says. The issues of a schema (zod's) are sentences, by the path of what they are about. */
export function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const issues: unknown = 'issues' in thrown ? thrown.issues : undefined;
  if (!Array.isArray(issues) || issues.length === 0 || !issues.every(isIssue)) return thrown.message;
  const said = issues.slice(0, MAX_ISSUES).map(({ path = [], message }) => {
    const at = path.map(String).join('.');
    return at === '' ? message : `${at}: ${message}`;
  });
  const more = issues.length > MAX_ISSUES ? [`and ${issues.length - MAX_ISSUES} more`] : [];
  return [...said, ...more].join('; ');
}

interface Issue {
  readonly path?: readonly PropertyKey[];
  readonly message: string;
}

function isIssue(value: unknown): value is Issue {
  if (typeof value !== 'object' || value === null) return false;
  const { path, message } = value as Partial<Issue>;
  return typeof message === 'string' && (path === undefined || Array.isArray(path));
}

/** A topology may come from another copy of the package, whose class is another one. */
function isOfAnotherCopy(thrown: unknown): thrown is MillraceError {
  if (!(thrown instanceof Error) || thrown.name !== 'MillraceError') return false;
  const { code, retriable } = thrown as Partial<MillraceError>;
  return typeof code === 'string' && typeof retriable === 'boolean';
}

/** The error of a commit for which there was no space. */
export function diskFull(cause: unknown): MillraceError {
  return new MillraceError(
    'disk_full',
    'The disk that holds the state is full: nothing was committed since the last position. Free space on it; processing goes on by itself.',
    { cause, retriable: true },
  );
}

/** ENOSPC and EDQUOT: LMDB gives the number, Node the name. */
const NO_SPACE_CODES: readonly unknown[] = [28, 122, 'ENOSPC', 'EDQUOT'];

function isDiskFull(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return false;
  const code = 'code' in thrown ? thrown.code : undefined;
  return NO_SPACE_CODES.includes(code) || /no space left on device|MDB_MAP_FULL/i.test(thrown.message);
}

/** Stops the task when an invariant is broken: a wrong number must never be served. Stays on in production. */
export function invariant(condition: boolean, what: string): asserts condition {
  if (!condition) throw new MillraceError('invariant_broken', `Invariant broken: ${what}`);
}
