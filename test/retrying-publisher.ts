import { setTimeout as sleep } from 'node:timers/promises';
import { connectNats, type EventMessage, EventPublisher, type NatsServer } from '../connectors/index.ts';

export interface PublishPlan {
  /** Where the server is now; waits while it is nowhere. */
  readonly target: () => Promise<NatsServer>;
  readonly chunk: number;
  /** Pause after each chunk, ms. */
  readonly pause_ms: number;
  /** Called after each chunk that the stream has stored. */
  readonly onProgress?: (published: number) => void;
}

/**
 * Publishes every message at least once, in order, however often the server goes away: a chunk that was
 * not confirmed is published again.
 */
export async function publishRetrying(messages: readonly EventMessage[], plan: PublishPlan): Promise<void> {
  let published = 0;
  while (published < messages.length) {
    const server = await plan.target();
    const link = await connectNats({ ...server, name: 'test-publisher', connect_timeout_ms: 500 }).catch(
      () => undefined,
    );
    if (link === undefined) continue;
    const publisher = new EventPublisher(link, { attempt_timeout_ms: 500, total_timeout_ms: 1_000 });
    try {
      while (published < messages.length) {
        const chunk = messages.slice(published, published + plan.chunk);
        await publisher.publishAll(chunk);
        published += chunk.length;
        plan.onProgress?.(published);
        await sleep(plan.pause_ms);
      }
    } catch {
      // Not confirmed is not "not stored": it may now be in the stream twice, which is part of the test.
    } finally {
      await link.close();
    }
  }
}
