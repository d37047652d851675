/**
 * How far a channel has come: all rows of the input up to `sequence`, and the first `ahead` rows that the channel has of
 * the input record `sequence + 1`. So the rows of one record may lie in several blocks.
 */
export interface Place {
  readonly sequence: number;
  readonly ahead: number;
}

/** Where every channel begins. */
export const CHANNEL_START: Place = { sequence: 0, ahead: 0 };

export function comparePlaces(a: Place, b: Place): number {
  return a.sequence - b.sequence || a.ahead - b.ahead;
}

/** As people read it. */
export function placeText({ sequence, ahead }: Place): string {
  return ahead === 0 ? String(sequence) : `${sequence}+${ahead}`;
}
