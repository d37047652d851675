import type { CellReport, CellsOfInterest } from '../../analytics/index.ts';
import type { NatsServer } from '../../connectors/index.ts';

export interface RecountRequest {
  /** Whole UTC days of one tenant are counted. */
  readonly of: CellsOfInterest & { readonly tenant: string };
  /** Says what it would put right, and changes nothing. */
  readonly isDry: boolean;
  readonly signal?: AbortSignal;
  /** Days of cubes that are counted, and how many there are. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface RecountOutcome {
  readonly generation: number;
  /** What was stored, and what the log says. */
  readonly cells: CellReport;
  /** Cells that were put right. */
  readonly fixed: number;
  /** Rows of the log that were read. */
  readonly rows: number;
  /** Days of cubes that were counted. */
  readonly days: number;
}

/** What the thread is told. Plain data. */
export interface RecountOrder extends Pick<RecountRequest, 'of' | 'isDry'> {
  readonly statePath: string;
  /** Declared dimensions of that state. */
  readonly custom: readonly string[];
  readonly nats: NatsServer;
  readonly pace: SharedArrayBuffer;
}

/** Marks the data of a thread as an order of this kind. */
export interface RecountThreadData {
  readonly millrace: 'recount';
  readonly order: RecountOrder;
}

export type RecountReport =
  | { readonly kind: 'progress'; readonly done: number; readonly total: number }
  | { readonly kind: 'done'; readonly outcome: Omit<RecountOutcome, 'generation'> }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly retriable: boolean };
