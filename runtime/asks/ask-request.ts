import { z } from 'zod';
import { MillraceError, type PartRequest, type TableQuery } from '../../engine/index.ts';

/** Of a request that comes over a network, bytes. */
const REQUEST_MAX_BYTES = 64 * 1024;
const PARTITIONS_MAX = 1_024;

const positionSchema = z.record(z.string(), z.record(z.string(), z.number().int()));

/** Members of the query itself are checked where it is answered: `queryTable` says what is wrong in a sentence. */
const requestSchema = z.strictObject({
  table: z.string().min(1).max(256),
  scope: z.string().max(1_024).optional(),
  query: z.looseObject({ kind: z.string() }),
  partitions: z
    .array(z.string().regex(/^\d{1,4}$/))
    .max(PARTITIONS_MAX)
    .optional(),
  position: positionSchema.optional(),
  require: z.literal('owner').optional(),
  max_staleness_ms: z.number().min(0).optional(),
  /** Only of a request to all: how long the answer is waited for. */
  timeout_ms: z.number().int().min(1).max(60_000).optional(),
});

/** A request as it comes over a network. */
export interface AskRequest extends PartRequest {
  readonly timeout_ms?: number;
}

/** Throws `bad_query` with a sentence. */
export function parseRequest(bytes: Uint8Array): AskRequest {
  if (bytes.length > REQUEST_MAX_BYTES) {
    throw new MillraceError('bad_query', `A request has at most ${REQUEST_MAX_BYTES} bytes.`);
  }
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new MillraceError(
      'bad_query',
      'A request is JSON: {"table": "…", "query": {"kind": "key", "key": "…"}}.',
      {
        cause,
      },
    );
  }
  const parsed = requestSchema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const at = issue?.path.map(String).join('.') ?? '';
    throw new MillraceError('bad_query', `${at === '' ? 'The request' : `"${at}"`}: ${issue?.message ?? ''}`);
  }
  const { query, ...rest } = parsed.data;
  const given = Object.entries(rest).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(given), query: query as unknown as TableQuery } as AskRequest;
}

/** What JSON has no number for is its decimal text. */
export function encodeJson(value: unknown): Uint8Array {
  const text = JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'bigint' ? member.toString() : member,
  );
  return Buffer.from(text, 'utf8');
}
