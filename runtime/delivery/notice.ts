import { createHash } from 'node:crypto';
import { z } from 'zod';
import { normalType, toJsonText } from '../../analytics/index.ts';

/** Types that Millrace itself tells of, beside `order.*`, which are the types of a tenant's events. */
export const NOTICE_TYPES = [
  'anomaly.detected',
  'anomaly.explained',
  'anomaly.revised',
  'anomaly.ended',
  'anomaly.retracted',
  'alert.firing',
  'alert.recovered',
  'pipeline.stalled',
  'pipeline.recovered',
  'report.completed',
  'export.failed',
] as const;

/** The largest notice as JSON, bytes: a NATS server of default settings takes 1 MiB with the headers. */
export const NOTICE_MAX_BYTES = 1_000_000;

/** Something that happened and that somebody outside may want to know. */
export interface Notice {
  readonly tenant: string;
  /** In normal form: lower case words with dots. */
  readonly type: string;
  /** Names what happened: the same for a repeat, another one for anything else of the type. */
  readonly id: string;
  /** When it happened. */
  readonly time_ms: number;
  /** JSON. */
  readonly payload: unknown;
}

/** A notice as it lies in the stream. */
const storedSchema = z.object({
  tenant: z.string(),
  type: z.string(),
  id: z.string(),
  time_ms: z.number(),
  payload: z.unknown(),
  /** For one endpoint: what that needs to know beside it. */
  extra: z.unknown().optional(),
});
export type StoredNotice = Notice & { readonly extra?: unknown };

export function encodeNotice(notice: StoredNotice): Buffer {
  return Buffer.from(toJsonText({ ...notice, payload: notice.payload ?? null }));
}

/** Undefined for what is no notice. */
export function decodeNotice(data: Uint8Array): StoredNotice | undefined {
  try {
    return storedSchema.safeParse(JSON.parse(Buffer.from(data).toString())).data;
  } catch {
    return undefined;
  }
}

/** A name of 26 characters of a-z and 2-7 for some texts, the same for the same ones. */
export function hashOf(...texts: readonly string[]): string {
  const digest = createHash('sha256').update(JSON.stringify(texts)).digest();
  let [bits, value, text] = [0, 0, ''];
  for (const byte of digest) {
    value = ((value << 8) | byte) & 0xffff;
    bits += 8;
    for (; bits >= 5 && text.length < 26; bits -= 5) {
      text += 'abcdefghijklmnopqrstuvwxyz234567'.charAt((value >> (bits - 5)) & 31);
    }
  }
  return text;
}

/** Names a notice for those who are told of it: `webhook-id` of each try. */
export const messageIdOf = ({ tenant, type, id }: Pick<Notice, 'tenant' | 'type' | 'id'>): string =>
  `msg_${hashOf(tenant, type, id)}`;

/** A type as tokens of a subject: what a subject cannot have is `=` and its code. */
function typeTokens(type: string): string {
  const token = (text: string): string =>
    text === '' ? '=' : text.replaceAll(/[^a-z0-9]/gu, (other) => `=${other.codePointAt(0)?.toString(16)}`);
  return type.split('.').map(token).join('.');
}

/** The subject of a notice for whoever asked for its type. */
export const broadcastSubject = ({ tenant, type }: Pick<Notice, 'tenant' | 'type'>): string =>
  `notices.${tenant}.type.${typeTokens(type)}`;

/** The subject of notices for one endpoint alone. */
export const directSubject = (tenant: string, endpoint: string): string => `notices.${tenant}.to.${endpoint}`;

/** Whom a notice is for alone; undefined: for all that want its type. */
export function directEndpoint(tenant: string, subject: string): string | undefined {
  const prefix = directSubject(tenant, '');
  return subject.startsWith(prefix) ? subject.slice(prefix.length) : undefined;
}

/** All of those, whoever they are for. */
export const ALL_DIRECT = 'notices.*.to.*';

/** Tenant and endpoint of a direct subject. */
export function endpointOf(subject: string): { readonly tenant: string; readonly endpoint: string } {
  const [, tenant = '', , endpoint = ''] = subject.split('.');
  return { tenant, endpoint };
}

/** The subjects of the types that a pattern (`*`, `order.*`, `order.created`) matches. */
export function patternSubject(tenant: string, pattern: string): string {
  if (pattern === '*') return `notices.${tenant}.type.>`;
  const normal = normalType(pattern);
  return normal.endsWith('.*')
    ? `notices.${tenant}.type.${typeTokens(normal.slice(0, -2))}.>`
    : broadcastSubject({ tenant, type: normal });
}

/** Whether a pattern matches a type in normal form. */
export function matchesType(pattern: string, type: string): boolean {
  if (pattern === '*') return true;
  const normal = normalType(pattern);
  return normal.endsWith('.*') ? type.startsWith(normal.slice(0, -1)) : type === normal;
}
