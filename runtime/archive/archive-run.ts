import type { ArchivedMessage } from '../../analytics/index.ts';
import { MillraceError, type Source, type SourceRecord } from '../../engine/index.ts';
import type { Archive } from './archive.ts';
import type { ArchiveWriter } from './archive-writer.ts';
import { encodeSegment } from './segment.ts';

/** Messages of one segment: it is read, and rebuilt from, in memory. */
export const SEGMENT_MAX_MESSAGES = 20_000;
/** Bytes of their payloads. */
export const SEGMENT_MAX_BYTES = 32 * 1_024 * 1_024;
const TAKE_MESSAGES = 1_000;
const TAKE_WAIT_MS = 250;

/** The stream, as the archive needs it. */
export interface ArchivedStream {
  /** A source of all its messages, not begun yet. */
  open(): Source;
  /** Removes everything before this sequence. */
  trim(before: number): Promise<void>;
}

export interface ArchiveRunOptions {
  readonly writer: ArchiveWriter;
  readonly stream: ArchivedStream;
  /** Messages that were stored before are archived, ms. */
  readonly before_ms: number;
  readonly now_ms: number;
  readonly signal: AbortSignal;
  readonly onProgress: (report: ArchiveReport) => void;
  /** Messages and bytes of one segment; default: `SEGMENT_MAX_MESSAGES`, `SEGMENT_MAX_BYTES`. */
  readonly limits?: { readonly max_messages: number; readonly max_bytes: number };
}

/** What a run has done. Plain data. */
export interface ArchiveReport {
  readonly segments: number;
  readonly messages: number;
  /** Events, and parts of messages that are none. */
  readonly rows: number;
  readonly files: number;
  readonly bytes: number;
  /** Everything up to this sequence is archived. */
  readonly archived_through: number;
  /** Sequences that had left the stream before they were archived. */
  readonly missed: { readonly first: number; readonly last: number } | null;
}

/**
 * Archives messages that are old enough, a segment at a time, each complete or not there. Goes on behind the last
 * segment, so a run that was interrupted loses nothing and doubles nothing. Throws `archive_of_another_stream`,
 * and what the writer throws.
 */
export async function archiveOld(options: ArchiveRunOptions): Promise<ArchiveReport> {
  const { writer, stream, signal } = options;
  const { archive } = writer;
  const source = stream.open();
  try {
    const facts = await source.facts();
    const coverage = await archive.coverage(true);
    if (coverage !== undefined && coverage.incarnation !== facts.incarnation)
      throw otherStream(archive, facts.stream);
    const through = coverage?.to ?? facts.firstSequence - 1;
    if (coverage !== undefined && coverage.to > facts.lastSequence) throw otherStream(archive, facts.stream);
    const missed =
      through + 1 < facts.firstSequence ? { first: through + 1, last: facts.firstSequence - 1 } : null;
    let report: ArchiveReport = {
      ...{ segments: 0, messages: 0, rows: 0, files: 0, bytes: 0 },
      ...{ archived_through: through, missed },
    };
    const after = Math.max(through, facts.firstSequence - 1);
    // What was removed before its turn is said in the report, and no reason to archive nothing.
    await source.start(after, true);
    const reader = new SegmentReader(source, after, facts.lastSequence, options);
    for (;;) {
      signal.throwIfAborted();
      const found = await reader.next();
      if (found === undefined) return report;
      const { span, messages } = found;
      const id = writer.next();
      const { suffix } = id;
      const segment = await encodeSegment(facts, span, messages, { now_ms: options.now_ms, suffix });
      signal.throwIfAborted();
      await writer.write(id, segment, messages);
      const { files, rows } = segment.manifest;
      report = {
        ...report,
        segments: report.segments + 1,
        messages: report.messages + messages.length,
        rows: report.rows + rows,
        files: report.files + files.length,
        bytes: files.reduce((sum, { bytes }) => sum + bytes, report.bytes),
        archived_through: span.to,
      };
      options.onProgress(report);
    }
  } finally {
    await source.stop();
  }
}

function otherStream(archive: Archive, stream: string): MillraceError {
  return new MillraceError(
    'archive_of_another_stream',
    `The archive ${archive.folder.url} has messages of another stream than "${stream}" is now (it was deleted and made ` +
      'again, or an older copy was restored). Move that archive away, or set ARCHIVE_URL to an empty place.',
  );
}

interface Span {
  readonly from: number;
  readonly to: number;
}

/** Reads a stream in pieces that become segments. */
class SegmentReader {
  readonly #source: Source;
  readonly #last: number;
  readonly #options: ArchiveRunOptions;
  #next: number;
  #held: ArchivedMessage[] = [];
  #isOver = false;

  constructor(source: Source, after: number, last: number, options: ArchiveRunOptions) {
    this.#source = source;
    this.#next = after + 1;
    this.#last = last;
    this.#options = options;
  }

  /** undefined: there is nothing more that is old enough. */
  async next(): Promise<{ readonly span: Span; readonly messages: readonly ArchivedMessage[] } | undefined> {
    const { max_messages = SEGMENT_MAX_MESSAGES, max_bytes = SEGMENT_MAX_BYTES } = this.#options.limits ?? {};
    const messages: ArchivedMessage[] = [];
    let bytes = 0;
    while (messages.length < max_messages && bytes < max_bytes) {
      const message = await this.#message();
      if (message === undefined) break;
      messages.push(message);
      bytes += message.data.length;
    }
    const last = messages.at(-1);
    if (last === undefined) return undefined;
    const span = { from: this.#next, to: last.sequence };
    this.#next = last.sequence + 1;
    return { span, messages };
  }

  async #message(): Promise<ArchivedMessage | undefined> {
    const { signal, before_ms } = this.#options;
    while (this.#held.length === 0 && !this.#isOver) {
      signal.throwIfAborted();
      const records = await this.#source.take({ max: TAKE_MESSAGES, wait_ms: TAKE_WAIT_MS });
      for (const record of records) {
        const stored_ms = record.stored_ms ?? Number.POSITIVE_INFINITY;
        this.#isOver ||= record.sequence > this.#last || stored_ms >= before_ms;
        if (!this.#isOver) this.#held.push(copyOf(record, stored_ms));
        if (record.sequence >= this.#last) this.#isOver = true;
      }
      if (records.length === 0 && this.#source.state().caughtUp) this.#isOver = true;
    }
    return this.#held.shift();
  }
}

/** A record is valid until the next take, and may lie in memory that threads share. */
function copyOf(record: SourceRecord, stored_ms: number): ArchivedMessage {
  const { sequence, subject, data } = record;
  return {
    ...{ sequence, stored_ms, subject, data: Uint8Array.from(data) },
    headers: record.hasHeaders ? [...(record.headers?.() ?? [])] : [],
  };
}
