/** A request of an endpoint, as plain data: it becomes a curl command, or is sent. */
export interface ShopRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly json?: unknown;
  /** Instead of `json`: a body as it is. */
  readonly body?: { readonly type: string; readonly text: string };
  /** Instead of `json`: a form with the text of one file. */
  readonly form?: {
    readonly name: string;
    readonly text: string;
    readonly fields: Readonly<Record<string, string>>;
  };
}

/** What requests name, and what they ask about. */
export interface Subjects {
  readonly now_ms: number;
  /** The next whole minute, RFC 3339. */
  readonly until: string;
  /** The first whole UTC day of the shop and the last, as dates. */
  readonly first: string;
  readonly today: string;
  /** In the middle of both. */
  readonly middle: string;
  /** Ids of the newest orders. */
  readonly orders: readonly string[];
  /** Of things that are defined by the example. */
  readonly ids: Readonly<Record<Subject, string>>;
}

export type Subject =
  | 'event'
  | 'connector'
  | 'funnel'
  | 'cohort'
  | 'rule'
  | 'query'
  | 'dashboard'
  | 'report'
  | 'webhook'
  | 'model'
  | 'export'
  | 'voucherExport'
  | 'import'
  | 'orderRule'
  | 'spareRule'
  | 'spareDashboard'
  | 'spareReport'
  | 'spareWebhook';

/** A name that nothing has yet: what is defined by a printed command is named after the time. */
export const newName = (what: string, { now_ms }: Subjects): string =>
  `${what} ${new Date(now_ms).toISOString().slice(0, 19)}`;

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** As a command for a shell in which BASE and KEY are set. */
export function curlOf({ method, path, json, body, form }: ShopRequest): string {
  const text = json === undefined ? body?.text : JSON.stringify(json);
  const type = body?.type ?? (method === 'PATCH' ? 'application/merge-patch+json' : 'application/json');
  // curl takes the method from the rest.
  const isPlain = method === (text === undefined && form === undefined ? 'GET' : 'POST');
  return [
    // As `printf` takes it: one line.
    ...(form === undefined ? [] : [`printf ${quoted(form.text.replaceAll('\n', '\\n'))} |`]),
    `curl -s${isPlain ? '' : ` -X ${method}`} "$BASE${path}" -H "Authorization: Bearer $KEY"`,
    ...(text === undefined ? [] : [`-H 'Content-Type: ${type}'`, `--data-binary ${quoted(text)}`]),
    ...(form === undefined ? [] : [`-F 'file=@-;filename=${form.name};type=text/csv'`]),
    ...Object.entries(form?.fields ?? {}).map(([name, value]) => `-F ${quoted(`${name}=${value}`)}`),
  ].join(' ');
}
