import { ByteWriter, type KvView } from '../../engine/index.ts';
import { ATTEMPT, AttemptRows } from './attempt-rows.ts';
import { AttemptView } from './attempt-view.ts';

/** Of any definition. */
const MAX_DURATIONS = 31;

/**
 * The attempts of a definition that begin at `cut_ms` or later, as bytes: a function of the multiset of them. Entries
 * before it are forgotten.
 */
export function* logicalAttempts(table: KvView, id: number, cut_ms: number): Iterable<Uint8Array> {
  let at_ms = Number.NaN;
  let tied: string[] = [];
  for (const block of new AttemptView(table, id).blocks(Math.max(cut_ms, 0), Number.POSITIVE_INFINITY)) {
    const rows = new AttemptRows(MAX_DURATIONS);
    block.readInto(rows, cut_ms);
    const { values, stride } = rows;
    for (let at = 0; at < rows.count * stride; at += stride) {
      const [time_ms, after_ms, until_ms, reached] = values.subarray(at, at + ATTEMPT.durations);
      if (time_ms !== at_ms) {
        yield* sorted(tied);
        tied = [];
        at_ms = time_ms as number;
      }
      const steps = values.subarray(at + ATTEMPT.durations, at + ATTEMPT.durations + (reached as number) - 1);
      const after = (after_ms as number) < cut_ms ? null : after_ms;
      tied.push(JSON.stringify([time_ms, after, until_ms, ...steps]));
    }
  }
  yield* sorted(tied);
}

function* sorted(lines: string[]): Iterable<Uint8Array> {
  for (const line of lines.sort()) yield new ByteWriter().string(line).copy();
}
