import { parentPort, workerData } from 'node:worker_threads';
import {
  asMillraceError,
  type SequenceRange,
  type StreamFacts,
  StreamGapError,
  type StreamMark,
} from '../../../engine/index.ts';
import { connectNats, type NatsLink, type NatsServer } from '../client/index.ts';
import { JetStreamSource } from './jetstream-source.ts';
import { RingWriter } from './record-ring.ts';

/** What the reading thread is told when it is made. */
export interface SourceThreadOrder {
  readonly nats: NatsServer;
  readonly stream: string;
  readonly partition: string;
  readonly filter_subjects: readonly string[];
  readonly gaps: StreamFacts['gaps'];
  readonly ring: SharedArrayBuffer;
}

export type SourceThreadRequest =
  | { readonly kind: 'start'; readonly after: number; readonly isFresh: boolean }
  | { readonly kind: 'marks'; readonly sequences: readonly number[] }
  | { readonly kind: 'stop' };

export type SourceThreadReport =
  | { readonly kind: 'facts'; readonly facts: StreamFacts }
  | { readonly kind: 'marks'; readonly marks: ReadonlyMap<number, StreamMark> }
  | { readonly kind: 'started'; readonly isDirect: boolean }
  | { readonly kind: 'stopped' }
  | {
      readonly kind: 'failed';
      readonly code: string;
      readonly message: string;
      readonly retriable: boolean;
      readonly gap?: SequenceRange;
    };

/**
 * The ring is what bridges a commit. While it is full, every message waits here as an object: few, or they all live
 * long enough to fill the old generation.
 */
const PULL_LIMITS = { buffer_max_messages: 4_096, pull_max_messages: 2_048 } as const;
/** How often a quiet source's state is shown, ms. */
const QUIET_MS = 100;
const ROOM_WAIT_MS = 50;

/** Moves records from the source into the ring until told to stop. */
async function pump(source: JetStreamSource, ring: RingWriter, isStopped: () => boolean): Promise<void> {
  while (!isStopped()) if (!(await source.forward(QUIET_MS))) await ring.room(ROOM_WAIT_MS);
}

async function run(order: SourceThreadOrder): Promise<void> {
  const port = parentPort;
  if (port === null) return;
  const report = (message: SourceThreadReport): void => port.postMessage(message);
  let link: NatsLink | undefined;
  try {
    link = await connectNats({ ...order.nats, name: 'millrace-source' });
    const { stream, partition, filter_subjects, gaps } = order;
    const ring = new RingWriter(order.ring);
    const source = new JetStreamSource({
      ...{ link, stream, partition, filter_subjects },
      ...(gaps === undefined ? {} : { gaps }),
      limits: PULL_LIMITS,
      sink: ring,
    });
    let stopped = false;
    const requests = new Promise<(SourceThreadRequest & { kind: 'start' }) | undefined>((resolve) => {
      port.on('message', (request: SourceThreadRequest) => {
        if (request.kind === 'start') resolve(request);
        else if (request.kind === 'marks') {
          void source
            .marksAt(request.sequences)
            .catch(() => new Map<number, StreamMark>())
            .then((marks) => report({ kind: 'marks', marks }));
        } else {
          stopped = true;
          resolve(undefined);
          void source.stop();
        }
      });
    });
    report({ kind: 'facts', facts: await source.facts() });
    const wanted = await requests;
    if (wanted !== undefined && !stopped) {
      await source.start(wanted.after, wanted.isFresh);
      report({ kind: 'started', isDirect: source.diagnostics().isDirect });
      await pump(source, ring, () => stopped);
    }
    await source.stop();
    report({ kind: 'stopped' });
  } catch (thrown) {
    const { code, message, retriable } = asMillraceError(thrown);
    const gap = thrown instanceof StreamGapError ? { gap: thrown.gap } : {};
    report({ kind: 'failed', code, message, retriable, ...gap });
  } finally {
    await link?.close();
    port.close();
  }
}

await run(workerData as SourceThreadOrder);
