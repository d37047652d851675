import { type MetricSample, systemClock } from '../../engine/index.ts';
import type { Archive } from './archive.ts';
import type { ArchiveMetrics } from './archive-metrics.ts';
import { type ArchivedStream, type ArchiveReport, archiveOld } from './archive-run.ts';
import { ArchiveWriter } from './archive-writer.ts';
import {
  type ErasableArchive,
  type Erased,
  type ErasedInArchive,
  type ErasedRanges,
  type EraseRewrite,
  eraseInArchive,
} from './erase.ts';
import { encodeSegment } from './segment.ts';
import type { WriterLock } from './writer-lock.ts';

export interface ArchiveKeeperOptions {
  readonly archive: Archive;
  /** Of all processes that write it. */
  readonly lock: Pick<WriterLock, 'hold'>;
  readonly stream: ArchivedStream;
  /** The last sequence that the live state has committed; undefined: none. */
  readonly applied: () => number | undefined;
  /** A state is being built from the stream. */
  readonly isBuilding: () => boolean;
  readonly metrics?: ArchiveMetrics;
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

/** How long the end of the archive is taken for known by metrics, ms. */
const END_KNOWN_MS = 30_000;

/** Whether ranges cover a span that is not empty. */
function isCovered(
  { from, to }: { readonly from: number; readonly to: number },
  ranges: ReturnType<ErasedRanges>,
): boolean {
  let next = from;
  for (const { first, last } of ranges.toSorted((a, b) => a.first - b.first))
    if (first <= next && last >= next) next = last + 1;
  return from <= to && next > to;
}

/** Waits for what never rejects. Throws the signal's reason. */
async function untilAborted(turn: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return void (await turn);
  signal.throwIfAborted();
  let wake: () => void = () => undefined;
  const aborted = new Promise<void>((resolve) => {
    wake = resolve;
  });
  signal.addEventListener('abort', wake, { once: true });
  await Promise.race([turn, aborted]);
  signal.removeEventListener('abort', wake);
  signal.throwIfAborted();
}

/** Archives old messages, and removes from the stream what is archived and committed. */
export class ArchiveKeeper implements ErasableArchive {
  readonly #options: ArchiveKeeperOptions;
  /** The last one that writes, or waits for that. */
  #writing: Promise<unknown> = Promise.resolve();
  #looked_at_ms = Number.NEGATIVE_INFINITY;

  constructor(options: ArchiveKeeperOptions) {
    this.#options = options;
  }

  /** What this process does with the archive, and where that ends, as it was known a moment ago. */
  samples(): readonly MetricSample[] {
    const { metrics } = this.#options;
    if (metrics === undefined) return [];
    if (performance.now() - this.#looked_at_ms > END_KNOWN_MS) {
      this.#looked_at_ms = performance.now();
      // What fails is counted.
      void this.#tellEnd().catch(() => undefined);
    }
    return metrics.samples();
  }

  async #tellEnd(): Promise<void> {
    const { archive, metrics } = this.#options;
    const last = (await archive.segments()).at(-1);
    if (last === undefined) return;
    const { stored_to_ms, messages } = await archive.manifest(last);
    metrics?.endsAt({ position: last.to, stored_ms: messages === 0 ? undefined : stored_to_ms });
  }

  /** What is archived now; null: nothing. */
  async status(): Promise<{ readonly url: string; readonly from: number; readonly to: number } | null> {
    const { archive } = this.#options;
    const coverage = await archive.coverage(true);
    return coverage === undefined ? null : { url: archive.folder.url, from: coverage.from, to: coverage.to };
  }

  erase(
    whose: Erased,
    rewrite?: EraseRewrite,
    gone?: ErasedRanges,
    signal?: AbortSignal,
  ): Promise<ErasedInArchive> {
    return this.#alone(signal, async (writer) => {
      const now_ms = systemClock.now();
      const erased = await eraseInArchive(writer, whose, now_ms, rewrite, signal);
      if (gone !== undefined) await this.#cover(writer, gone, now_ms);
      return erased;
    });
  }

  /**
   * Messages behind the archive's end that were erased before they were archived: where the stream does not begin there
   * any more because of them, the archive says so in an empty segment, and nobody takes them for lost.
   */
  async #cover(writer: ArchiveWriter, gone: ErasedRanges, now_ms: number): Promise<void> {
    const { archive, stream } = this.#options;
    const coverage = await archive.coverage(true);
    if (coverage === undefined) return;
    const source = stream.open();
    try {
      const facts = await source.facts();
      const span = { from: coverage.to + 1, to: facts.firstSequence - 1 };
      if (facts.incarnation !== coverage.incarnation || !isCovered(span, gone(facts.incarnation))) return;
      const erased = Array.from({ length: span.to - span.from + 1 }, (_, at) => span.from + at);
      const id = writer.next();
      const { suffix } = id;
      await writer.write(id, await encodeSegment(facts, span, [], { now_ms, erased, suffix }), []);
    } finally {
      await source.stop();
    }
  }

  /**
   * One at a time, of this process and of all: what is being archived was read before somebody was erased from the
   * stream. Who waits for its turn and is aborted waits no longer, and the next one still waits for who has it.
   */
  #alone<T>(signal: AbortSignal | undefined, work: (writer: ArchiveWriter) => Promise<T>): Promise<T> {
    const { archive, lock } = this.#options;
    const turn = this.#writing;
    const done = untilAborted(turn, signal).then(() =>
      lock.hold(
        signal,
        () => ArchiveWriter.lastEpoch(archive),
        async (lease) => await work(await ArchiveWriter.open(archive, lease)),
      ),
    );
    // Nothing of it is kept: each would hold the one before it.
    this.#writing = Promise.all([turn, done.catch(() => undefined)]).then(() => undefined);
    return done;
  }

  /** Throws `archive_has_another_writer`, `archive_of_another_stream`, `archive_damaged`, `disk_full`, `s3_failed`, and the signal's reason. */
  run(request: ArchiveRequest): Promise<ArchiveOutcome> {
    return this.#alone(request.signal, (writer) => this.#run(request, writer));
  }

  async #run(request: ArchiveRequest, writer: ArchiveWriter): Promise<ArchiveOutcome> {
    const { archive, stream, applied, isBuilding } = this.#options;
    const { metrics } = this.#options;
    let told: ArchiveReport | undefined;
    const onProgress = (now: ArchiveReport): void => {
      metrics?.wrote(told, now);
      told = now;
      request.onProgress(now);
    };
    const report = await archiveOld({ writer, stream, ...request, onProgress });
    await this.#tellEnd();
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
    // What the archive says here it says for whoever writes it next, so it may leave the stream, also much later.
    await writer.confirm();
    if (through >= coverage.from) await stream.trim(through + 1);
    return outcome(through < coverage.to ? 'not_committed' : null, through >= coverage.from ? through : null);
  }
}
