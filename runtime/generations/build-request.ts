import type { CellReport, CellsOfInterest } from '../../analytics/index.ts';
import type { OrderOptions } from '../orders/index.ts';
import type { BuildProgress } from './build-meter.ts';

export interface BuildRequest {
  /** What the new generation has otherwise than the current one; `{}` builds the same again. Kept with it. */
  readonly options: OrderOptions;
  /** Why, for whoever finds an interrupted build. With `options` it says which build goes on. */
  readonly reason: string;
  /** Aborting it cancels the build: what was built is removed, and the current generation stays. */
  readonly signal?: AbortSignal;
  /** Aborting `signal` interrupts the build: what was built stays, and the same request goes on; default: false. */
  readonly keepAborted?: boolean;
  readonly onProgress?: (progress: BuildProgress) => void;
  /** Makes it current also where it holds other events than the live state; default: false. */
  readonly acceptDifferent?: boolean;
  /**
   * Makes it current also where what is derived from the events differs from the live state, as after a change of the
   * code; default: false.
   */
  readonly mayDiffer?: boolean;
  /** Keeps the generation that it takes the place of, to go back to; default: false. */
  readonly keepFormer?: boolean;
  /** Leaves it ready beside the current one, which stays; default: false. */
  readonly leaveReady?: boolean;
  /** Compares the cells of the two states; absent: only tables are compared. */
  readonly cells?: CellsOfInterest;
}

export interface BuiltGeneration {
  readonly generation: number;
  /** The one that was current before. */
  readonly replaced: number;
  /** Records that were applied by this process, for the build. */
  readonly records: number;
  /** As the live state was, when they were compared. */
  readonly same: boolean;
  /** Tables that differed. Those whose content the options decide may. */
  readonly different: readonly string[];
  /** Of the cells that were asked about; null: the live state went on too fast to be compared with. */
  readonly cells: CellReport | null;
  /** It is current. */
  readonly isActive: boolean;
  /** How long nothing was applied during the change, ms; 0 where there was none. */
  readonly pause_ms: number;
}

/** A generation that lies on the disk. */
export interface GenerationInfo {
  readonly generation: number;
  readonly state: 'current' | 'building' | 'interrupted' | 'ready' | 'former';
  readonly reason: string;
  readonly options: OrderOptions;
  readonly started_at_ms: number;
  /** When it became ready, or was replaced. */
  readonly since_ms: number | undefined;
  /** Last sequence of the stream that is in it; undefined: not known. */
  readonly position: number | undefined;
  readonly size_bytes: number;
}
