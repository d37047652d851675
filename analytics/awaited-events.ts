import type { KvStore, KvView } from '../engine/index.ts';
import {
  type AwaitedEvents,
  awaitMissing,
  type LackingRange,
  passOnAwaited,
  readAwaited,
} from '../operators/index.ts';
import { OPERATORS } from './topology.ts';

type Tables = (id: string) => KvView;

const operator = OPERATORS.dedup;

/** Events that the state before this one had and it lacks; undefined: none that is known. */
export function readAwaitedEvents(table: Tables): AwaitedEvents | undefined {
  return readAwaited(table(`${operator}/awaited`));
}

/** Has a state that was built anew wait for the events that the former one knew and it does not; how many there are. */
export function awaitLostEvents(
  former: Tables,
  store: KvStore,
  lacking: LackingRange & { readonly found_at_ms: number },
): number {
  return awaitMissing({ former, store, operator }, lacking);
}

/** Has a state that knows the same events as the former one wait for what that waits for. */
export function passOnAwaitedEvents(former: Tables, store: KvStore): void {
  passOnAwaited({ former, store, operator });
}
