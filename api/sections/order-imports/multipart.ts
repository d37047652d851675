import { ApiError } from '../../http/index.ts';

/** One part of a multipart body. Its bytes are [start, end) of the body. */
export interface MultipartPart {
  readonly name: string;
  readonly filename: string | undefined;
  readonly start: number;
  readonly end: number;
}

const MAX_PARTS = 20;
const MAX_HEAD_BYTES = 8_192;
const HEAD_END = Buffer.from('\r\n\r\n');

/** The boundary that a content type names. Throws 415, 400. */
export function boundaryOf(content_type: string | null): string {
  if (!/^multipart\/form-data\b/i.test(content_type ?? '')) {
    throw new ApiError(
      'unsupported_media_type',
      'Send the file as multipart/form-data, in the field `file`.',
      {
        headers: { 'Accept-Post': 'multipart/form-data' },
      },
    );
  }
  const match = /;\s*boundary=(?:"([^"]{1,70})"|([^;\s]{1,70}))/i.exec(content_type ?? '');
  const boundary = match?.[1] ?? match?.[2];
  if (boundary === undefined) throw malformed('names no boundary');
  return boundary;
}

/**
 * Where the parts of a body lie (RFC 7578), read once from its beginning to its end with a bounded memory. Throws 400
 * `malformed_body`.
 */
export async function partsOf(
  chunks: AsyncIterable<Uint8Array>,
  boundary: string,
): Promise<readonly MultipartPart[]> {
  const parts: MultipartPart[] = [];
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  // The first delimiter stands at the very beginning, without a line break before it.
  let window: Buffer = Buffer.from('\r\n');
  let offset = -2;
  let open: Omit<MultipartPart, 'end'> | undefined;
  let isBegun = false;
  for await (const chunk of chunks) {
    window = Buffer.concat([window, chunk]);
    for (;;) {
      const at = window.indexOf(delimiter);
      if (at < 0) break;
      const after = at + delimiter.length;
      if (window.length < after + 2) break;
      const isLast = window.toString('latin1', after, after + 2) === '--';
      const headEnd = isLast ? -1 : window.indexOf(HEAD_END, after);
      if (!isLast && headEnd < 0) {
        if (window.length > after + MAX_HEAD_BYTES)
          throw malformed('has a part with a head that does not end');
        break;
      }
      if (open !== undefined) parts.push({ ...open, end: offset + at });
      if (isLast) return parts;
      if (parts.length >= MAX_PARTS) throw malformed(`has more than ${MAX_PARTS} parts`);
      isBegun = true;
      const start = headEnd + HEAD_END.length;
      open = { ...headOf(window.toString('utf8', after, headEnd)), start: offset + start };
      window = window.subarray(start);
      offset += start;
    }
    // What may be the beginning of a delimiter, or a delimiter whose head is not whole, waits for more.
    const from = window.indexOf(delimiter);
    const keep = from >= 0 ? window.length - from : Math.min(window.length, delimiter.length - 1);
    offset += window.length - keep;
    window = window.subarray(window.length - keep);
  }
  throw malformed(isBegun ? 'does not end' : 'has no part');
}

function headOf(text: string): { readonly name: string; readonly filename: string | undefined } {
  const disposition = /^content-disposition:\s*form-data\s*;(.*)$/im.exec(text)?.[1] ?? '';
  const of = (member: string): string | undefined =>
    new RegExp(`(?:^|;)\\s*${member}="((?:[^"\\\\]|\\\\.)*)"`, 'i').exec(disposition)?.[1];
  const name = of('name');
  if (name === undefined) throw malformed('has a part without a name');
  return { name, filename: of('filename') };
}

const malformed = (message: string): ApiError =>
  new ApiError('malformed_body', `The multipart body ${message}.`);
