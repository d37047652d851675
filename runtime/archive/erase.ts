import {
  type ArchivedMessage,
  exactJsonText,
  flatten,
  headerOf,
  isObject,
  type Members,
  own,
  partOf,
  splitBody,
  tenantOfSubject,
  valueOfPart,
} from '../../analytics/index.ts';
import type { Archive } from './archive.ts';
import type { SegmentManifest, SegmentRef } from './manifest.ts';
import { encodeSegment } from './segment.ts';

/** What an event of somebody who is erased becomes; null: it goes. */
export type EraseRewrite = (event: Members) => Members | null;

export interface ErasedInArchive {
  /** Messages of which something was taken away. */
  readonly messages: number;
  readonly segments: number;
}

/** Where events of a customer can be erased that have left the stream. */
export interface ErasableArchive {
  /**
   * Takes the events of a customer away, or puts in their place what `rewrite` makes of them. It may be called again
   * after it was interrupted. Throws `archive_damaged`, and what the store throws.
   */
  eraseCustomer(tenant: string, customer_id: string, rewrite?: EraseRewrite): Promise<ErasedInArchive>;
}

const NOTHING: EraseRewrite = () => null;

/** Erases in all segments that have files of the tenant, one after the other. */
export async function eraseCustomer(
  archive: Archive,
  {
    tenant,
    customer_id,
    now_ms,
  }: { readonly tenant: string; readonly customer_id: string; readonly now_ms: number },
  rewrite: EraseRewrite = NOTHING,
): Promise<ErasedInArchive> {
  await archive.tidy();
  let [messages, segments] = [0, 0];
  for (const ref of await archive.segments(true)) {
    const manifest = await archive.manifest(ref);
    if (!manifest.files.some((file) => file.tenant === tenant)) continue;
    const changed = await changedIn(archive, ref, (message) =>
      tenantOfSubject(message.subject) === tenant ? without(message, customer_id, rewrite) : message,
    );
    messages += changed.size;
    if (changed.size === 0) continue;
    segments += 1;
    await replace(archive, ref, manifest, changed, now_ms);
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
  archive: Archive,
  ref: SegmentRef,
  manifest: SegmentManifest,
  changed: Changed,
  now_ms: number,
): Promise<void> {
  const kept = (await archive.messages(ref)).flatMap((message) => {
    const next = changed.get(message.sequence);
    return next === undefined ? [message] : next === null ? [] : [next];
  });
  const erased = [...new Set([...manifest.erased, ...changed.keys()])].sort((a, b) => a - b);
  const segment = await encodeSegment(manifest, ref, kept, { now_ms, erased, suffix: `-${erased.length}` });
  await archive.write(segment, kept);
}

/** A message without the events of a customer; the same one where it has none, null where it has no others. */
function without(
  message: ArchivedMessage,
  customer_id: string,
  rewrite: EraseRewrite,
): ArchivedMessage | null {
  const source = { header: (name: string) => headerOf(message, name), headers: () => message.headers };
  const body = splitBody(message.data, source);
  const count = (body?.ranges.length ?? 0) / 2;
  const parts: string[] = [];
  let isChanged = false;
  for (let part = 0; part < count; part++) {
    const bytes = body === undefined ? undefined : partOf(message.data, body, part);
    if (bytes === undefined) continue;
    const parsed = valueOfPart(source, bytes);
    const flat = parsed.ok ? flatten(parsed.value) : undefined;
    if (!isObject(flat) || own(flat, 'customer_id') !== customer_id) {
      parts.push(Buffer.from(bytes).toString());
      continue;
    }
    isChanged = true;
    const next = rewrite(flat);
    if (next !== null) parts.push(exactJsonText(next));
  }
  if (!isChanged) return message;
  const [first] = parts;
  if (first === undefined) return null;
  // What headers said of the body may be said in it now, and is not repeated.
  const headers = message.headers.filter(([name]) => !/^(ce-.*|content-type)$/i.test(name));
  const text = body?.form === 'list' || body?.form === 'lines' ? `[${parts.join()}]` : first;
  return { ...message, headers, data: Buffer.from(text) };
}
