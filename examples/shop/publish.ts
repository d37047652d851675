import { MillraceError } from '../../engine/index.ts';
import { ask, type Service, untilApplied } from './client.ts';
import { BASE } from './endpoints.ts';
import type { ShopEvent } from './event.ts';

/** Events of one request. */
const BATCH = 1_000;

/** Sends events in, and waits until they count. Sent again, they change nothing: their ids are known. */
export async function publishShop(
  service: Service,
  events: readonly ShopEvent[],
  progress: (done: number) => void = () => {},
): Promise<void> {
  let position: unknown;
  for (let from = 0; from < events.length; from += BATCH) {
    const batch = events.slice(from, from + BATCH);
    const answer = await ask(service, 'POST', `${BASE}/ingest`, batch);
    const [first] = answer.rejected as readonly unknown[];
    if (first !== undefined)
      throw new MillraceError('rejected', `An event was refused: ${JSON.stringify(first)}`);
    position = answer.position;
    progress(from + batch.length);
  }
  if (position !== undefined) await untilApplied(service, position);
}
