import {
  type ArchivedMessage,
  exactJsonText,
  headerOf,
  type Members,
  messageParts,
  tenantOfSubject,
} from '../../analytics/index.ts';
import type { Archive } from './archive.ts';
import type { ArchiveWriter } from './archive-writer.ts';
import type { SegmentManifest, SegmentRef } from './manifest.ts';
import { encodeSegment } from './segment.ts';

/** What an event of somebody who is erased becomes; null: it goes. */
export type EraseRewrite = (event: Members) => Members | null;

/** Whose events are erased. */
export interface Erased {
  readonly tenant: string;
  /** Whether an event is theirs, by its members. */
  owns(event: Members): boolean;
  /** Whether bytes that are no event speak of them. */
  mentions(bytes: Uint8Array): boolean;
}

/** Of an incarnation of the stream the sequences that were erased, both ends inclusive. */
export type ErasedRanges = (
  incarnation: string,
) => readonly { readonly first: number; readonly last: number }[];

export interface ErasedInArchive {
  /** Messages of which something was taken away. */
  readonly messages: number;
  readonly segments: number;
}

/** Where events of a customer can be erased that have left the stream. */
export interface ErasableArchive {
  /**
   * Takes the events of a person away, or puts in their place what `rewrite` makes of them. It may be called again
   * after it was interrupted. `gone`: what was erased from the stream. Throws `archive_damaged`, what the store throws,
   * and the signal's reason: while it waits for another writer, and between two segments.
   */
  erase(
    whose: Erased,
    rewrite?: EraseRewrite,
    gone?: ErasedRanges,
    signal?: AbortSignal,
  ): Promise<ErasedInArchive>;
}

const NOTHING: EraseRewrite = () => null;

/** Erases in all segments that have files of the tenant, one after the other. */
export async function eraseInArchive(
  writer: ArchiveWriter,
  whose: Erased,
  now_ms: number,
  rewrite: EraseRewrite = NOTHING,
  signal?: AbortSignal,
): Promise<ErasedInArchive> {
  const { tenant } = whose;
  const { archive } = writer;
  let [messages, segments] = [0, 0];
  for (const ref of await archive.segments(true)) {
    signal?.throwIfAborted();
    const manifest = await archive.manifest(ref);
    if (!manifest.files.some((file) => file.tenant === tenant)) continue;
    const changed = await changedIn(archive, ref, (message) =>
      tenantOfSubject(message.subject) === tenant ? without(message, whose, rewrite) : message,
    );
    messages += changed.size;
    if (changed.size === 0) continue;
    segments += 1;
    await replace(writer, ref, manifest, changed, now_ms);
  }
  return { messages, segments };
}

/** By sequence what becomes of the messages that are changed; null: nothing. */
type Changed = ReadonlyMap<number, ArchivedMessage | null>;

async function changedIn(
  archive: Archive,
  ref: SegmentRef,
  become: (message: ArchivedMessage) => ArchivedMessage | null,
): Promise<Changed> {
  const changed = new Map<number, ArchivedMessage | null>();
  for (const message of await archive.messages(ref)) {
    const next = become(message);
    if (next !== message) changed.set(message.sequence, next);
  }
  return changed;
}

async function replace(
  writer: ArchiveWriter,
  ref: SegmentRef,
  manifest: SegmentManifest,
  changed: Changed,
  now_ms: number,
): Promise<void> {
  const kept = (await writer.archive.messages(ref)).flatMap((message) => {
    const next = changed.get(message.sequence);
    return next === undefined ? [message] : next === null ? [] : [next];
  });
  const erased = [...new Set([...manifest.erased, ...changed.keys()])].sort((a, b) => a - b);
  const id = writer.next();
  const { suffix } = id;
  const segment = await encodeSegment(manifest, ref, kept, { now_ms, erased, suffix });
  await writer.write(id, segment, kept);
}

/** A message without the events of a person; the same one where it has none, null where it has no others. */
function without(message: ArchivedMessage, whose: Erased, rewrite: EraseRewrite): ArchivedMessage | null {
  const { data } = message;
  const header = (name: string): string | undefined => headerOf(message, name);
  const { form, parts } = messageParts({ data, header, headers: () => message.headers });
  const left: string[] = [];
  let isChanged = false;
  for (const { bytes, members } of parts) {
    if (members === undefined ? !whose.mentions(bytes) : !whose.owns(members)) {
      left.push(Buffer.from(bytes).toString());
      continue;
    }
    isChanged = true;
    const next = members === undefined ? null : rewrite(members);
    if (next !== null) left.push(exactJsonText(next));
  }
  if (!isChanged) return message;
  const [first] = left;
  if (first === undefined) return null;
  // What headers said of the body may be said in it now, and is not repeated.
  const headers = message.headers.filter(([name]) => !/^(ce-.*|content-type)$/i.test(name));
  if (form !== 'list' && form !== 'lines') return { ...message, headers, data: Buffer.from(first) };
  // Of lines one may be no JSON, and a list with it would be none.
  if (form === 'list') return { ...message, headers, data: Buffer.from(`[${left.join()}]`) };
  return { ...message, headers: [...headers, LINES], data: Buffer.from(left.join('\n')) };
}

const LINES = ['Content-Type', 'application/x-ndjson'] as const;
