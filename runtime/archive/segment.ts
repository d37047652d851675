import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { type ArchivedMessage, type ArchiveRow, rowsOf } from '../../analytics/index.ts';
import { MANIFEST_VERSION, type SegmentManifest, spanName } from './manifest.ts';
import { encodeRows } from './parquet.ts';

/** Messages that are worked on before others have their turn. */
const SLICE_MESSAGES = 200;
/** Names that need no escape in a path. */
const PLAIN = /^[A-Za-z0-9_-]{1,128}$/;

export interface StreamName {
  readonly stream: string;
  readonly incarnation: string;
}

/** A segment that is ready to be written. */
export interface EncodedSegment {
  readonly manifest: SegmentManifest;
  /** By the names that the manifest has. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** Where the files of a tenant's day lie: partitions as Hive names them. */
export function folderOf(tenant: string, day: string): string {
  return `events/tenant=${PLAIN.test(tenant) ? tenant : `~${Buffer.from(tenant).toString('hex')}`}/day=${day}`;
}

export const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** The files of messages from `from` to `to`, one for each tenant and day, and their manifest. */
export async function encodeSegment(
  of: StreamName,
  span: { readonly from: number; readonly to: number },
  messages: readonly ArchivedMessage[],
  {
    now_ms,
    erased = [],
    suffix = '',
  }: { readonly now_ms: number; readonly erased?: readonly number[]; readonly suffix?: string },
): Promise<EncodedSegment> {
  const groups = new Map<
    string,
    { readonly tenant: string; readonly day: string; readonly rows: ArchiveRow[] }
  >();
  for (const [at, message] of messages.entries()) {
    if (at % SLICE_MESSAGES === SLICE_MESSAGES - 1) await turn();
    for (const { tenant, day, row } of rowsOf(message)) {
      const folder = folderOf(tenant, day);
      const group = groups.get(folder);
      if (group === undefined) groups.set(folder, { tenant, day, rows: [row] });
      else group.rows.push(row);
    }
  }
  const files = new Map<string, Uint8Array>();
  const described: SegmentManifest['files'] = [];
  for (const [folder, { tenant, day, rows }] of [...groups].sort(([a], [b]) => (a < b ? -1 : 1))) {
    await turn();
    const name = `${folder}/${spanName(span.from, span.to)}${suffix}.parquet`;
    const bytes = encodeRows(rows);
    files.set(name, bytes);
    const [first, last] = [Number(rows[0]?.sequence), Number(rows.at(-1)?.sequence)];
    const size = { rows: rows.length, bytes: bytes.length, sha256: sha256Of(bytes) };
    described.push({ name, tenant, day, ...size, first, last });
  }
  return {
    files,
    manifest: {
      version: MANIFEST_VERSION,
      ...{ stream: of.stream, incarnation: of.incarnation, from: span.from, to: span.to },
      messages: messages.length,
      rows: described.reduce((sum, { rows }) => sum + rows, 0),
      stored_from_ms: messages[0]?.stored_ms ?? 0,
      stored_to_ms: messages.at(-1)?.stored_ms ?? 0,
      written_at: new Date(now_ms).toISOString(),
      erased: [...erased],
      files: described,
    },
  };
}

/** Of all that a message is, so that what was read back can be compared. */
export function digestOf(messages: readonly ArchivedMessage[]): string {
  const hash = createHash('sha256');
  for (const { sequence, stored_ms, subject, data, headers } of messages) {
    hash.update(JSON.stringify([sequence, stored_ms, subject, headers, data.length])).update(data);
  }
  return hash.digest('hex');
}
