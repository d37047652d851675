import type { SourceState } from '../../../engine/index.ts';
import type { Frame } from './frame.ts';
import type { NatsRecord } from './record.ts';

/** Takes records where they lie, without an object for each. */
export interface RecordSink {
  /** False when there is no room for it now: then nothing was written. */
  writeFrame(sequence: number, stored_ms: number, frame: Frame): boolean;
  write(record: NatsRecord): boolean;
  /** Shows what was written, how the source is, and `passed` as in `Source`; 0 when nothing is known. */
  publish(state: SourceState, passed: number): void;
}
