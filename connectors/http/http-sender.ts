import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { MillraceError } from '../../engine/index.ts';
import { isPublicAddress } from './address.ts';
import { type Resolve, systemResolve } from './resolver.ts';

/** How long one request may take, from the name to the answer's status, ms. */
export const ANSWER_TIMEOUT_MS = 15_000;
/** What is read of an answer, bytes; the rest is not waited for. */
const ANSWER_MAX_BYTES = 65_536;
/** What is kept of it. */
const KEPT_BYTES = 1_024;
const HEADERS_MAX_BYTES = 16_384;
/** How long the check of a new target waits for its name server, ms. */
const CHECK_TIMEOUT_MS = 3_000;
const USER_AGENT = 'Millrace/1.0';

export interface HttpPost {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
  /** The installation's own choice and not a tenant's: it may be anywhere. */
  readonly isTrusted?: boolean;
  readonly signal?: AbortSignal;
}

export interface HttpGet {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** A longer answer is `answer_too_large`. */
  readonly max_bytes: number;
  readonly signal?: AbortSignal;
}

export interface HttpDocument {
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array;
}

export interface HttpReply {
  readonly status: number;
  /** Of the answer, the first 1,024 bytes. */
  readonly text: string;
}

export interface HttpSenderOptions {
  /** Private targets may be reached by everybody. */
  readonly allowPrivate: boolean;
  readonly timeout_ms?: number;
  readonly resolve?: Resolve;
}

/** What went wrong with a request before there was an answer. */
export class TargetError extends MillraceError {
  constructor(
    code:
      | 'target_forbidden'
      | 'target_invalid'
      | 'target_unresolved'
      | 'target_unreachable'
      | 'target_timeout'
      | 'answer_too_large',
    message: string,
    cause?: unknown,
  ) {
    super(code, message, { cause, retriable: code !== 'target_forbidden' && code !== 'target_invalid' });
    this.name = 'TargetError';
  }
}

/**
 * Posts to targets that tenants name. The address that is connected to is the one that was checked: a name is
 * resolved once for a request, all its addresses are checked, and the connection goes to one of them. Redirects are
 * an answer like any other, and not followed. Throws TargetError.
 */
export class HttpSender {
  readonly #allowPrivate: boolean;
  readonly #timeout_ms: number;
  readonly #resolve: Resolve;

  constructor({ allowPrivate, timeout_ms = ANSWER_TIMEOUT_MS, resolve }: HttpSenderOptions) {
    this.#allowPrivate = allowPrivate;
    this.#timeout_ms = timeout_ms;
    this.#resolve = resolve ?? systemResolve({ hosts: allowPrivate });
  }

  async post({ url, headers, body, isTrusted = false, signal }: HttpPost): Promise<HttpReply> {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    return this.#exchanged(url, isTrusted, signal, async (target, addresses, ending) => {
      const asked: Asked = { method: 'POST', target, addresses, headers, body: bytes, signal: ending };
      return exchange(asked, async (answer) => ({
        status: answer.statusCode ?? 0,
        text: await beginningOf(answer, ending),
      }));
    });
  }

  /** Reads a document, with the same checks. Throws TargetError. */
  async get({ url, headers, max_bytes, signal }: HttpGet): Promise<HttpDocument> {
    return this.#exchanged(url, false, signal, async (target, addresses, ending) => {
      const asked: Asked = { method: 'GET', target, addresses, headers, body: undefined, signal: ending };
      return exchange(asked, async (answer) => ({
        status: answer.statusCode ?? 0,
        contentType: answer.headers['content-type'] ?? '',
        body: await wholeOf(answer, max_bytes),
      }));
    });
  }

  /** One exchange with a target, within the time that it may take. */
  async #exchanged<T>(
    url: string,
    isTrusted: boolean,
    signal: AbortSignal | undefined,
    work: (target: URL, addresses: readonly string[], ending: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const target = targetOf(url);
    const late = AbortSignal.timeout(this.#timeout_ms);
    const ending = signal === undefined ? late : AbortSignal.any([late, signal]);
    try {
      const addresses = await this.#addressesOf(target, isTrusted || this.#allowPrivate, ending);
      return await work(target, addresses, ending);
    } catch (error) {
      signal?.throwIfAborted();
      if (late.aborted) {
        throw new TargetError('target_timeout', `No answer within ${this.#timeout_ms} ms.`, error);
      }
      throw error;
    }
  }

  /**
   * Throws `target_forbidden` where a request would be refused now, and `target_invalid` for what is no URL. A name
   * that cannot be resolved at the moment passes.
   */
  async check(url: string): Promise<void> {
    const target = targetOf(url);
    if (this.#allowPrivate) return;
    try {
      await this.#addressesOf(target, false, AbortSignal.timeout(CHECK_TIMEOUT_MS));
    } catch (error) {
      if (error instanceof TargetError && error.code === 'target_forbidden') throw error;
    }
  }

  async #addressesOf(target: URL, mayBePrivate: boolean, signal: AbortSignal): Promise<readonly string[]> {
    const host = target.hostname.replace(/^\[|\]$/g, '');
    const addresses = isIP(host) === 0 ? await this.#resolved(host, signal) : [host];
    if (mayBePrivate) return addresses;
    // One of them is enough to refuse: which one a connection takes is a matter of chance.
    if (addresses.every(isPublicAddress)) return addresses;
    throw new TargetError(
      'target_forbidden',
      `${target.hostname} is not an address of the public internet. Name another one, or set WEBHOOK_ALLOW_PRIVATE=1.`,
    );
  }

  async #resolved(host: string, signal: AbortSignal): Promise<readonly string[]> {
    let addresses: readonly string[];
    try {
      addresses = await this.#resolve(host, signal);
    } catch (error) {
      throw new TargetError('target_unresolved', `The name ${host} cannot be resolved now.`, error);
    }
    if (addresses.length > 0) return addresses;
    throw new TargetError('target_unresolved', `The name ${host} has no address.`);
  }
}

/** Throws `target_invalid` for what is no URL of http or https, or has credentials in it. */
function targetOf(url: string): URL {
  const target = URL.canParse(url) ? new URL(url) : undefined;
  const isWeb = target?.protocol === 'http:' || target?.protocol === 'https:';
  if (target !== undefined && isWeb && target.username === '' && target.password === '') return target;
  throw new TargetError('target_invalid', 'A target is a URL of http or https, without a user in it.');
}

interface Asked {
  readonly method: 'GET' | 'POST';
  readonly target: URL;
  readonly addresses: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
  readonly signal: AbortSignal;
}

/** Sends the request over a connection of its own to one of the addresses, and takes the answer. */
async function exchange<T>(asked: Asked, take: (answer: IncomingMessage) => Promise<T>): Promise<T> {
  const { method, target, addresses, headers, body, signal } = asked;
  signal.throwIfAborted();
  const send = target.protocol === 'https:' ? httpsRequest : httpRequest;
  const length = body === undefined ? {} : { 'Content-Length': body.length };
  const request = send(target, {
    method,
    // A connection that was made for another request may be to another address.
    agent: false,
    lookup: pinned(addresses),
    maxHeaderSize: HEADERS_MAX_BYTES,
    headers: { 'User-Agent': USER_AGENT, ...headers, ...length, Connection: 'close' },
    signal,
  });
  try {
    return await take(await answered(request, body));
  } catch (error) {
    if (error instanceof TargetError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new TargetError('target_unreachable', `${target.host} cannot be reached: ${why}.`, error);
  } finally {
    request.destroy();
  }
}

/** A look-up that knows the addresses already. */
function pinned(addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_hostname, { all: wantsAll }, callback) => {
    if (wantsAll === true) callback(null, all);
    else callback(null, all[0]?.address ?? '', all[0]?.family);
  };
}

function answered(request: ClientRequest, bytes: Uint8Array | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve);
    // What goes wrong behind the answer's status is nobody's error.
    request.on('error', reject);
    request.end(bytes);
  });
}

/** The beginning of an answer's body, as text. The status is there already: what goes wrong here is ignored. */
async function beginningOf(answer: IncomingMessage, signal: AbortSignal): Promise<string> {
  const kept: Buffer[] = [];
  let size_bytes = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      if (size_bytes < KEPT_BYTES) kept.push(chunk);
      size_bytes += chunk.length;
      if (size_bytes >= ANSWER_MAX_BYTES || signal.aborted) break;
    }
  } catch {
    // The status is what counts.
  }
  return Buffer.concat(kept).subarray(0, KEPT_BYTES).toString('utf8');
}

/** An answer's whole body. Throws `answer_too_large`. */
async function wholeOf(answer: IncomingMessage, max_bytes: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size_bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size_bytes += chunk.length;
    if (size_bytes > max_bytes)
      throw new TargetError('answer_too_large', `The answer has more than ${max_bytes} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
