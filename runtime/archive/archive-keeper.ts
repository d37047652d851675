import { systemClock } from '../../engine/index.ts';
import type { Archive } from './archive.ts';
import { type ArchivedStream, type ArchiveReport, archiveOld } from './archive-run.ts';
import {
  type ErasableArchive,
  type Erased,
  type ErasedInArchive,
  type EraseRewrite,
  eraseInArchive,
} from './erase.ts';

export interface ArchiveKeeperOptions {
  readonly archive: Archive;
  readonly stream: ArchivedStream;
  /** The last sequence that the live state has committed; undefined: none. */
  readonly applied: () => number | undefined;
  /** A state is being built from the stream. */
  readonly isBuilding: () => boolean;
}

export interface ArchiveRequest {
  /** Messages that were stored before are archived, ms. */
  readonly before_ms: number;
  readonly now_ms: number;
  /** What is archived and committed leaves the stream. */
  readonly isTrimmed: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: (report: ArchiveReport) => void;
}

/** Why the stream was not trimmed, or not as far as the archive goes. */
export type TrimHold = 'not_asked' | 'nothing_archived' | 'build_running' | 'not_committed';

export interface ArchiveOutcome extends ArchiveReport {
  /** Everything up to this sequence has left the stream; null: nothing was removed by this run. */
  readonly trimmed_through: number | null;
  readonly held_back: TrimHold | null;
}

/** Archives old messages, and removes from the stream what is archived and committed. */
export class ArchiveKeeper implements ErasableArchive {
  readonly #options: ArchiveKeeperOptions;
  /** The last one that writes, or waits for that. */
  #writing: Promise<unknown> = Promise.resolve();

  constructor(options: ArchiveKeeperOptions) {
    this.#options = options;
  }

  /** What is archived now; null: nothing. */
  async status(): Promise<{ readonly url: string; readonly from: number; readonly to: number } | null> {
    const { archive } = this.#options;
    const coverage = await archive.coverage(true);
    return coverage === undefined ? null : { url: archive.folder.url, from: coverage.from, to: coverage.to };
  }

  erase(whose: Erased, rewrite?: EraseRewrite): Promise<ErasedInArchive> {
    return this.#alone(() => eraseInArchive(this.#options.archive, whose, systemClock.now(), rewrite));
  }

  /** One at a time: what is being archived was read before somebody was erased from the stream. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#writing.then(work);
    this.#writing = done.catch(() => undefined);
    return done;
  }

  /** Throws `archive_of_another_stream`, `archive_damaged`, `disk_full`, `s3_failed`, and the signal's reason. */
  run(request: ArchiveRequest): Promise<ArchiveOutcome> {
    return this.#alone(() => this.#run(request));
  }

  async #run(request: ArchiveRequest): Promise<ArchiveOutcome> {
    const { archive, stream, applied, isBuilding } = this.#options;
    const report = await archiveOld({ archive, stream, ...request });
    const outcome = (held_back: TrimHold | null, trimmed_through: number | null = null): ArchiveOutcome => ({
      ...report,
      trimmed_through,
      held_back,
    });
    if (!request.isTrimmed) return outcome('not_asked');
    const coverage = await archive.coverage(true);
    if (coverage === undefined) return outcome('nothing_archived');
    // A build reads the stream from its beginning: what goes from under it would be missing in the new state.
    if (isBuilding()) return outcome('build_running');
    const committed = applied() ?? 0;
    const through = Math.min(coverage.to, committed);
    request.signal.throwIfAborted();
    if (through >= coverage.from) await stream.trim(through + 1);
    return outcome(through < coverage.to ? 'not_committed' : null, through >= coverage.from ? through : null);
  }
}
