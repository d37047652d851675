import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { canonicalJson, derived, type KeyTrust } from '../../runtime/index.ts';
import { ApiError } from './problem.ts';

const MAC_BYTES = 16;
const FILTER_BYTES = 8;
const MAX_CURSOR_CHARS = 4_096;

/**
 * Opaque, signed cursors: where a listing goes on, bound to the filter that it began with.
 * Layout: 16 bytes of HMAC-SHA-256, 8 bytes of the filter's SHA-256, the place as JSON.
 */
export class Cursors {
  readonly #secret: Uint8Array;

  constructor(secret: Uint8Array) {
    this.#secret = secret;
  }

  /** With a secret that all processes of an installation have. */
  static of({ secret }: KeyTrust): Cursors {
    return new Cursors(derived(secret, 'cursors'));
  }

  /** A cursor for `place` in the listing that `filter` describes. Both are plain JSON values. */
  encode(filter: unknown, place: unknown): string {
    const body = Buffer.concat([filterHash(filter), Buffer.from(JSON.stringify(place))]);
    return Buffer.concat([this.#mac(body), body]).toString('base64url');
  }

  /** The place of a cursor; 422 when it was made elsewhere, changed, or for another filter. */
  decode(filter: unknown, cursor: string): unknown {
    const bytes = Buffer.from(cursor.slice(0, MAX_CURSOR_CHARS), 'base64url');
    const body = bytes.subarray(MAC_BYTES);
    const mac = bytes.subarray(0, MAC_BYTES);
    if (body.length <= FILTER_BYTES || !timingSafeEqual(this.#mac(body), mac)) {
      throw new ApiError(
        'invalid_cursor',
        'The cursor was not made by this service. Begin again without one.',
        {
          errors: [{ path: 'cursor', message: 'not valid' }],
        },
      );
    }
    if (!timingSafeEqual(body.subarray(0, FILTER_BYTES), filterHash(filter))) {
      throw new ApiError(
        'cursor_mismatch',
        'The cursor belongs to a listing with other filters. Keep them, or begin again without a cursor.',
        { errors: [{ path: 'cursor', message: 'made for other filters' }] },
      );
    }
    return JSON.parse(body.subarray(FILTER_BYTES).toString('utf8'));
  }

  #mac(body: Uint8Array): Buffer {
    return createHmac('sha256', this.#secret).update(body).digest().subarray(0, MAC_BYTES);
  }
}

/** Of the filter's members in name order, so that their order makes no difference. */
function filterHash(filter: unknown): Buffer {
  return createHash('sha256').update(canonicalJson(filter)).digest().subarray(0, FILTER_BYTES);
}
