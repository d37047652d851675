import type { Clock } from '../base/index.ts';
import { StreamGapError } from '../edges/index.ts';
import type { Notice } from '../graph/index.ts';
import type { KvStore } from '../state/index.ts';
import { GapBoard, type GapKind, readGaps } from './gaps.ts';
import type { Inputs } from './inputs.ts';
import { META_TABLE, readProgress } from './meta.ts';

/** What an error of the stream says of the messages that it names. */
const GAP_KINDS: Readonly<Record<string, GapKind>> = {
  position_ahead_of_stream: 'lost',
  position_before_stream: 'removed',
  stream_replaced: 'replaced',
};
/** Where a gap is written down. */
interface GapPlace {
  readonly store: KvStore;
  readonly clock: Clock;
  /** Of several sources an error does not say which: the first stands for them. */
  readonly node: string;
}

/** Does some work of a task; what its error says the stream has lost is committed before it is thrown on. */
export async function namingGaps(place: GapPlace, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof StreamGapError) writeGap(place, error);
    throw error;
  }
}

function writeGap({ store, clock, node }: GapPlace, { code, gap }: StreamGapError): void {
  const meta = store.table(META_TABLE);
  const progress = readProgress(meta);
  const board = new GapBoard(readGaps(meta));
  board.add({
    ...{ ...gap, kind: GAP_KINDS[code] ?? 'lost', node, messages: gap.last - gap.first + 1 },
    ...{ stream: progress?.stream ?? '', incarnation: progress?.incarnation ?? '' },
    noticed_at_ms: clock.now(),
  });
  store.transaction(() => board.flush(store.table(META_TABLE)));
}

/** What of the inputs was gone before this start. */
export function gapNotices(inputs: Inputs): readonly Notice[] {
  return inputs.all.flatMap(({ node, facts, gap }) => {
    if (gap === undefined) return [];
    const { from, through, messages } = gap;
    const detail = { source: node, from, through, messages };
    return [{ kind: 'gap_skipped', scope: facts.stream, sequence: through, detail }];
  });
}
