import type { CellReport, CellsOfInterest } from '../../analytics/index.ts';
import type { ThreadOrder } from '../host/index.ts';
import type { Goal, ReadProgress } from './rebuild.ts';

/** What a build's thread is told first. Plain data. */
export interface BuildOrder extends Omit<ThreadOrder, 'allowTopologyChange' | 'takesDefinitions'> {
  /** The state that it is to take the place of. */
  readonly live: Pick<ThreadOrder, 'config' | 'statePath'>;
  /** Where there is not enough time for all, the live task and answers come first. */
  readonly isPatient: boolean;
  /** Of `Pace`: what share of a core a patient build has. */
  readonly pace: SharedArrayBuffer;
}

/** Marks the data of a thread as an order of this kind. */
export interface BuildThreadData {
  readonly millrace: 'generation-build';
  readonly order: BuildOrder;
}

export type BuildRequestMessage =
  /** Reads on to there. */
  | { readonly do: 'read'; readonly goal: Goal }
  /** Reads on to where the live state is now, and compares the two there. */
  | { readonly do: 'compare' }
  /** Compares the cells of the two, where both hold the same messages. */
  | { readonly do: 'cells'; readonly of: CellsOfInterest }
  /** Where event time followed the clock in the live state, it does here. */
  | { readonly do: 'follow' }
  /** Where the two hold the same messages: waits for the lost events that the live state waits for. */
  | { readonly do: 'inherit' }
  | { readonly do: 'cancel' }
  | { readonly do: 'close' };

export interface Comparison {
  readonly same: boolean;
  /** Tables whose content differs. */
  readonly different: readonly string[];
}

/** What a request has found. */
export interface Found {
  readonly comparison?: Comparison;
  /** null: the live state went on too fast to be compared with. */
  readonly cells?: CellReport | null;
}

export type BuildReport =
  | { readonly kind: 'progress'; readonly inputs: readonly ReadProgress[]; readonly applied: number }
  /** The last thing that it was told is done. */
  | { readonly kind: 'done'; readonly found: Found; readonly applied: number }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly retriable: boolean };
