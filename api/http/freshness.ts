import { META_TABLE, type Progress, readProgress } from '../../engine/index.ts';
import { ORDER_INPUT, WHOLE_STREAM } from '../../runtime/index.ts';
import type { ApiPorts, StateReader } from './ports.ts';
import { ApiError } from './problem.ts';

/** How long `force_fresh` and `min_position` wait at most. */
export const MAX_WAIT_MS = 10_000;
const POLL_MS = 10;
const SAMPLE_MS = 100;
/** Requests that wait at once. */
const MAX_WAITING = 1_000;
const MAX_SAMPLES = 4_096;

/** The stream that positions are of, and the partition of it that this service answers for. */
export const EVENTS_STREAM = ORDER_INPUT.stream;
export const PARTITION = WHOLE_STREAM;

interface Sample {
  readonly head: number;
  readonly at_ms: number;
}

/** What is known of an answer's age. */
export interface Freshness {
  readonly sequence: number;
  /** Messages known to be in the stream and not in the answer. */
  readonly lag_messages: number;
  /** The answer holds everything that was in the stream this long ago. */
  readonly staleness_ms: number;
  /** False while nothing that was seen of the stream is known to be in the answer: the age is at least this. */
  readonly known: boolean;
}

interface Waiter {
  readonly sequence: number;
  readonly deadline_ms: number;
  readonly done: (reached: boolean) => void;
}

/**
 * Follows how far the stream goes and how far the state has got. Each time the stream's end is seen it
 * notes when; an answer is as old as the newest of these notes that it covers. Unlike the age of the
 * last commit, this stays true while the state works off a backlog.
 */
export class FreshnessTracker {
  readonly #ports: Pick<ApiPorts, 'clock' | 'reader' | 'stream'>;
  /** Rising in both members. */
  #samples: Sample[] = [];
  readonly #started_at_ms: number;
  readonly #waiting = new Set<Waiter>();
  #poll: NodeJS.Timeout | undefined;
  readonly #sampler: NodeJS.Timeout;

  constructor(ports: Pick<ApiPorts, 'clock' | 'reader' | 'stream'>) {
    this.#ports = ports;
    this.#started_at_ms = ports.clock.now();
    this.#sampler = setInterval(() => this.sample(), SAMPLE_MS);
    this.#sampler.unref();
  }

  close(): void {
    clearInterval(this.#sampler);
    clearInterval(this.#poll);
    for (const waiter of this.#waiting) waiter.done(false);
    this.#waiting.clear();
  }

  /** Notes what is known of the stream's end now. */
  sample(): void {
    try {
      const progress = this.#progress();
      this.#note(progress);
    } catch {
      // The state cannot be read just now: the next sample may.
    }
  }

  #progress(): Progress | undefined {
    return this.#ports.reader()?.reader.snapshot((table) => readProgress(table(META_TABLE)));
  }

  #note(progress: Progress | undefined): void {
    const hint = this.#ports.stream.headHint();
    const seen: Sample[] = [];
    if (progress !== undefined) seen.push({ head: progress.head, at_ms: progress.committed_at_ms });
    if (hint !== undefined) seen.push({ head: hint.sequence, at_ms: hint.observed_at_ms });
    for (const sample of seen.sort((a, b) => a.at_ms - b.at_ms)) this.#add(sample);
    const applied = progress?.sequence ?? 0;
    // Of those that the state covers only the newest matters.
    const covered = this.#samples.findLastIndex(({ head }) => head <= applied);
    if (covered > 0) this.#samples.splice(0, covered);
    if (this.#samples.length > MAX_SAMPLES) {
      this.#samples = this.#samples.filter(
        (_, index) => index % 2 === 0 || index === this.#samples.length - 1,
      );
    }
  }

  #add(sample: Sample): void {
    const last = this.#samples.at(-1);
    if (last === undefined) this.#samples.push(sample);
    else if (sample.at_ms < last.at_ms || (sample.at_ms === last.at_ms && sample.head === last.head)) return;
    else if (sample.head > last.head) this.#samples.push(sample);
    // The same end seen again, later; an end that is known to be passed cannot have been seen.
    else if (sample.head === last.head) this.#samples[this.#samples.length - 1] = sample;
  }

  /** How fresh an answer from a snapshot with this progress is. */
  of(progress: Progress | undefined): Freshness {
    this.#note(progress);
    const now_ms = this.#ports.clock.now();
    const sequence = progress?.sequence ?? 0;
    const newest = this.#samples.at(-1)?.head ?? 0;
    const covered = this.#samples.findLast(({ head }) => head <= sequence);
    const since_ms = covered?.at_ms ?? Math.min(this.#started_at_ms, progress?.committed_at_ms ?? now_ms);
    return {
      sequence,
      lag_messages: Math.max(0, newest - sequence),
      staleness_ms: Math.max(0, now_ms - since_ms),
      known: covered !== undefined,
    };
  }

  /** Whether the state has applied `sequence`. */
  reached(sequence: number): boolean {
    return (this.#applied() ?? -1) >= sequence;
  }

  /** Waits until the state has applied `sequence`, at most MAX_WAIT_MS; false when it has not by then. */
  async reach(sequence: number): Promise<boolean> {
    if (this.reached(sequence)) return true;
    if (this.#waiting.size >= MAX_WAITING) {
      throw new ApiError(
        'too_busy',
        `${MAX_WAITING} requests wait for fresh data already. Try again shortly.`,
        {
          retryAfter_s: 1,
        },
      );
    }
    return new Promise((resolve) => {
      // Real time, not the clock's: this is how long a caller is kept, whatever the events say.
      this.#waiting.add({ sequence, deadline_ms: performance.now() + MAX_WAIT_MS, done: resolve });
      this.#poll ??= setInterval(() => this.#check(), POLL_MS);
    });
  }

  #applied(): number | undefined {
    try {
      return this.#progress()?.sequence ?? 0;
    } catch {
      return undefined;
    }
  }

  #check(): void {
    const applied = this.#applied();
    const now_ms = performance.now();
    for (const waiter of this.#waiting) {
      const reached = applied !== undefined && applied >= waiter.sequence;
      if (!reached && now_ms < waiter.deadline_ms) continue;
      this.#waiting.delete(waiter);
      waiter.done(reached);
    }
    if (this.#waiting.size === 0) {
      clearInterval(this.#poll);
      this.#poll = undefined;
    }
  }
}

export interface FreshnessWish {
  readonly max_staleness_ms?: number;
  readonly force_fresh: boolean;
  /** Sequence in EVENTS that has to be applied. */
  readonly min_sequence?: number;
}

/** Waits as `force_fresh` and `min_position` ask, once for both; 503 after MAX_WAIT_MS. */
export async function awaitFreshness(
  ports: Pick<ApiPorts, 'stream' | 'reader'>,
  tracker: FreshnessTracker,
  wish: FreshnessWish,
): Promise<void> {
  const { force_fresh, min_sequence = 0 } = wish;
  if (!force_fresh && (wish.min_sequence === undefined || tracker.reached(min_sequence))) return;
  // Asked for before any waiting: what counts is the stream as it was when the request arrived.
  const head = await ports.stream.head();
  if (min_sequence > head) {
    const message = `The stream ends at ${head}; ask for a position that POST /ingest returned.`;
    throw new ApiError('position_unknown', message, { errors: [{ path: 'min_position', message }] });
  }
  if (await tracker.reach(force_fresh ? head : min_sequence)) return;
  if (!tracker.reached(min_sequence)) {
    throw new ApiError('position_unmet', waited(`position ${min_sequence} is applied`), { retryAfter_s: 1 });
  }
  throw new ApiError(
    'freshness_unmet',
    waited('everything is applied that was in the stream when the request arrived'),
    { retryAfter_s: 1 },
  );
}

function waited(what: string): string {
  return `Waited ${MAX_WAIT_MS / 1_000} s until ${what}, in vain. GET /health and /diagnostics tell why; ask again later.`;
}

/** Refuses an answer that is older than `max_staleness` allows. */
export function requireFreshness(freshness: Freshness, max_staleness_ms: number | undefined): void {
  if (max_staleness_ms === undefined) return;
  const { known, staleness_ms, lag_messages } = freshness;
  if (known && staleness_ms <= max_staleness_ms) return;
  throw new ApiError(
    'freshness_unmet',
    `The data are ${known ? '' : 'at least '}${staleness_ms} ms old (${lag_messages} messages behind), ` +
      `max_staleness allows ${max_staleness_ms} ms. Ask again later, allow more, or use force_fresh to ` +
      'wait.',
    { retryAfter_s: 1 },
  );
}

/** The state to read from; 503 before there is one. */
export function requireReader(ports: Pick<ApiPorts, 'reader'>): StateReader {
  const state = ports.reader();
  if (state !== undefined) return state;
  throw new ApiError('state_not_ready', 'The state is being opened. Ask again in a moment.', {
    retryAfter_s: 1,
  });
}

/** A position that asks for everything up to `sequence`. */
export function positionOf(sequence: number): Record<string, Record<string, number>> {
  return { [EVENTS_STREAM]: { [PARTITION]: sequence } };
}
