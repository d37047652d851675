import { setTimeout as sleep } from 'node:timers/promises';
import {
  DEFAULT_OUTBOX_LIMITS,
  type KvStore,
  META_TABLE,
  OUTBOX_TABLE,
  Outbox,
  openLmdbStore,
  type Publisher,
  readProgress,
} from '../../engine/index.ts';

const POLL_MS = 10;

/**
 * Sends what a state still owes to the outside, once its task has been stopped. Ids are those that the task would
 * have sent with, so that a repeat is harmless. Ends early, with what `requireGoingOn` throws.
 */
export async function drainOutbox(
  statePath: string,
  publisher: Publisher,
  requireGoingOn: () => void,
): Promise<void> {
  const store = openLmdbStore(statePath);
  try {
    await drainStore(store, publisher, requireGoingOn);
  } finally {
    await store.close();
  }
}

/** The same of a state that is open. */
export async function drainStore(
  store: KvStore,
  publisher: Publisher,
  requireGoingOn: () => void,
): Promise<void> {
  const next = readProgress(store.table(META_TABLE))?.outbox_next ?? 0;
  // What the receiver refuses for good is left out, as the task does.
  const outbox = new Outbox(store.table(OUTBOX_TABLE), publisher, next, DEFAULT_OUTBOX_LIMITS, {
    refused: () => undefined,
  });
  try {
    outbox.pump();
    while (outbox.owed > 0) {
      requireGoingOn();
      await sleep(POLL_MS);
    }
  } finally {
    outbox.stop();
  }
}
