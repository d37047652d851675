import { invariant } from '../../engine/index.ts';
import type { Granularity } from '../../operators/index.ts';
import { MIN_EVENT_TIME_MS } from '../events/index.ts';
import { GRANULARITIES } from '../model/index.ts';
import type { TimeBuckets } from './time.ts';

/** What the cells of a stretch count for. It begins where the part before it ends. */
export interface SegmentPart {
  readonly end_ms: number;
  /** The output bucket that they are added to. */
  readonly addTo: number | undefined;
  /** The output bucket that they are taken from. */
  readonly takeFrom: number | undefined;
}

/** A stretch of time that is read in one scan of cells of one width. Half-open, whole cells. */
export interface PlanSegment {
  /** Index in GRANULARITIES. */
  readonly granularity: number;
  readonly start_ms: number;
  readonly end_ms: number;
  readonly parts: readonly SegmentPart[];
}

interface Piece {
  readonly granularity: number;
  readonly start_ms: number;
  readonly end_ms: number;
  readonly addTo: number | undefined;
  readonly takeFrom: number | undefined;
}

const WIDEST = GRANULARITIES.length - 1;

/**
 * Covers each output bucket exactly with the widest cells. With `subtract`, a bucket that is no whole
 * number of widest cells is made of those nearest to it, and what sticks out is taken away again: a
 * day of London's summer is a UTC day, less its last hour, plus the last hour of the day before, so 5
 * times a day's cells of 1d are read instead of 96. That is right for sums only.
 */
export function tileBuckets({ edges_ms, length }: TimeBuckets, subtract: boolean): PlanSegment[] {
  const pieces: Piece[] = [];
  for (let bucket = 0; bucket < length; bucket++) {
    // Nothing lies before the first possible event time, where zones had offsets of odd seconds.
    const start_ms = Math.max(edges_ms[bucket] as number, MIN_EVENT_TIME_MS);
    const end_ms = edges_ms[bucket + 1] as number;
    if (subtract) tileNearest(pieces, bucket, start_ms, end_ms);
    else tileInside(pieces, bucket, WIDEST, start_ms, end_ms);
  }
  return joined(subtract ? paired(pieces) : pieces);
}

function widthOf(granularity: number): number {
  return (GRANULARITIES[granularity] as Granularity).bucket_ms;
}

/** Whole cells of the widest kind inside, narrower ones at the edges. */
function tileInside(
  pieces: Piece[],
  bucket: number,
  granularity: number,
  start_ms: number,
  end_ms: number,
  sign: 1 | -1 = 1,
): void {
  if (start_ms >= end_ms) return;
  invariant(granularity >= 0, 'every bound of a bucket is a whole minute');
  const width_ms = widthOf(granularity);
  const from_ms = Math.ceil(start_ms / width_ms) * width_ms;
  const to_ms = Math.floor(end_ms / width_ms) * width_ms;
  if (from_ms >= to_ms) {
    tileInside(pieces, bucket, granularity - 1, start_ms, end_ms, sign);
    return;
  }
  tileInside(pieces, bucket, granularity - 1, start_ms, from_ms, sign);
  const into = sign === 1 ? { addTo: bucket, takeFrom: undefined } : { addTo: undefined, takeFrom: bucket };
  pieces.push({ granularity, start_ms: from_ms, end_ms: to_ms, ...into });
  tileInside(pieces, bucket, granularity - 1, to_ms, end_ms, sign);
}

/** The nearest whole cells of the widest kind, and the differences at the edges. */
function tileNearest(pieces: Piece[], bucket: number, start_ms: number, end_ms: number): void {
  const width_ms = widthOf(WIDEST);
  const from_ms = Math.round(start_ms / width_ms) * width_ms;
  const to_ms = Math.round(end_ms / width_ms) * width_ms;
  const edges_ms = Math.abs(start_ms - from_ms) + Math.abs(end_ms - to_ms);
  if (from_ms >= to_ms || edges_ms >= end_ms - start_ms) {
    tileInside(pieces, bucket, WIDEST, start_ms, end_ms);
    return;
  }
  tileInside(pieces, bucket, WIDEST - 1, start_ms, from_ms);
  tileInside(pieces, bucket, WIDEST - 1, from_ms, start_ms, -1);
  pieces.push({
    granularity: WIDEST,
    start_ms: from_ms,
    end_ms: to_ms,
    addTo: bucket,
    takeFrom: undefined,
  });
  tileInside(pieces, bucket, WIDEST - 1, to_ms, end_ms);
  tileInside(pieces, bucket, WIDEST - 1, end_ms, to_ms, -1);
}

/** What one bucket takes away and its neighbour adds is read once. Sorted by granularity and time. */
function paired(pieces: readonly Piece[]): Piece[] {
  const byStretch = new Map<string, Piece>();
  for (const piece of pieces) {
    const id = `${piece.granularity} ${piece.start_ms} ${piece.end_ms}`;
    const other = byStretch.get(id);
    if (other === undefined) {
      byStretch.set(id, piece);
      continue;
    }
    const addTo = other.addTo ?? piece.addTo;
    byStretch.set(id, { ...other, addTo, takeFrom: other.takeFrom ?? piece.takeFrom });
  }
  return [...byStretch.values()].sort((a, b) => b.granularity - a.granularity || a.start_ms - b.start_ms);
}

/** Pieces that follow each other are one scan. */
function joined(pieces: readonly Piece[]): PlanSegment[] {
  const segments: { granularity: number; start_ms: number; end_ms: number; parts: SegmentPart[] }[] = [];
  for (const { granularity, start_ms, end_ms, addTo, takeFrom } of pieces) {
    const part = { end_ms, addTo, takeFrom };
    const last = segments.at(-1);
    if (last?.granularity === granularity && last.end_ms === start_ms) {
      last.end_ms = end_ms;
      last.parts.push(part);
    } else {
      segments.push({ granularity, start_ms, end_ms, parts: [part] });
    }
  }
  return segments;
}
