import type { LmdbReaderOptions } from '../state/index.ts';
import type { Progress } from '../task/index.ts';
import type { PlanHead } from './kind.ts';
import type { QueryLimits } from './limits.ts';
import type { SentError } from './run-error.ts';

/** What a scan thread opens and loads. */
export interface ScanThreadOrder {
  readonly path: string;
  readonly reader: LmdbReaderOptions;
  /** Modules that export `queryKinds`, by absolute URL. */
  readonly modules: readonly string[];
  /** Plain data for `queryKinds`. */
  readonly config: unknown;
  /** Its units are short, and somebody waits for them: it has the priority of an ordinary thread. Default: a lower one. */
  readonly isUrgent?: boolean;
}

/** What a thread gets from its pool, beside the order. */
export interface ScanThreadData extends ScanThreadOrder {
  /** One number: units that the thread was sent while it ran another one. */
  readonly calls: SharedArrayBuffer;
}

interface TaskBase {
  readonly kind: string;
  readonly scope: string;
  readonly now_ms: number;
  readonly limits: QueryLimits;
}

/** One immutable part of a plan, added to `sum`, which was another thread's until now. */
export interface PartTask extends TaskBase {
  readonly task: 'part';
  readonly progress: Progress | undefined;
  readonly head: PlanHead;
  readonly work: unknown;
  readonly sum: Uint8Array | undefined;
}

/** Merges what the threads have, and finishes it where the kind wants that here. */
export interface FinishTask extends TaskBase {
  readonly task: 'finish';
  readonly progress: Progress | undefined;
  readonly head: PlanHead;
  readonly sums: readonly Uint8Array[];
}

/** Plans and runs everything in one snapshot. */
export interface WholeTask extends TaskBase {
  readonly task: 'whole';
  readonly query: unknown;
}

export type ScanTask = PartTask | FinishTask | WholeTask;

/** A partial answer, or the answer where it was finished in the thread. */
export type Outcome =
  | { readonly done: false; readonly bytes: Uint8Array | undefined }
  | { readonly done: true; readonly answer: unknown };

export interface PartResult {
  readonly task: 'part';
  readonly bytes: Uint8Array;
}

export interface FinishResult {
  readonly task: 'finish';
  readonly outcome: Outcome;
}

export interface WholeResult {
  readonly task: 'whole';
  readonly head: PlanHead;
  readonly progress: Progress | undefined;
  readonly outcome: Outcome;
}

export type ScanResult = PartResult | FinishResult | WholeResult;

/** `id` comes back with the answer: a thread may have two units, of which it runs the later one first. */
export type ToThread =
  | {
      readonly say: 'run';
      readonly id: number;
      readonly run: ScanTask;
      readonly flag: SharedArrayBuffer;
      /** It was sent while another one ran, and called for. */
      readonly isBetween: boolean;
    }
  | { readonly say: 'stop' };

interface Told {
  readonly id: number;
  /** Without that of a unit between. */
  readonly busy_ms: number;
}

export type FromThread =
  | ({ readonly say: 'done'; readonly result: ScanResult } & Told)
  | ({ readonly say: 'failed'; readonly error: SentError } & Told);

/**
 * Bytes that may be handed to another thread as they are. A part of a larger buffer is copied: the rest of it
 * may be in use, and Node's small buffers share one.
 */
export function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength) {
    return new Uint8Array(buffer);
  }
  return new Uint8Array(bytes);
}
