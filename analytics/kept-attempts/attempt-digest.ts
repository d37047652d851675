import { ByteWriter, type KvView } from '../../engine/index.ts';
import { AttemptView } from './attempt-view.ts';

/**
 * The attempts of a definition that begin at `cut_ms` or later, as bytes: a function of the multiset of them. Entries
 * before it are forgotten.
 */
export function* logicalAttempts(table: KvView, id: number, cut_ms: number): Iterable<Uint8Array> {
  let at_ms = Number.NaN;
  let tied: string[] = [];
  for (const block of new AttemptView(table, id).blocks(Math.max(cut_ms, 0), Number.POSITIVE_INFINITY)) {
    while (block.next()) {
      const { time_ms, after_ms, until_ms, reached, durations, durationsAt } = block;
      if (time_ms < cut_ms) continue;
      if (time_ms !== at_ms) {
        yield* sorted(tied);
        tied = [];
        at_ms = time_ms;
      }
      const steps = Array.from(durations.subarray(durationsAt, durationsAt + reached - 1));
      tied.push(JSON.stringify([time_ms, after_ms < cut_ms ? null : after_ms, until_ms, steps]));
    }
  }
  yield* sorted(tied);
}

function* sorted(lines: string[]): Iterable<Uint8Array> {
  for (const line of lines.sort()) yield new ByteWriter().string(line).copy();
}
