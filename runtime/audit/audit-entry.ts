import { z } from 'zod';
import { openSigned, type SigningSecret, signed } from '../trust/index.ts';

/** What somebody did: `ingest` is events that were written. */
export const AUDIT_ACTIONS = ['read', 'export', 'change', 'erase', 'ingest'] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

/** Of what was asked for, as an entry has it. */
export const MAX_QUERY_CHARS = 1_024;

const entrySchema = z.object({
  id: z.string(),
  at_ms: z.number(),
  tenant: z.string(),
  actor: z.object({ kind: z.string(), key_id: z.string(), name: z.string(), role: z.string() }),
  action: z.enum(AUDIT_ACTIONS),
  /** The operation's id, as OpenAPI has it. */
  operation: z.string(),
  /** The path below the base, with its ids, e.g. `/funnels/funnel_01J4`. */
  resource: z.string(),
  /** Of a read: what was asked for; null: nothing. */
  query: z.string().nullable(),
  status: z.int(),
  /** Of the problem, where it did not succeed. */
  code: z.string().nullable(),
  /** Address that the connection came from; null: not known. */
  ip: z.string().nullable(),
  request_id: z.string(),
  /** Requests that the entry stands for: more than one of `ingest` only. */
  requests: z.int(),
});
export type AuditEntry = z.infer<typeof entrySchema>;

export const auditSubject = (tenant: string, action: string): string => `audit.${tenant}.${action}`;

/** As the stream has it: signed, so that whoever can write the stream cannot write an entry. */
export function encodeEntry(secret: SigningSecret, entry: AuditEntry): Buffer {
  return Buffer.from(JSON.stringify(signed(secret, auditSubject(entry.tenant, entry.action), entry)));
}

/** Undefined where it is none of this installation, or was changed. */
export function decodeEntry(
  secret: SigningSecret,
  subject: string,
  data: Uint8Array,
): AuditEntry | undefined {
  try {
    const opened = openSigned(secret, subject, JSON.parse(Buffer.from(data).toString()));
    if (opened.kind !== 'signed') return undefined;
    const entry = entrySchema.safeParse(opened.record).data;
    return entry !== undefined && auditSubject(entry.tenant, entry.action) === subject ? entry : undefined;
  } catch {
    return undefined;
  }
}
