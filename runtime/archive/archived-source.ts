import { type ArchivedMessage, headerOf } from '../../analytics/index.ts';
import type { Source, SourceRecord, SourceState, StreamFacts, StreamMark, Take } from '../../engine/index.ts';
import type { Archive } from './archive.ts';

/**
 * A stream with what it had before: messages that have left it come from the archive, the others from the stream. So to
 * a task the stream begins where the archive does.
 */
export class ArchivedSource implements Source {
  readonly partition: string;
  readonly isWhole?: boolean;
  readonly #source: Source;
  readonly #archive: Archive;
  readonly #position: () => number | undefined;
  /** Of the stream alone. */
  #own: StreamFacts | undefined;
  #facts: StreamFacts | undefined;
  #waiting: readonly ArchivedMessage[] = [];
  #given = 0;
  #sequence = 0;
  #isOfStream = false;

  /** `position`: where the state stands; undefined where it has read nothing. */
  constructor(source: Source, archive: Archive, position: () => number | undefined) {
    this.partition = source.partition;
    if (source.isWhole !== undefined) this.isWhole = source.isWhole;
    this.#source = source;
    this.#archive = archive;
    this.#position = position;
  }

  async facts(): Promise<StreamFacts> {
    this.#own = await this.#source.facts();
    this.#facts = await this.#withArchive(this.#own);
    return this.#facts;
  }

  async #withArchive(facts: StreamFacts): Promise<StreamFacts> {
    const next = (this.#position() ?? 0) + 1;
    // The archive is not asked for what the stream still has: it may be away.
    if (next >= facts.firstSequence) return facts;
    const coverage = await this.#archive.coverage(true);
    const isOfIt = coverage?.incarnation === facts.incarnation && coverage.to >= next;
    if (!isOfIt || coverage.from >= facts.firstSequence) return facts;
    return { ...facts, firstSequence: coverage.from };
  }

  /** Of messages that have left the stream nothing is said. */
  async marksAt(sequences: readonly number[]): Promise<ReadonlyMap<number, StreamMark>> {
    return (await this.#source.marksAt?.(sequences)) ?? new Map();
  }

  async start(after: number, isFresh?: boolean): Promise<void> {
    this.#sequence = after;
    const own = this.#own ?? (await this.#source.facts());
    const isArchived = after + 1 < own.firstSequence && this.#facts?.firstSequence !== own.firstSequence;
    if (isArchived) return;
    this.#isOfStream = true;
    await this.#source.start(after, isFresh);
  }

  async take(request: Take): Promise<readonly SourceRecord[]> {
    if (this.#isOfStream) return await this.#source.take(request);
    while (this.#given >= this.#waiting.length) {
      const after = this.#sequence;
      // Looked for each time: what leaves the stream meanwhile is in the archive by then.
      const next = (await this.#archive.segments(true)).find(({ to }) => to > after);
      if (next === undefined) {
        this.#waiting = [];
        this.#isOfStream = true;
        await this.#source.start(after);
        return await this.#source.take(request);
      }
      this.#waiting = (await this.#archive.messages(next)).filter(({ sequence }) => sequence > after);
      this.#given = 0;
      // Messages at its end may have been gone before it was written.
      this.#sequence = Math.max(this.#sequence, next.to);
    }
    const some = this.#waiting.slice(this.#given, this.#given + request.max);
    this.#given += some.length;
    return some.map(recordOf);
  }

  state(): SourceState {
    if (this.#isOfStream) return this.#source.state();
    const headSequence = this.#facts?.lastSequence ?? 0;
    return { headSequence, caughtUp: false, connected: true, skipped: 0 };
  }

  passed(): number | undefined {
    return this.#isOfStream ? this.#source.passed?.() : undefined;
  }

  async stop(): Promise<void> {
    await this.#source.stop();
    await this.#archive.close();
  }
}

function recordOf(message: ArchivedMessage): SourceRecord {
  const { sequence, stored_ms, subject, data, headers } = message;
  return {
    ...{ sequence, stored_ms, subject, data },
    hasHeaders: headers.length > 0,
    header: (name) => headerOf(message, name),
    headers: () => headers,
  };
}
