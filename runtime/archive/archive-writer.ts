import type { ArchivedMessage } from '../../analytics/index.ts';
import { MillraceError } from '../../engine/index.ts';
import type { Archive } from './archive.ts';
import {
  damaged,
  type Fence,
  fenceName,
  fencesOf,
  isPending,
  isWithoutOwner,
  MANIFEST_PREFIX,
  manifestName,
  type NamedRef,
  pendingName,
  readManifest,
  type SegmentManifest,
  type SegmentRef,
  segmentsOf,
  type WriteId,
  writeSuffix,
} from './manifest.ts';
import { digestOf, type EncodedSegment } from './segment.ts';

/** What versions without owners wrote in the place of `pendingName`. */
const EARLIER_PENDING = 'pending.json';

/** The right to write the archive, of one owner at a time. */
export interface WriterLease {
  /** Larger than that of every owner before. */
  readonly epoch: number;
  /** Resolves when no other owner has come up to now. Throws `archive_has_another_writer`, `kv_unavailable`. */
  confirm(): Promise<void>;
}

interface PendingWrite {
  readonly manifest: string;
  readonly files: readonly string[];
}

/**
 * Writes an archive, as its one owner. Another process may take it over while this one stands still, and it does not
 * know that when it goes on: so each write has names of its own, the next owner says in a fence which manifests count,
 * and nothing that another one may need is removed unless this one was the owner when it had decided that.
 *
 * - A manifest that is put before another owner begins is in that one's fence; one that is put later is not, and counts
 *   for nobody.
 * - What a manifest replaces goes only when the owner has been confirmed behind its put: then the next owner counts it.
 * - Files go that no manifest which counts names, by a list that was made before a confirmation.
 */
export class ArchiveWriter {
  readonly archive: Archive;
  readonly #lease: WriterLease;
  #fence: Fence;
  #writes = 0;

  private constructor(archive: Archive, lease: WriterLease, fence: Fence) {
    this.archive = archive;
    this.#lease = lease;
    this.#fence = fence;
  }

  /** Begins to own the archive: what owners before it write from now on counts for nobody. */
  static async open(archive: Archive, lease: WriterLease): Promise<ArchiveWriter> {
    const { folder } = archive;
    const { refs } = await archive.listed();
    const fence: Fence = { epoch: lease.epoch, manifests: refs.map(({ name }) => name) };
    await folder.put(fenceName(lease.epoch), Buffer.from(JSON.stringify(fence)));
    const writer = new ArchiveWriter(archive, lease, fence);
    await writer.#tidy();
    return writer;
  }

  /** The epoch of the last owner that the archive knows of; 0: none. */
  static async lastEpoch({ folder }: Archive): Promise<number> {
    const last = fencesOf(await folder.list(MANIFEST_PREFIX)).at(-1);
    return last === undefined ? 0 : Number(last.replaceAll(/\D/g, ''));
  }

  /** Names the next write: its files end so. */
  next(): WriteId & { readonly suffix: string } {
    const id = { epoch: this.#lease.epoch, write: ++this.#writes };
    return { ...id, suffix: writeSuffix(id) };
  }

  /** Resolves when all that was written counts, whatever other processes do from now on. */
  confirm(): Promise<void> {
    return this.#lease.confirm();
  }

  /**
   * Writes a segment, or replaces the one of these sequences: its files, then its manifest, then what it replaces goes.
   * Reads back what was written and compares it with `messages`. A crash leaves the archive as it was before, or as it
   * is after, with files that no manifest names: the next owner removes them. `segment` was encoded with the suffix of
   * `id`. Throws `archive_has_another_writer`, `archive_damaged`, and what the folder throws.
   */
  async write(id: WriteId, segment: EncodedSegment, messages: readonly ArchivedMessage[]): Promise<void> {
    const { folder } = this.archive;
    const { manifest, files } = segment;
    const { from, to } = manifest;
    const ref = { name: manifestName(from, to, id), from, to };
    const { former, old } = await this.#owned(files.keys(), () => this.#putFiles(ref, id, segment, messages));
    await folder.put(ref.name, Buffer.from(JSON.stringify(manifest)));
    await this.#lease.confirm();
    this.archive.knows(ref, manifest);
    if (former !== undefined) await folder.remove(former.name);
    for (const path of old) await folder.remove(path);
    await folder.remove(pendingName(id.epoch));
  }

  /** Gives the segment that is replaced, and its files. */
  async #putFiles(
    ref: SegmentRef,
    { epoch }: WriteId,
    { manifest, files }: EncodedSegment,
    messages: readonly ArchivedMessage[],
  ): Promise<{ readonly former: SegmentRef | undefined; readonly old: readonly string[] }> {
    const { folder } = this.archive;
    const former = await this.#formerOf(ref);
    const old = former === undefined ? [] : (await this.#read(former)).files.map((file) => file.name);
    const pending: PendingWrite = { manifest: ref.name, files: [...files.keys(), ...old] };
    await folder.put(pendingName(epoch), Buffer.from(JSON.stringify(pending)));
    for (const [path, bytes] of files) await folder.put(path, bytes);
    if (digestOf(await this.archive.messagesOf(manifest)) !== digestOf(messages))
      throw damaged(manifest.files[0]?.name ?? ref.name, 'what was read back differs');
    return { former, old };
  }

  /** Work before a manifest is put. Where the archive is lost, what it has made goes: nothing names it yet. */
  async #owned<T>(made: Iterable<string>, work: () => Promise<T>): Promise<T> {
    // What fails because another owner has removed it is said as that.
    const outcome = await work().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    try {
      await this.#lease.confirm();
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== 'archive_has_another_writer') throw error;
      for (const path of [...made, pendingName(this.#lease.epoch)]) await this.archive.folder.remove(path);
      throw error;
    }
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  /** The segment of the same sequences. A new one lies behind all others. */
  async #formerOf({ name, from, to }: SegmentRef): Promise<SegmentRef | undefined> {
    const { refs } = await this.#look();
    const former = refs.find((ref) => ref.from === from && ref.to === to);
    const last = refs.at(-1);
    if (former === undefined && last !== undefined && last.to >= from)
      throw damaged(name, `${last.name} has some of its sequences`);
    return former;
  }

  /** As this owner sees it: another one may have come. */
  async #look() {
    const names = await this.archive.folder.list(MANIFEST_PREFIX);
    return { names, ...segmentsOf(names, this.#fence) };
  }

  async #read(ref: SegmentRef): Promise<SegmentManifest> {
    return readManifest(ref, await this.archive.folder.get(ref.name));
  }

  /** Removes what owners before this one have left, interrupted or late. */
  async #tidy(): Promise<void> {
    const gone = await this.#owned([], () => this.#leftOver());
    for (const name of gone) await this.archive.folder.remove(name);
  }

  /**
   * A version without owners does not see what owners have written, so it may have archived another stream there, which
   * is nowhere else.
   */
  async #requireSameStream(
    ref: NamedRef,
    { incarnation }: SegmentManifest,
    refs: readonly SegmentRef[],
  ): Promise<void> {
    if (!isWithoutOwner(ref)) return;
    for (const one of refs) {
      if (one.from > ref.to || one.to < ref.from) continue;
      if ((await this.#read(one)).incarnation !== incarnation)
        throw damaged(ref.name, `it is of another stream than ${one.name}; keep one of them with its files`);
    }
  }

  async #leftOver(): Promise<readonly string[]> {
    const { folder } = this.archive;
    const { names, refs, stale } = await this.#look();
    const gone: string[] = [];
    const filesOf = async ({ from, to }: SegmentRef): Promise<ReadonlySet<string>> => {
      const ref = refs.find((one) => one.from === from && one.to === to);
      return new Set(ref === undefined ? [] : (await this.#read(ref)).files.map(({ name }) => name));
    };
    const left = async (of: SegmentRef, files: readonly string[], last: string): Promise<void> => {
      const kept = await filesOf(of);
      gone.push(...files.filter((file) => !kept.has(file)), last);
    };
    for (const ref of stale) {
      const bytes = await folder.get(ref.name);
      // Removed meanwhile by the owner that had replaced it.
      if (bytes === undefined) continue;
      const manifest = readManifest(ref, bytes);
      await this.#requireSameStream(ref, manifest, refs);
      const files = manifest.files.map(({ name }) => name);
      await left(ref, files, ref.name);
    }
    for (const name of [...names.filter(isPending), EARLIER_PENDING]) {
      const bytes = await folder.get(name);
      if (bytes === undefined) continue;
      const { manifest, files } = JSON.parse(Buffer.from(bytes).toString()) as PendingWrite;
      const [from = 0, to = 0] = (manifest.match(/\d{16}/g) ?? []).map(Number);
      await left({ name: manifest, from, to }, files, name);
    }
    gone.push(...fencesOf(names).filter((name) => name !== fenceName(this.#fence.epoch)));
    return gone;
  }
}
