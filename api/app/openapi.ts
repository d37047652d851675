import { OpenAPIHono } from '@hono/zod-openapi';
import { z } from 'zod';
import {
  auditedAs,
  type DocumentedAnswer,
  type Examples,
  JSON_MAX_BYTES,
  PROBLEM_TYPE,
  PROBLEMS,
  type Problem,
  type ProblemCode,
  type Route,
} from '../http/index.ts';
import examples from './answer-examples.json' with { type: 'json' };
import { BASES } from './app.ts';

const DESCRIPTION = `Counts and sums of an order business, answered from a stream of its events.

**Events** come by \`POST /ingest\` or straight into the NATS stream; each counts once by its \`event_id\`.
**Answers** say how fresh and how complete they are (\`meta\`). **Money** is an integer in minor units of its
currency, never added across currencies. **Ranges** are half-open, \`[start, end)\`.

Every path exists twice: under \`/v1/order-analytics\` (the tenant is that of the key or token, or \`X-Tenant-ID\` for a
key that may name it) and under \`/v1/{tenantId}/order-analytics\`. Errors are \`application/problem+json\`
(RFC 9457) with a stable \`code\`.`;

const JWT_DESCRIPTION = `A JWT of the issuer that this installation is configured for, if it is: signed with
HS256, or with RS256 or ES256 by a key of the issuer's JWKS. \`iss\`, \`aud\`, \`exp\` and \`sub\` are required, \`nbf\`
and \`iat\` are honoured. Claims name the role and the one tenant (by default \`role\` and \`tenant\`).`;

const TAGS = [
  { name: 'Ingestion', description: 'Events in' },
  { name: 'Events', description: 'Events as they were sent, one by one' },
  { name: 'Dead letters', description: 'What could not be processed, mended and sent again' },
  { name: 'KPIs', description: 'Time series and summaries' },
  { name: 'Orders', description: 'Orders and what became of them; their API under `/api/v1`' },
  { name: 'Dashboards', description: 'Saved queries, widgets, dashboards and links to them' },
  { name: 'Exports', description: 'Events and answers as files' },
  { name: 'Sinks', description: 'Changes of answers, and anomalies, to other systems' },
  { name: 'Models', description: 'Forecasts with intervals' },
  { name: 'Definitions', description: 'What you define while the service runs' },
  { name: 'Jobs', description: 'Asynchronous work' },
  { name: 'Access', description: 'Keys, roles and permissions' },
  { name: 'Operation', description: 'Health, metrics and diagnostics' },
  {
    name: 'Business',
    description: 'Revenue, sales, customers, stock, staff, support and marketing, under `/api/analytics`',
  },
  {
    name: 'Vouchers',
    description: 'What vouchers brought, for callers of the voucher API, under `/analytics`',
  },
  {
    name: 'E-commerce',
    description: 'The same numbers for callers of the e-commerce API, under `/analytics`',
  },
];

const problemSchema = z.object({
  type: z.string().describe('urn:millrace:problem:<code>'),
  title: z.string(),
  status: z.int(),
  detail: z.string().describe('What is wrong and what to do'),
  code: z.string().describe('Stable'),
  instance: z.string().describe('urn:request:<X-Request-Id>'),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});

const COMMON: readonly ProblemCode[] = ['validation_failed', 'internal'];
const WITH_KEY: readonly ProblemCode[] = [
  'unauthorized',
  'key_revoked',
  'key_expired',
  'token_invalid',
  'token_expired',
  'tenant_forbidden',
  'tenant_mismatch',
  'rate_limited',
  'jwks_unavailable',
];

const WITH_BODY: readonly ProblemCode[] = [
  'malformed_json',
  'malformed_body',
  'json_too_deep',
  'unsupported_media_type',
  'unsupported_encoding',
  'body_too_large',
  'body_too_slow',
  'too_busy',
];
const WITH_CURSOR: readonly ProblemCode[] = ['invalid_cursor', 'cursor_mismatch'];
const WITH_IDEMPOTENCY: readonly ProblemCode[] = [
  'idempotency_in_flight',
  'idempotency_key_reused',
  'kv_unavailable',
];

/**
 * Answers of the API to the examples of its operations, of those that show none of their own; made by
 * `UPDATE_EXAMPLES=1 npx vitest run api/examples.test.ts`. Lists show their first entries.
 */
const ANSWER_EXAMPLES: Readonly<Record<string, { status: number; type: string; example: unknown }>> =
  examples;

type Registry = OpenAPIHono['openAPIRegistry'];
type PathConfig = Parameters<Registry['registerPath']>[0];
type Content = NonNullable<NonNullable<PathConfig['request']>['body']>['content'];

/** The OpenAPI 3.1 document of all routes, under both bases. */
export function openApiDocument(routes: readonly Route[], version: string): object {
  const app = new OpenAPIHono();
  const registry = app.openAPIRegistry;
  registry.registerComponent('securitySchemes', 'apiKey', {
    type: 'http',
    scheme: 'bearer',
    description: 'An API key: mr_<id>_<secret>',
  });
  registry.registerComponent('securitySchemes', 'jwt', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: JWT_DESCRIPTION,
  });
  const problem = registry.register('Problem', problemSchema);
  for (const [index, base] of BASES.entries()) {
    for (const route of routes) {
      if (route.face === undefined) registry.registerPath(pathOf(route, base, index, problem));
    }
  }
  for (const route of routes) {
    if (route.face !== undefined) registry.registerPath(pathOf(route, route.face.base, 0, route.face.error));
  }
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Millrace order analytics',
      version,
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url: '/' }],
    tags: TAGS,
  });
  return JSON.parse(JSON.stringify(document), withoutFlags) as object;
}

/** The generator writes a regular expression's flags into its pattern; JSON Schema's have none. */
function withoutFlags(name: string, value: unknown): unknown {
  return name === 'pattern' && typeof value === 'string' ? value.replace(/\$\/[dgimsuvy]+$/, '$$') : value;
}

function pathOf(route: Route, base: string, index: number, problem: z.ZodType): PathConfig {
  const inPath = index > 0;
  const open = route.permission === 'none';
  const params = paramsOf(route, inPath);
  const headers = headersOf(route, inPath);
  const body = bodyOf(route);
  const request: NonNullable<PathConfig['request']> = {
    ...(params === undefined ? {} : { params }),
    ...(route.query === undefined ? {} : { query: route.query }),
    ...(headers === undefined ? {} : { headers }),
    ...(body === undefined ? {} : { body }),
  };
  return {
    method: route.method.toLowerCase() as PathConfig['method'],
    path: base + route.path,
    operationId: inPath ? `${route.id}OfTenant` : route.id,
    tags: [route.tag],
    summary: route.summary,
    description: `${route.description ?? route.summary}${permissionNote(route)}`,
    // Either of them.
    security: open ? [] : [{ apiKey: [] }, { jwt: [] }],
    request,
    responses: { ...answersOf(route), ...problemsOf(route, problem) },
  };
}

function permissionNote({ permission, reach }: Route): string {
  if (permission === 'none' || permission === 'any') return '';
  const whose = reach === 'installation' ? ', and a key of all tenants' : '';
  return `\n\nNeeds the permission \`${permission}\`${whose}.`;
}

function paramsOf(route: Route, inPath: boolean): z.ZodObject | undefined {
  const own = route.params instanceof z.ZodObject ? route.params : z.object({});
  const tenant = { tenantId: z.string().describe('The tenant') };
  const all = inPath ? own.extend(tenant) : own;
  return Object.keys(all.shape).length === 0 ? undefined : all;
}

function headersOf(route: Route, inPath: boolean): z.ZodObject | undefined {
  const tenant = z.string().optional().describe('The tenant, for a key that may name it');
  const key = z
    .string()
    .max(255)
    .optional()
    .describe('A repeat with the same key gives the first answer again');
  const revision = z
    .string()
    .max(64)
    .optional()
    .describe('`"<revision>"`: refused with 409 when it is another one by now');
  const shape = {
    ...(route.permission === 'none' || inPath ? {} : { 'X-Tenant-ID': tenant }),
    ...(route.idempotent === true ? { 'Idempotency-Key': key } : {}),
    ...(route.conditional === true ? { 'If-Match': revision } : {}),
  };
  return Object.keys(shape).length === 0 ? undefined : z.object(shape);
}

function bodyOf(route: Route): NonNullable<PathConfig['request']>['body'] | undefined {
  if (route.raw_body !== undefined) {
    const { description, content } = route.raw_body;
    return { description, required: true, content: contentOf(content) };
  }
  if (route.body === undefined) return undefined;
  const examples = route.body_examples;
  const media = {
    schema: route.documented_body ?? route.body,
    ...(examples === undefined ? {} : { examples }),
  };
  return {
    description: `At most ${route.body_max_bytes ?? JSON_MAX_BYTES} bytes`,
    required: true,
    content: contentOf(
      Object.fromEntries((route.body_types ?? ['application/json']).map((type) => [type, media])),
    ),
  };
}

function contentOf(
  media: Readonly<Record<string, { readonly schema: z.ZodType; readonly examples?: Examples }>>,
): Content {
  return Object.fromEntries(
    Object.entries(media).map(([type, { schema, examples }]) => [
      type,
      { schema, ...(examples === undefined ? {} : { examples: { ...examples } }) },
    ]),
  );
}

function answersOf(route: Route): PathConfig['responses'] {
  return Object.fromEntries(
    Object.entries(route.answers).map(([status, answer]) => [
      status,
      answerOf(answer, recordedOf(route, status)),
    ]),
  );
}

/** The answer that was recorded of a route which shows none itself, by its media type. */
function recordedOf({ id }: Route, status: string): Readonly<Record<string, unknown>> {
  const recorded = ANSWER_EXAMPLES[id];
  return recorded?.status === Number(status) ? { [recorded.type]: recorded.example } : {};
}

function answerOf(
  { description, schema, example: own, content, headers }: DocumentedAnswer,
  recorded: Readonly<Record<string, unknown>>,
): PathConfig['responses'][string] {
  const example = own ?? recorded['application/json'];
  const json = schema === undefined ? undefined : { schema, ...(example === undefined ? {} : { example }) };
  return {
    description,
    ...(headers === undefined
      ? {}
      : {
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, what]) => [
              name,
              { description: what, schema: { type: 'string' } },
            ]),
          ),
        }),
    ...(json === undefined ? {} : { content: { 'application/json': json } }),
    ...(content === undefined
      ? {}
      : {
          content: Object.fromEntries(
            Object.entries(content).map(([type, media]) => [
              type,
              { ...media, ...(type in recorded ? { example: recorded[type] } : {}) },
            ]),
          ),
        }),
  };
}

/** The codes that problems of a route may have: of what it takes, and its own. */
function codesOf(route: Route): ReadonlySet<ProblemCode> {
  const { permission, query, params, body, raw_body } = route;
  return new Set<ProblemCode>([
    ...COMMON,
    ...(permission === 'none' ? [] : WITH_KEY),
    ...(permission === 'any' || permission === 'none'
      ? []
      : (['role_forbidden', 'scope_forbidden'] as const)),
    ...(params === undefined ? [] : (['not_found'] as const)),
    ...(body === undefined && raw_body === undefined ? [] : WITH_BODY),
    ...(query !== undefined && 'cursor' in query.shape ? WITH_CURSOR : []),
    ...(route.idempotent === true ? WITH_IDEMPOTENCY : []),
    ...(auditedAs(route) === undefined ? [] : (['audit_unavailable'] as const)),
    ...(route.conditional === true ? (['revision_conflict'] as const) : []),
    ...route.problems,
  ]);
}

/** Problems by status; where several share one, each is an example. */
function problemsOf(route: Route, problem: z.ZodType): PathConfig['responses'] {
  const codes = codesOf(route);
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of codes) {
    const { status } = shownBy(route, code);
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus]
      .filter(([status]) => route.answers[status] === undefined)
      .map(([status, group]) => [
        status,
        {
          description: group.map((code) => `\`${code}\`: ${PROBLEMS[code][1]}`).join('; '),
          content: {
            [route.face?.media_type ?? PROBLEM_TYPE]: {
              schema: problem,
              examples: Object.fromEntries(group.map((code) => [code, { value: shownBy(route, code).json }])),
            },
          },
        },
      ]),
  );
}

/** A problem as the API of the route says it. */
function shownBy({ face }: Route, code: ProblemCode): { readonly status: number; readonly json: unknown } {
  const problem = exampleOf(code);
  return face?.errorOf(problem) ?? { status: problem.status, json: problem };
}

function exampleOf(code: ProblemCode): Problem {
  const [status, title] = PROBLEMS[code];
  return {
    type: `urn:millrace:problem:${code}`,
    title,
    status,
    detail: `${title}.`,
    code,
    instance: 'urn:request:0d9f6f4e-6f55-4b0e-8f0b-4f5f0f1c2a3b',
  };
}
