/** One member of a request that is wrong, as the API names it. */
export interface FieldProblem {
  readonly path: string;
  readonly message: string;
}

/** How the API says that it cannot answer (RFC 9457), or why it could not be asked at all (`unreachable`). */
export class ApiProblem extends Error {
  readonly code: string;
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  readonly errors: readonly FieldProblem[];

  constructor(code: string, status: number, detail: string, errors: readonly FieldProblem[] = []) {
    super(detail);
    this.name = 'ApiProblem';
    this.code = code;
    this.status = status;
    this.errors = errors;
  }
}

interface ProblemBody {
  readonly code?: unknown;
  readonly detail?: unknown;
  readonly title?: unknown;
  readonly errors?: unknown;
}

const isField = (value: unknown): value is FieldProblem =>
  typeof value === 'object' && value !== null && 'path' in value && 'message' in value;

/** The problem that an answer of 400 or more is. */
export async function problemOf(response: Response): Promise<ApiProblem> {
  const text = await response.text().catch(() => '');
  let body: ProblemBody = {};
  try {
    body = JSON.parse(text) as ProblemBody;
  } catch {
    // A proxy in between answers in its own form.
  }
  const detail = [body.detail, body.title].find((one) => typeof one === 'string');
  const code = typeof body.code === 'string' ? body.code : `http_${response.status}`;
  const errors = Array.isArray(body.errors) ? body.errors.filter(isField) : [];
  return new ApiProblem(code, response.status, detail ?? `The service answered ${response.status}.`, errors);
}
