import { awaitLostEvents } from '../analytics/index.ts';
import {
  asMillraceError,
  type KvReader,
  type KvStore,
  META_TABLE,
  readGaps,
  systemClock,
} from '../engine/index.ts';
import { type Goal, ORDER_INPUT, type Reached } from '../runtime/index.ts';
import type { CommandContext } from './command.ts';

interface Lost {
  /** It does not go on meanwhile. */
  readonly former: KvReader;
  readonly store: KvStore;
  readonly reached: Reached;
  readonly end: Goal;
  readonly context: CommandContext;
}

/** Has the new state wait for the events that the former one knew and the stream has lost. */
export function awaitLost({ former, store, reached, end, context }: Lost): void {
  const { stream, incarnation, sequence } = reached.progress;
  try {
    const events = former.snapshot((table) => {
      const gaps = readGaps(table(META_TABLE)).filter(({ kind }) => kind !== 'removed');
      const behind = end[ORDER_INPUT.node] ?? 0;
      // What is not in the stream any more lies there, where anybody has said so.
      const firsts = [...gaps.map(({ first }) => first), ...(behind < sequence ? [behind + 1] : [])];
      const first = firsts.length === 0 ? 1 : Math.min(...firsts);
      const range = { stream, incarnation, first, last: sequence, found_at_ms: systemClock.now() };
      return awaitLostEvents(table, store, range);
    });
    if (events === 0) return;
    context.note(
      `The former state had ${events} events that the stream has lost: publish them again. GET /gaps counts those ` +
        'that are missing (`not_rebuilt`).',
    );
  } catch (error) {
    const { code } = asMillraceError(error);
    context.note(
      `What the former state knew cannot be read (${code}): nobody says which events are missing.`,
    );
  }
}
