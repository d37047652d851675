import { setTimeout as sleep } from 'node:timers/promises';
import { type ArchivedMessage, MESSAGE_COLUMNS, messageOf } from '../../analytics/index.ts';
import type { BlobStore } from '../../connectors/index.ts';
import { MillraceError } from '../../engine/index.ts';
import {
  type ArchivedFile,
  damaged,
  type Fence,
  fenceName,
  fencesOf,
  MANIFEST_PREFIX,
  readFence,
  readManifest,
  type SegmentManifest,
  type SegmentRef,
  type Segments,
  segmentsOf,
  spanName,
  spanOf,
} from './manifest.ts';
import { decodeRows } from './parquet.ts';
import { sha256Of } from './segment.ts';

/** Segments whose messages are kept in memory: each has at most `SEGMENT_MAX_BYTES` of payloads. */
const CACHED_MAX_SEGMENTS = 2;
/** How long the list of segments is taken for known, ms. */
const KNOWN_MS = 2_000;

/** More names than this may be listed in several steps, and one be replaced between two of them. */
const LISTED_AT_ONCE = 200;
const LIST_TRIES = 20;
/** Between two tries, ms. */
const LIST_PAUSE_MS = 10;

/** The folder of manifests as it was at one time. */
export interface Listed extends Segments {
  readonly names: readonly string[];
  readonly fence: Fence | undefined;
}

/** What the archive covers of its stream. */
export interface Coverage {
  readonly stream: string;
  readonly incarnation: string;
  readonly from: number;
  /** Inclusive. */
  readonly to: number;
}

/**
 * Messages that have left the stream, or may: segments of consecutive sequences, each some Parquet files and a manifest
 * that is written last. What no manifest names is not part of it. One process writes at a time: `ArchiveWriter`.
 *
 * Throws `archive_damaged` where a file is not as it was written, `archive_changing`, and what the folder throws.
 */
export class Archive {
  readonly folder: BlobStore;
  readonly #manifests = new Map<
    string,
    { readonly manifest: SegmentManifest; readonly read_at_ms: number }
  >();
  readonly #messages = new Map<string, CachedMessages>();
  #fence: Fence | undefined;
  #refs: readonly SegmentRef[] = [];
  #known_at_ms = Number.NEGATIVE_INFINITY;

  constructor(folder: BlobStore) {
    this.folder = folder;
  }

  /** All segments, in order. */
  async segments(isFresh = false): Promise<readonly SegmentRef[]> {
    if (!isFresh && performance.now() - this.#known_at_ms < KNOWN_MS) return this.#refs;
    this.#refs = (await this.listed()).refs;
    this.#known_at_ms = performance.now();
    return this.#refs;
  }

  /**
   * The names in the folder of manifests and the fence that holds, of the same list. A list that may have been made
   * while a manifest was replaced is taken when the next one has the same segments. Throws `archive_changing`.
   */
  async listed(): Promise<Listed> {
    let seen: string | undefined;
    for (let tries = 0; tries < LIST_TRIES; tries++) {
      if (tries > 0) await sleep(LIST_PAUSE_MS);
      const listed = await this.#list();
      if (listed === undefined) continue;
      const segments = [listed.fence?.epoch, ...listed.refs.map(({ from, to }) => spanName(from, to))].join();
      if (segments === seen || isWhole(listed)) return listed;
      seen = segments;
    }
    throw new MillraceError(
      'archive_changing',
      `The manifests of the archive ${this.folder.url} changed each time they were listed. Try again.`,
      { retriable: true },
    );
  }

  /** undefined: the fence of the list was removed by an owner that came after it, so the list is old. */
  async #list(): Promise<Listed | undefined> {
    const names = await this.folder.list(MANIFEST_PREFIX);
    const name = fencesOf(names).at(-1);
    if (name === undefined) return { names, fence: undefined, ...segmentsOf(names, undefined) };
    let fence = this.#fence;
    if (fence === undefined || fenceName(fence.epoch) !== name) {
      const bytes = await this.folder.get(name);
      if (bytes === undefined) return undefined;
      fence = readFence(name, bytes);
      this.#fence = fence;
    }
    return { names, fence, ...segmentsOf(names, fence) };
  }

  /** undefined: nothing is archived. */
  async coverage(isFresh = false): Promise<Coverage | undefined> {
    const refs = await this.segments(isFresh);
    const [first, last] = [refs[0], refs.at(-1)];
    if (first === undefined || last === undefined) return undefined;
    const { stream, incarnation } = await this.manifest(last);
    return { stream, incarnation, from: first.from, to: last.to };
  }

  async manifest(ref: SegmentRef): Promise<SegmentManifest> {
    const known = this.#manifests.get(ref.name);
    // Whoever erases replaces it, in another process too.
    if (known !== undefined && performance.now() - known.read_at_ms < KNOWN_MS) return known.manifest;
    const bytes = await this.folder.get(ref.name);
    const next = bytes === undefined ? await this.#replacementOf(ref) : undefined;
    if (next !== undefined) return await this.manifest(next);
    const manifest = readManifest(ref, bytes);
    this.#manifests.set(ref.name, { manifest, read_at_ms: performance.now() });
    return manifest;
  }

  /** What has the sequences of a segment whose manifest is gone. */
  async #replacementOf({ name, from, to }: SegmentRef): Promise<SegmentRef | undefined> {
    const refs = await this.segments(true);
    return refs.find((one) => one.name !== name && one.from === from && one.to === to);
  }

  /** The messages of a segment, in order of their sequences. */
  async messages(ref: SegmentRef): Promise<readonly ArchivedMessage[]> {
    const content = contentOf(await this.manifest(ref));
    const known = this.#messages.get(ref.name);
    if (known?.content === content) {
      // The least recently used one goes.
      this.#messages.delete(ref.name);
      this.#messages.set(ref.name, known);
      return await known.reading;
    }
    const reading = this.#read(ref);
    this.#messages.set(ref.name, { content, reading });
    const oldest = this.#messages.size > CACHED_MAX_SEGMENTS ? this.#messages.keys().next().value : undefined;
    if (oldest !== undefined) this.#messages.delete(oldest);
    try {
      return await reading;
    } catch (error) {
      this.#messages.delete(ref.name);
      throw error;
    }
  }

  async #read(ref: SegmentRef): Promise<readonly ArchivedMessage[]> {
    try {
      return await this.messagesOf(await this.manifest(ref));
    } catch (error) {
      // Somebody may have replaced its files meanwhile.
      this.#manifests.delete(ref.name);
      const manifest = await this.manifest((await this.#replacementOf(ref)) ?? ref);
      return await this.messagesOf(manifest).catch(() => {
        throw error;
      });
    }
  }

  /** Read from the files that a manifest names, in order. */
  async messagesOf({ files, messages: count }: SegmentManifest): Promise<readonly ArchivedMessage[]> {
    const messages: ArchivedMessage[] = [];
    for (const file of files) {
      for (const row of await this.rows(file, MESSAGE_COLUMNS)) {
        const message = messageOf(row);
        if (message !== undefined) messages.push(message);
      }
    }
    if (messages.length !== count) throw damaged(files[0]?.name ?? MANIFEST_PREFIX, 'messages are missing');
    return messages.sort((a, b) => a.sequence - b.sequence);
  }

  /** The rows of a file, whose bytes are those that were written. */
  async rows(
    file: Pick<ArchivedFile, 'name' | 'sha256'>,
    columns?: readonly string[],
  ): Promise<Readonly<Record<string, unknown>>[]> {
    const bytes = await this.folder.get(file.name);
    if (bytes === undefined) throw damaged(file.name, 'it is gone');
    if (sha256Of(bytes) !== file.sha256) throw damaged(file.name, 'its checksum is another one');
    return await decodeRows(bytes, columns);
  }

  /** What was written is known from now on. */
  knows(ref: SegmentRef, manifest: SegmentManifest): void {
    this.#manifests.set(ref.name, { manifest, read_at_ms: performance.now() });
    this.#messages.delete(ref.name);
    this.#known_at_ms = Number.NEGATIVE_INFINITY;
  }

  close(): Promise<void> {
    return this.folder.close();
  }
}

interface CachedMessages {
  /** Of what its manifest named. */
  readonly content: string;
  readonly reading: Promise<readonly ArchivedMessage[]>;
}

const contentOf = ({ files }: SegmentManifest): string =>
  sha256Of(Buffer.from(files.map(({ sha256 }) => sha256).join()));

/** Whether a list has nothing of a moment at which a manifest was replaced: it is short, and no sequences are missing. */
function isWhole({ names, fence, refs }: Listed): boolean {
  const isFollowed = refs.every(({ from }, at) => at === 0 || from === (refs[at - 1]?.to ?? 0) + 1);
  const spans = new Set(refs.map(({ from, to }) => spanName(from, to)));
  const isNamed = (fence?.manifests ?? []).every((name) => spans.has(spanOf(name)));
  return names.length <= LISTED_AT_ONCE && isFollowed && isNamed;
}
