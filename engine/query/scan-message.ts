import type { Progress } from '../meta.ts';
import type { LmdbReaderOptions } from '../store-lmdb.ts';
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

export type ToThread =
  | { readonly say: 'run'; readonly run: ScanTask; readonly flag: SharedArrayBuffer }
  | { readonly say: 'stop' };

export type FromThread =
  | { readonly say: 'done'; readonly result: ScanResult; readonly busy_ms: number }
  | { readonly say: 'failed'; readonly error: SentError; readonly busy_ms: number };

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
