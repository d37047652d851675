import { ByteWriter, type KvTable, type KvView } from '../../engine/index.ts';
import type { NormalMark } from './watched-rule.ts';

/** How far a rule is. Plain data. */
export interface RunProgress {
  readonly version: string;
  /** The first window that is not judged. */
  readonly next: number;
  /** Where it starts. */
  readonly judged_until_ms: number;
  readonly marks: readonly NormalMark[];
  /** Groups to be judged again, with the first window that was corrected. */
  readonly corrected?: readonly (readonly [group: string, index: number])[];
  /** Events came in it whose silence is not looked at again. */
  readonly unheard?: Stretch;
}

/** A stretch of time, ms. */
export interface Stretch {
  readonly from_ms: number;
  readonly to_ms: number;
}

const progressKey = (slot: number): Uint8Array => new ByteWriter().u32(slot).copy();

/** How far the rule of a cube is: the first window that is not judged, and of which version; undefined: not begun. */
export function readRunProgress(progress: KvView, slot: number): RunProgress | undefined {
  const stored = progress.get(progressKey(slot));
  return stored === undefined ? undefined : (JSON.parse(Buffer.from(stored).toString()) as RunProgress);
}

export function writeRunProgress(progress: KvTable, slot: number, is: RunProgress): void {
  progress.put(progressKey(slot), Buffer.from(JSON.stringify(is)));
}
