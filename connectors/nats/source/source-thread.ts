import { parentPort, workerData } from 'node:worker_threads';
import { asMillraceError, type StreamFacts } from '../../../engine/index.ts';
import { connectNats, type NatsLink, type NatsServer } from '../client/index.ts';
import { JetStreamSource } from './jetstream-source.ts';
import { RingWriter } from './record-ring.ts';

/** What the reading thread is told when it is made. */
export interface SourceThreadOrder {
  readonly nats: NatsServer;
  readonly stream: string;
  readonly partition: string;
  readonly filter_subjects: readonly string[];
  readonly ring: SharedArrayBuffer;
}

export type SourceThreadRequest =
  | { readonly kind: 'start'; readonly after: number }
  | { readonly kind: 'stop' };

export type SourceThreadReport =
  | { readonly kind: 'facts'; readonly facts: StreamFacts }
  | { readonly kind: 'started' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly retriable: boolean };

const TAKE_MAX_RECORDS = 1_024;
/**
 * The ring is what bridges a commit. While it is full, every message waits here as objects: few, or they all live
 * long enough to fill the old generation.
 */
const PULL_LIMITS = { buffer_max_messages: 4_096, pull_max_messages: 2_048 } as const;
/** How often a quiet source's state is shown, ms. */
const QUIET_MS = 100;
const ROOM_WAIT_MS = 50;

/** Moves records from the source into the ring until told to stop. */
async function pump(source: JetStreamSource, writer: RingWriter, isStopped: () => boolean): Promise<void> {
  while (!isStopped()) {
    const records = await source.take({ max: TAKE_MAX_RECORDS, wait_ms: QUIET_MS });
    let written = 0;
    do {
      written += writer.write(records, written);
      // Not caught up as long as anything that was taken is not in the ring.
      const state = source.state();
      if (written < records.length) writer.publish({ ...state, caughtUp: false });
      else writer.publish(state, source.passed());
      if (written < records.length) await writer.room(ROOM_WAIT_MS);
    } while (written < records.length && !isStopped());
  }
}

async function run(order: SourceThreadOrder): Promise<void> {
  const port = parentPort;
  if (port === null) return;
  const report = (message: SourceThreadReport): void => port.postMessage(message);
  let link: NatsLink | undefined;
  try {
    link = await connectNats({ ...order.nats, name: 'millrace-source' });
    const { stream, partition, filter_subjects } = order;
    const source = new JetStreamSource({
      ...{ link, stream, partition, filter_subjects },
      limits: PULL_LIMITS,
    });
    let stopped = false;
    const requests = new Promise<number | undefined>((resolve) => {
      port.on('message', (request: SourceThreadRequest) => {
        if (request.kind === 'start') resolve(request.after);
        else {
          stopped = true;
          resolve(undefined);
          void source.stop();
        }
      });
    });
    report({ kind: 'facts', facts: await source.facts() });
    const after = await requests;
    if (after !== undefined && !stopped) {
      await source.start(after);
      report({ kind: 'started' });
      await pump(source, new RingWriter(order.ring), () => stopped);
    }
    await source.stop();
    report({ kind: 'stopped' });
  } catch (thrown) {
    const { code, message, retriable } = asMillraceError(thrown);
    report({ kind: 'failed', code, message, retriable });
  } finally {
    await link?.close();
    port.close();
  }
}

await run(workerData as SourceThreadOrder);
