import { createHash } from 'node:crypto';
import {
  checkSignature,
  mediaTypeOf,
  partOf,
  type SignatureScheme,
  splitBody,
} from '../../../analytics/index.ts';
import { asMillraceError } from '../../../engine/index.ts';
import type { ConnectorBody, Connectors, Definition } from '../../../runtime/index.ts';
import { signatureOf } from '../../../runtime/index.ts';
import { ApiError } from '../../http/index.ts';

/** Records that one request may hold. */
const MAX_RECORDS = 1_000;
/** What WooCommerce sends when a webhook is made, to see whether somebody is there. It is not signed. */
const PING = /^webhook_id=\d{1,20}$/;
const PLACE_HASH_CHARS = 40;

type Connector = Definition<ConnectorBody>;

export interface SentRecord {
  readonly value: Uint8Array;
  readonly place: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The headers of a request, names in lower case. */
export const headersOf = (request: Request): Readonly<Record<string, string>> =>
  Object.fromEntries(request.headers);

/** Whether a request is a first call that says nothing. */
export function isPing({ body: { mapping } }: Connector, request: Request, bytes: Uint8Array): boolean {
  if (mapping === undefined || !('preset' in mapping) || mapping.preset !== 'woocommerce') return false;
  const type = mediaTypeOf(request.headers.get('content-type') ?? undefined);
  return (
    type === 'application/x-www-form-urlencoded' && PING.test(Buffer.from(bytes).toString('latin1').trim())
  );
}

/**
 * Whether the connector's secret has signed the bytes; false where that is not said, so that a key has to say who sends.
 * Throws 401 `signature_invalid` for a signature that is not the secret's.
 */
export function isSigned(
  { secrets }: Pick<Connectors, 'secrets'>,
  { tenant, body }: Connector,
  request: Request,
  bytes: Uint8Array,
  now_ms: number,
): boolean {
  const scheme = signatureOf(body);
  const secret = secretOf(secrets, tenant, body);
  if (scheme === undefined || typeof secret !== 'string') return false;
  const check = checkSignature(scheme, secret, bytes, headersOf(request), now_ms);
  if (check === 'good') return true;
  // A bearer that is not the secret may be a key.
  if (check === 'missing' || scheme.header === 'authorization') return false;
  throw new ApiError('signature_invalid', WHY[check](scheme));
}

function secretOf(secrets: Connectors['secrets'], tenant: string, body: ConnectorBody): unknown {
  try {
    return secrets.opened(tenant, body).secret;
  } catch (error) {
    throw new ApiError('signature_invalid', asMillraceError(error).message, { cause: error });
  }
}

const WHY: Readonly<Record<'wrong' | 'too_old', (scheme: SignatureScheme) => string>> = {
  wrong: ({ header }) =>
    `The signature in ${header} is not that of the body by the connector's secret. Give the connector the secret that ` +
    'the source signs with.',
  too_old: ({ header }) =>
    `The time that is signed in ${header} is too far from now. Have the source send it again, or correct the clocks.`,
};

/** The records of a body: one, the elements of a list, or lines. A body that is no JSON is one record too. */
export function recordsOf(request: Request, bytes: Uint8Array): readonly SentRecord[] {
  const headers = headersOf(request);
  // A binary CloudEvent's attributes are in headers; the paths of a mapping read them there.
  const source = {
    header: (name: string) => (name.toLowerCase() === 'content-type' ? headers['content-type'] : undefined),
  };
  const body = splitBody(bytes, source, MAX_RECORDS);
  const count = body === undefined ? 1 : body.ranges.length / 2;
  if (count > MAX_RECORDS) {
    throw new ApiError(
      'too_many_events',
      `At most ${MAX_RECORDS} records are taken at once. Send several requests.`,
    );
  }
  const values =
    body === undefined
      ? [bytes]
      : Array.from({ length: count }, (_, part) => partOf(bytes, body, part) ?? bytes);
  // A source that sends a body again sends the same record.
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, PLACE_HASH_CHARS);
  return values.map((value, at) => ({ value, place: `sent/${hash}${at === 0 ? '' : `#${at}`}`, headers }));
}
