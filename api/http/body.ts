import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { mediaTypeOf as typeOf } from '../../analytics/index.ts';
import type { BodyLease } from './body-budget.ts';
import { BodyWatch } from './body-pace.ts';
import { ApiError } from './problem.ts';

const unpack = promisify(gunzip);

/** The media type of a `Content-Type` header, lower case, without parameters; '' without one. */
export function mediaTypeOf(request: Request): string {
  return typeOf(request.headers.get('content-type') ?? undefined);
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

/** A body that is declared to be no larger is held by the HTTP parser anyway, as its headers are. */
const SMALL_MAX_BYTES = 16_384;
/** What a file that is packed by gzip has at its end: its size, modulo 2^32. */
const GZIP_SIZE_BYTES = 4;

/** Reads a whole body, unpacked, of at most `limit_bytes`; more is a 413. What came is held of the lease. */
export async function readBody(
  request: Request,
  limit_bytes: number,
  memory: BodyLease,
): Promise<Uint8Array> {
  const encoding = encodingOf(request);
  const length = lengthOf(request);
  if (length !== undefined && length > limit_bytes) throw tooLarge(limit_bytes);
  const raw = await received(request, length, limit_bytes, memory);
  memory.hold(raw.length);
  if (encoding === 'identity') return raw;
  try {
    return await unpacked(raw, limit_bytes, memory);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (error instanceof ApiError) throw error;
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limit_bytes);
    throw new ApiError('malformed_body', 'The body does not unpack as gzip. Send it whole, or unpacked.', {
      cause: error,
    });
  }
}

/** Holds as much as the packed bytes say that they are, and the most there may be where that is not so. */
async function unpacked(raw: Uint8Array, limit_bytes: number, memory: BodyLease): Promise<Uint8Array> {
  const said = raw.length < GZIP_SIZE_BYTES ? 0 : Buffer.from(raw).readUInt32LE(raw.length - GZIP_SIZE_BYTES);
  const most = Math.max(1, Math.min(said, limit_bytes));
  memory.hold(raw.length + most);
  let whole: Uint8Array;
  try {
    whole = await unpack(raw, { maxOutputLength: most });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'ERR_BUFFER_TOO_LARGE' || most === limit_bytes) throw error;
    memory.hold(raw.length + limit_bytes);
    whole = await unpack(raw, { maxOutputLength: limit_bytes });
  }
  memory.hold(whole.length);
  return whole;
}

/** The bytes as they were sent. Throws 408 `body_too_slow`. */
async function received(
  request: Request,
  length: number | undefined,
  limit_bytes: number,
  memory: BodyLease,
): Promise<Uint8Array> {
  const end = memory.receive();
  let isSlow = false;
  try {
    // A declared length is enforced by the HTTP parser, so a small body can be taken in one go.
    if (length !== undefined && length <= SMALL_MAX_BYTES) {
      const whole = request.arrayBuffer();
      return new Uint8Array(await new BodyWatch(memory.pace).next(whole, () => length));
    }
    const chunks: Uint8Array[] = [];
    let size_bytes = 0;
    for await (const chunk of bodyChunks(request, new BodyWatch(memory.pace))) {
      size_bytes += chunk.length;
      if (size_bytes > limit_bytes) throw tooLarge(limit_bytes);
      memory.hold(size_bytes);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    isSlow = error instanceof ApiError && error.code === 'body_too_slow';
    throw error instanceof ApiError ? error : unreadable(error);
  } finally {
    end(isSlow);
  }
}

/** A broken upload is the client's: the connection ended before the body did. */
export function unreadable(cause: unknown): ApiError {
  return new ApiError('malformed_body', 'The body ended early. Send the request again.', { cause });
}

/**
 * The chunks of a body as they arrive, unread bytes are left when the caller stops. With a watch a slow sender is a
 * 408 `body_too_slow`.
 */
export async function* bodyChunks(
  request: Pick<Request, 'body'>,
  watch?: BodyWatch,
): AsyncGenerator<Uint8Array> {
  if (request.body === null) return;
  const reader = request.body.getReader();
  try {
    for (;;) {
      const reading = reader.read();
      const sizeOf = ({ value: chunk }: Awaited<typeof reading>): number => chunk?.length ?? 0;
      const { done, value } = await (watch?.next(reading, sizeOf) ?? reading);
      if (done) return;
      yield value;
    }
  } finally {
    // Without this a refused upload keeps the socket reading.
    await reader.cancel().catch(() => undefined);
  }
}
