import { MillraceError } from '../base/index.ts';

/** Sequences of a stream, both inclusive. */
export interface SequenceRange {
  readonly first: number;
  readonly last: number;
}

/** The stream has lost messages that were acknowledged, or has others in their places: says which. */
export class StreamGapError extends MillraceError {
  readonly gap: SequenceRange;

  constructor(code: string, message: string, gap: SequenceRange) {
    super(code, message);
    this.gap = gap;
  }
}
