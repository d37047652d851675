import { ApiProblem, problemOf } from './problem.ts';
import { keepSession, type Session, session } from './session.ts';

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

/** What is asked of the API. */
export interface ApiRequest {
  readonly method?: Method;
  /** Below `/v1/order-analytics`, e.g. `/kpis/query`. */
  readonly path: string;
  /** Query parameters; undefined members are left out. */
  readonly params?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** A JSON body; makes the method POST where none is given. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What this server has to show: the order analytics, or a topology of one's own, which is only read. */
export const isOfTopology =
  typeof document !== 'undefined' && document.documentElement.dataset.shown === 'topology';
export const BASE = isOfTopology ? '' : '/v1/order-analytics';
/** Requests under way at once; the others wait in order. */
const REQUESTS_MAX = 6;

let running = 0;
const waiting: (() => void)[] = [];

/** The path with its parameters, from the root of the host. */
export function urlOf({ path, params = {} }: ApiRequest): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== '') search.set(name, String(value));
  }
  const text = search.toString();
  return `${BASE}${path}${text === '' ? '' : `?${text}`}`;
}

export const methodOf = ({ method, body }: ApiRequest): Method =>
  method ?? (body === undefined ? 'GET' : 'POST');

function headersOf({ body, headers }: ApiRequest, { key, tenant, isForAll }: Session): Headers {
  const all = new Headers({ Authorization: `Bearer ${key}`, Accept: 'application/json', ...headers });
  if (isForAll) all.set('X-Tenant-ID', tenant);
  if (body !== undefined && !all.has('Content-Type')) all.set('Content-Type', 'application/json');
  return all;
}

async function place(signal: AbortSignal | undefined): Promise<void> {
  if (running >= REQUESTS_MAX) await new Promise<void>((resolve) => waiting.push(resolve));
  running++;
  if (signal?.aborted === true) {
    free();
    signal.throwIfAborted();
  }
}

function free(): void {
  running--;
  waiting.shift()?.();
}

/**
 * Asks the API and returns the raw answer of 2xx. Throws ApiProblem: what the API says, or `unreachable`. A 401 ends
 * the session. With `as`, another key than that of the session is tried.
 */
export async function send(request: ApiRequest, signal?: AbortSignal, as?: Session): Promise<Response> {
  const who = as ?? session.value;
  if (who === null) throw new ApiProblem('unauthorized', 401, 'Sign in first.');
  const body = request.body;
  const response = await fetch(urlOf(request), {
    method: methodOf(request),
    headers: headersOf(request, who),
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
    cache: 'no-store',
  }).catch((error: unknown) => {
    if (signal?.aborted === true) throw error;
    throw new ApiProblem('unreachable', 0, 'The service does not answer. What you see may be old.');
  });
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (response.status === 401 && as === undefined) keepSession(null);
  throw problem;
}

/** Asks the API for JSON, at most `REQUESTS_MAX` at once. */
export async function ask<T>(request: ApiRequest, signal?: AbortSignal): Promise<T> {
  await place(signal);
  try {
    const response = await send(request, signal);
    return response.status === 204 ? (undefined as T) : ((await response.json()) as T);
  } finally {
    free();
  }
}

/** Signs in to a topology: with its token, or without one where it asks for none. Throws ApiProblem. */
export async function signInToTopology(key: string): Promise<Session> {
  const made = { key, name: '', role: 'reads', tenant: '', isForAll: false, permissions: [] };
  const response = await send({ path: '/topology' }, undefined, made);
  const { name } = (await response.json()) as { readonly name: string };
  const known = { ...made, name };
  keepSession(known);
  return known;
}

/** Signs in with a key or token, for a tenant where the key is for all. Throws ApiProblem. */
export async function signIn(key: string, tenant?: string): Promise<Session> {
  const asking = tenant === undefined ? {} : { tenant, isForAll: true };
  const none = { key, name: '', role: '', tenant: '', isForAll: false, permissions: [], ...asking };
  const response = await send({ path: '/permissions/me' }, undefined, none);
  const me = (await response.json()) as {
    readonly name: string;
    readonly role: string;
    readonly tenant: string;
    readonly tenants?: unknown;
    readonly permissions: readonly string[];
  };
  const { name, role, permissions } = me;
  const made = { key, name, role, permissions, isForAll: me.tenants === '*', tenant: tenant ?? me.tenant };
  keepSession(made);
  return made;
}

/** A request as a line for a shell, with this instance's address. */
export function asCurl(request: ApiRequest): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
  const method = methodOf(request);
  const lines = [`curl -s ${quoted(location.origin + urlOf(request))} -H "Authorization: Bearer $KEY"`];
  if (session.value?.isForAll === true) lines.push(`-H ${quoted(`X-Tenant-ID: ${session.value.tenant}`)}`);
  if (method !== 'GET' && (method !== 'POST' || request.body === undefined)) lines.push(`-X ${method}`);
  if (request.body !== undefined) {
    lines.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(request.body))}`);
  }
  return lines.join(' \\\n  ');
}
