import { type ArchivedMessage, MESSAGE_COLUMNS, messageOf } from '../../analytics/index.ts';
import type { BlobStore } from '../../connectors/index.ts';
import { MillraceError } from '../../engine/index.ts';
import {
  type ArchivedFile,
  damaged,
  MANIFEST_PREFIX,
  manifestName,
  readManifest,
  type SegmentManifest,
  type SegmentRef,
  segmentRefs,
} from './manifest.ts';
import { decodeRows } from './parquet.ts';
import { digestOf, type EncodedSegment, sha256Of } from './segment.ts';

/** Names the files of a segment that is being written or replaced: what is listed there and not in a manifest goes. */
const PENDING = 'pending.json';
/** Segments whose messages are kept in memory: each has at most `SEGMENT_MAX_BYTES` of payloads. */
const CACHED_MAX_SEGMENTS = 2;
/** How long the list of segments is taken for known, ms. */
const KNOWN_MS = 2_000;

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
 * that is written last. What no manifest names is not part of it. One process writes at a time.
 *
 * Throws `archive_damaged` where a file is not as it was written, and what the folder throws.
 */
export class Archive {
  readonly folder: BlobStore;
  readonly #manifests = new Map<
    string,
    { readonly manifest: SegmentManifest; readonly read_at_ms: number }
  >();
  readonly #messages = new Map<string, CachedMessages>();
  #refs: readonly SegmentRef[] = [];
  #known_at_ms = Number.NEGATIVE_INFINITY;

  constructor(folder: BlobStore) {
    this.folder = folder;
  }

  /** All segments, in order. */
  async segments(isFresh = false): Promise<readonly SegmentRef[]> {
    if (!isFresh && performance.now() - this.#known_at_ms < KNOWN_MS) return this.#refs;
    this.#refs = segmentRefs(await this.folder.list(MANIFEST_PREFIX));
    this.#known_at_ms = performance.now();
    return this.#refs;
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
    const manifest = readManifest(ref, await this.folder.get(ref.name));
    this.#knows(ref.name, manifest);
    return manifest;
  }

  #knows(name: string, manifest: SegmentManifest): void {
    this.#manifests.set(name, { manifest, read_at_ms: performance.now() });
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
      return await this.#readFiles(await this.manifest(ref));
    } catch (error) {
      // Somebody may have replaced its files meanwhile.
      this.#manifests.delete(ref.name);
      const manifest = await this.manifest(ref);
      return await this.#readFiles(manifest).catch(() => {
        throw error;
      });
    }
  }

  async #readFiles({ files, messages: count }: SegmentManifest): Promise<readonly ArchivedMessage[]> {
    const messages: ArchivedMessage[] = [];
    for (const file of files) {
      for (const row of await this.rows(file, MESSAGE_COLUMNS)) {
        const message = messageOf(row);
        if (message !== undefined) messages.push(message);
      }
    }
    if (messages.length !== count) throw damaged(files[0]?.name ?? PENDING, 'messages are missing');
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

  /**
   * Writes a segment, or replaces the one of these sequences: its files, then its manifest, then what it replaces goes.
   * Reads back what was written and compares it with `messages`. A crash leaves the archive as it was before, or as it
   * is after, with files that no manifest names: `tidy` removes them.
   */
  async write(segment: EncodedSegment, messages: readonly ArchivedMessage[]): Promise<void> {
    const { manifest, files } = segment;
    const name = manifestName(manifest.from, manifest.to);
    const former = await this.folder.get(name);
    const old = former === undefined ? [] : readManifest({ name }, former).files.map((file) => file.name);
    const pending = [...new Set([...files.keys(), ...old])];
    await this.folder.put(PENDING, Buffer.from(JSON.stringify({ manifest: name, files: pending })));
    for (const [path, bytes] of files) await this.folder.put(path, bytes);
    const read = await this.#readFiles(manifest);
    if (digestOf(read) !== digestOf(messages))
      throw damaged(manifest.files[0]?.name ?? name, 'what was read back differs');
    await this.#requireNext(manifest);
    await this.folder.put(name, Buffer.from(JSON.stringify(manifest)));
    this.#knows(name, manifest);
    this.#messages.delete(name);
    this.#known_at_ms = Number.NEGATIVE_INFINITY;
    await this.tidy();
  }

  /** Another process may have written on meanwhile, while this one stood still. */
  async #requireNext({ from, to }: SegmentManifest): Promise<void> {
    const refs = await this.segments(true);
    const isThere = refs.some((ref) => ref.from === from && ref.to === to);
    const last = refs.at(-1);
    if (isThere || last === undefined || last.to < from) return;
    throw new MillraceError(
      'archive_has_another_writer',
      `Another process has archived up to ${last.to} meanwhile; this one gives up.`,
    );
  }

  /** Removes what an interrupted write has left, or one that is done does not need any more. */
  async tidy(): Promise<void> {
    const bytes = await this.folder.get(PENDING);
    if (bytes === undefined) return;
    const { manifest: name, files } = JSON.parse(Buffer.from(bytes).toString()) as PendingWrite;
    const manifest = await this.folder.get(name);
    const kept = new Set(
      manifest === undefined ? [] : readManifest({ name }, manifest).files.map((one) => one.name),
    );
    for (const file of files) if (!kept.has(file)) await this.folder.remove(file);
    await this.folder.remove(PENDING);
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

interface PendingWrite {
  readonly manifest: string;
  readonly files: readonly string[];
}
