import { META_TABLE, monotonicNow, type Progress, readProgress } from '../../engine/index.ts';
import { type Doubt, doubtOf } from './doubt.ts';
import type { ApiPorts, StateReader, StreamEnd } from './ports.ts';
import { incarnationNumber } from './position.ts';
import { ApiError, type ProblemCode } from './problem.ts';

/** How long `force_fresh` and `min_position` wait at most. */
export const MAX_WAIT_MS = 10_000;
const POLL_MS = 10;
const SAMPLE_MS = 100;
/** Requests that wait at once. */
const MAX_WAITING = 1_000;
const MAX_SAMPLES = 4_096;

interface Sample {
  readonly head: number;
  readonly at_ms: number;
}

/** What is known of an answer's age. */
export interface Freshness {
  readonly sequence: number;
  /** Messages known to be in the stream and not in the answer; null: nothing is known of its end. */
  readonly lag_messages: number | null;
  /** The answer holds everything that was in the stream this long ago; null: that is not known. */
  readonly staleness_ms: number | null;
  /** Why nothing fresher can be had now. */
  readonly doubt?: Doubt;
  /** The state is still being built from what the stream had: the share that is applied, 0 to 1. */
  readonly catching_up?: number;
}

interface Waiter {
  readonly sequence: number;
  readonly deadline_ms: number;
  readonly done: (reached: boolean) => void;
}

/** What a demand of freshness may be refused with. */
export const FRESHNESS_PROBLEMS = [
  'freshness_unmet',
  'position_unmet',
  'position_unknown',
  'nats_disconnected',
  'pipeline_failed',
  'stream_missing',
  'stream_recreated',
  'stream_replaced',
  'stream_went_back',
  'position_ahead_of_stream',
  'position_before_stream',
  'stream_unavailable',
] as const satisfies readonly ProblemCode[];

type TrackerPorts = Pick<ApiPorts, 'reader' | 'pipeline' | 'monotonic'> & {
  readonly stream: Pick<ApiPorts['stream'], 'headHint'>;
};

/**
 * Follows how far the stream goes and how far the state has got. Each word of the server about the stream's end is kept
 * with the time at which it came; an answer is as old as the newest of these words that it covers. So a connection that
 * stands still makes answers old, a backlog does, and the time of the last commit says nothing.
 */
export class FreshnessTracker {
  readonly #ports: TrackerPorts;
  readonly #now: () => number;
  /** Rising in both members. */
  #samples: Sample[] = [];
  /** The first end of the stream that was heard of. */
  #first_head: number | undefined;
  readonly #waiting = new Set<Waiter>();
  #poll: NodeJS.Timeout | undefined;
  readonly #sampler: NodeJS.Timeout;

  constructor(ports: TrackerPorts) {
    this.#ports = ports;
    this.#now = ports.monotonic ?? monotonicNow;
    this.#sampler = setInterval(() => this.sample(), SAMPLE_MS);
    this.#sampler.unref();
    this.sample();
  }

  close(): void {
    clearInterval(this.#sampler);
    clearInterval(this.#poll);
    for (const waiter of this.#waiting) waiter.done(false);
    this.#waiting.clear();
  }

  /** Notes what is known of the stream's end now. */
  sample(): void {
    this.#note(this.applied());
  }

  #progress(): Progress | undefined {
    return this.#ports.reader()?.reader.snapshot((table) => readProgress(table(META_TABLE)));
  }

  #note(progress: Progress | undefined): void {
    const hint = this.#ports.stream.headHint();
    if (hint === undefined) return;
    this.#first_head ??= hint.sequence;
    this.#add({ head: hint.sequence, at_ms: hint.heard_at_ms });
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

  /** Why no answer can be called fresh now; undefined: nothing speaks against it. */
  get doubt(): Doubt | undefined {
    return doubtOf(this.#ports.pipeline());
  }

  /** How fresh an answer from a snapshot with this progress is. */
  of(progress: Progress | undefined): Freshness {
    this.#note(progress);
    const sequence = progress?.sequence ?? 0;
    const newest = this.#samples.at(-1);
    const covered = this.#samples.findLast(({ head }) => head <= sequence);
    const { doubt } = this;
    // Of another stream than the state's, times and numbers mean nothing.
    const isFollowed = doubt?.isFinal !== true;
    const isKnown = isFollowed && covered !== undefined;
    const isHeard = doubt === undefined && newest !== undefined;
    const catching_up = isFollowed && !isKnown ? this.#share(sequence) : undefined;
    return {
      sequence,
      lag_messages: isHeard ? Math.max(0, newest.head - sequence) : null,
      staleness_ms: isKnown ? Math.max(0, this.#now() - covered.at_ms) : null,
      ...(doubt === undefined ? {} : { doubt }),
      ...(catching_up === undefined ? {} : { catching_up }),
    };
  }

  #share(sequence: number): number | undefined {
    const first = this.#first_head;
    if (first === undefined || first === 0) return undefined;
    // Whole per mille: an answer's `meta` is no place for fifteen digits.
    return Math.min(0.999, Math.floor((1_000 * sequence) / first) / 1_000);
  }

  /** The server has told where the stream ends, since this process began. */
  get hasHeard(): boolean {
    return this.#ports.stream.headHint() !== undefined;
  }

  /** The committed state, of which stream it is and how far. */
  applied(): Progress | undefined {
    try {
      return this.#progress();
    } catch {
      return undefined;
    }
  }

  /** Whether the state has applied `sequence`. */
  reached(sequence: number): boolean {
    return (this.applied()?.sequence ?? 0) >= sequence;
  }

  /** Waits until the state has applied `sequence`, at most MAX_WAIT_MS; false when it has not by then, or never will. */
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

  #check(): void {
    const applied = this.applied()?.sequence ?? 0;
    const isOver = this.doubt?.isFinal === true;
    const now_ms = performance.now();
    for (const waiter of this.#waiting) {
      const reached = applied >= waiter.sequence;
      if (!reached && !isOver && now_ms < waiter.deadline_ms) continue;
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
  /** Of the stream that `min_sequence` is of; undefined: the one that is there. */
  readonly min_incarnation?: number;
}

/**
 * Waits as `force_fresh` and `min_position` ask, once for both; 503 after MAX_WAIT_MS, and at once while the pipeline has
 * failed, NATS does not answer, or the stream is not the one that the state was made from.
 */
export async function awaitFreshness(
  ports: Pick<ApiPorts, 'stream' | 'reader'>,
  tracker: FreshnessTracker,
  wish: FreshnessWish,
): Promise<void> {
  const { force_fresh, min_sequence = 0, min_incarnation } = wish;
  if (!force_fresh && wish.min_sequence === undefined && wish.max_staleness_ms === undefined) return;
  refuseDoubt(tracker);
  if (!force_fresh && wish.min_sequence === undefined) return;
  const of = incarnationNumber(tracker.applied()?.incarnation ?? '');
  const isOfState = of !== undefined && of === min_incarnation;
  if (!force_fresh && isOfState && tracker.reached(min_sequence)) return;
  // Asked for before any waiting: what counts is the stream as it was when the request arrived.
  const end = await ports.stream.head();
  requireStream(tracker.applied(), end);
  const known = incarnationNumber(end.incarnation);
  const isOfStream = min_incarnation === undefined || known === undefined || known === min_incarnation;
  if (!isOfStream || min_sequence > end.sequence) {
    const message = isOfStream
      ? `The stream ends at ${end.sequence}; ask for a position that POST /ingest returned.`
      : 'The position is of a stream that was deleted since: what it had is not in this one. Publish its events again.';
    throw new ApiError('position_unknown', message, { errors: [{ path: 'min_position', message }] });
  }
  const reached = await tracker.reach(force_fresh ? end.sequence : min_sequence);
  refuseDoubt(tracker);
  requireStream(tracker.applied(), end);
  if (reached) return;
  if (!tracker.reached(min_sequence)) {
    throw new ApiError('position_unmet', waited(`position ${min_sequence} is applied`), { retryAfter_s: 1 });
  }
  throw new ApiError(
    'freshness_unmet',
    waited('everything is applied that was in the stream when the request arrived'),
    { retryAfter_s: 1 },
  );
}

function refuseDoubt(tracker: FreshnessTracker): void {
  const { doubt } = tracker;
  if (doubt?.isRefused === true) throw new ApiError(doubt.problem, doubt.message, { retryAfter_s: 1 });
}

/** Sequence numbers of another stream are numbers of other events. */
function requireStream(state: Progress | undefined, end: StreamEnd): void {
  if (state === undefined || state.incarnation === end.incarnation) return;
  throw new ApiError(
    'stream_recreated',
    `The stream was deleted and created again (${end.incarnation}); the state is of the one of ${state.incarnation}. ` +
      'Restore the stream from its backup, or rebuild the state; GET /health tells more.',
    { retryAfter_s: 1 },
  );
}

function waited(what: string): string {
  return `Waited ${MAX_WAIT_MS / 1_000} s until ${what}, in vain. GET /health and /diagnostics tell why; ask again later.`;
}

/** Refuses an answer that is older than `max_staleness` allows. */
export function requireFreshness(freshness: Freshness, max_staleness_ms: number | undefined): void {
  if (max_staleness_ms === undefined) return;
  const { doubt, staleness_ms, lag_messages } = freshness;
  if (doubt?.isRefused === true) throw new ApiError(doubt.problem, doubt.message, { retryAfter_s: 1 });
  if (staleness_ms !== null && staleness_ms <= max_staleness_ms) return;
  const age = staleness_ms === null ? 'of an age that is not known' : `${Math.round(staleness_ms)} ms old`;
  const behind = lag_messages === null ? '' : ` (${lag_messages} messages behind)`;
  throw new ApiError(
    'freshness_unmet',
    `The data are ${age}${behind}, max_staleness allows ${max_staleness_ms} ms. Ask again later, allow more, or ` +
      'use force_fresh to wait.',
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
