import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { ApiError } from './problem.ts';

const unpack = promisify(gunzip);

/** The memory that request bodies may take together. */
export class BodyBudget {
  readonly #limit_bytes: number;
  #held_bytes = 0;

  constructor(limit_bytes: number) {
    this.#limit_bytes = limit_bytes;
  }

  get held_bytes(): number {
    return this.#held_bytes;
  }

  /** Takes room for a body, or throws 429 `too_busy`. The returned function gives it back. */
  take(bytes: number): () => void {
    if (this.#held_bytes > 0 && this.#held_bytes + bytes > this.#limit_bytes) {
      throw new ApiError(
        'too_busy',
        'The server holds as many request bodies as it may. Try again shortly.',
        {
          retryAfter_s: 1,
        },
      );
    }
    this.#held_bytes += bytes;
    let held = true;
    return () => {
      if (held) this.#held_bytes -= bytes;
      held = false;
    };
  }
}

/** What one request holds of the budget, from when its body is read until it is answered. */
export class BodyLease {
  readonly #budget: BodyBudget;
  #release: () => void = () => {};

  constructor(budget: BodyBudget) {
    this.#budget = budget;
  }

  /** Holds `bytes` instead of what it held before; 429 `too_busy` when there is no room. */
  hold(bytes: number): void {
    this.#release();
    this.#release = this.#budget.take(bytes);
  }

  release(): void {
    this.#release();
  }
}

/** The media type of a `Content-Type` header, lower case, without parameters; '' without one. */
export function mediaTypeOf(request: Request): string {
  return (request.headers.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/** Refuses a body of another type with 415. A body without a type is taken as the first of `types`. */
export function requireMediaType<const T extends string>(request: Request, types: readonly [T, ...T[]]): T {
  const found = mediaTypeOf(request);
  if (found === '') return types[0];
  const match = types.find((type) => type === found);
  if (match !== undefined) return match;
  throw new ApiError('unsupported_media_type', `Send the body as ${types.join(', ')}.`, {
    headers: { 'Accept-Post': types.join(', ') },
  });
}

/** How the body is packed: as it is, or gzip; anything else is a 415. */
export function encodingOf(request: Request): 'identity' | 'gzip' {
  const encoding = (request.headers.get('content-encoding') ?? 'identity').trim().toLowerCase();
  if (encoding === 'identity' || encoding === '') return 'identity';
  if (encoding === 'gzip' || encoding === 'x-gzip') return 'gzip';
  throw new ApiError('unsupported_encoding', 'Send the body as it is, or with Content-Encoding: gzip.', {
    headers: { 'Accept-Encoding': 'gzip, identity' },
  });
}

/** The declared length; undefined for a chunked body. */
export function lengthOf(request: Request): number | undefined {
  const header = request.headers.get('content-length');
  if (header === null) return undefined;
  const length = Number(header);
  return Number.isSafeInteger(length) && length >= 0 ? length : undefined;
}

export function tooLarge(limit_bytes: number): ApiError {
  return new ApiError(
    'body_too_large',
    `The body may have ${limit_bytes} bytes, unpacked. Send less at once.`,
  );
}

/** Reads a whole body, unpacked, of at most `limit_bytes`; more is a 413. */
export async function readBody(request: Request, limit_bytes: number): Promise<Uint8Array> {
  const encoding = encodingOf(request);
  const length = lengthOf(request);
  if (length !== undefined && length > limit_bytes) throw tooLarge(limit_bytes);
  const raw = await readRaw(request, length, limit_bytes);
  if (encoding === 'identity') return raw;
  try {
    return await unpack(raw, { maxOutputLength: limit_bytes });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limit_bytes);
    throw new ApiError('malformed_body', 'The body does not unpack as gzip. Send it whole, or unpacked.', {
      cause: error,
    });
  }
}

async function readRaw(
  request: Request,
  length: number | undefined,
  limit_bytes: number,
): Promise<Uint8Array> {
  try {
    // A declared length is enforced by the HTTP parser, so the body can be taken in one go.
    if (length !== undefined) {
      const whole = new Uint8Array(await request.arrayBuffer());
      if (whole.length > limit_bytes) throw tooLarge(limit_bytes);
      return whole;
    }
    const chunks: Uint8Array[] = [];
    let size_bytes = 0;
    for await (const chunk of bodyChunks(request)) {
      size_bytes += chunk.length;
      if (size_bytes > limit_bytes) throw tooLarge(limit_bytes);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    throw error instanceof ApiError ? error : unreadable(error);
  }
}

/** A broken upload is the client's: the connection ended before the body did. */
export function unreadable(cause: unknown): ApiError {
  return new ApiError('malformed_body', 'The body ended early. Send the request again.', { cause });
}

/** The chunks of a body as they arrive, unread bytes are left when the caller stops. */
export async function* bodyChunks(request: Pick<Request, 'body'>): AsyncGenerator<Uint8Array> {
  if (request.body === null) return;
  const reader = request.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    // Without this a refused upload keeps the socket reading.
    await reader.cancel().catch(() => undefined);
  }
}
