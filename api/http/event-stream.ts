import { type Counter, type MetricSample, Metrics } from '../../engine/index.ts';
import { ApiError } from './problem.ts';

/** Streams of events that are open at once: of all callers, and of one key. */
const STREAMS_MAX = 5_000;
export const STREAMS_OF_KEY_MAX = 20;
/** Between two signs of life on a stream that has nothing to say, ms. */
const HEARTBEAT_MS = 15_000;
/** Signs of life that a client does not take before it is dropped: a minute. Nothing is buffered for it meanwhile. */
const STALLED_HEARTBEATS = 4;
/** When a client may come again after its stream broke, ms. */
const RETRY_MS = 2_000;

export interface ServerEvent {
  readonly event: string;
  /** Names the state that it tells: a client that comes again says which it has seen. */
  readonly id: string;
  readonly data: unknown;
}

const utf8 = new TextEncoder();

/** `text/event-stream` answers (the HTML standard's server-sent events), counted, and ended when the service stops. */
export class EventStreams {
  readonly #open = new Map<string, number>();
  readonly #stop = new AbortController();
  readonly #heartbeat_ms: number;
  readonly #metrics = new Metrics();
  readonly #dropped: Counter;
  #all = 0;

  constructor({ heartbeat_ms = HEARTBEAT_MS }: { readonly heartbeat_ms?: number } = {}) {
    this.#heartbeat_ms = heartbeat_ms;
    this.#metrics.gauge('millrace.http.event_streams', 'Event streams that are open', () => this.#all);
    const most = 'Event streams that may be open at once';
    this.#metrics.gauge('millrace.http.event_streams.limit', most, () => STREAMS_MAX);
    const help = 'Event streams that were closed because their client took nothing';
    this.#dropped = this.#metrics.counter('millrace.http.event_streams.dropped', help);
  }

  samples(): MetricSample[] {
    return this.#metrics.samples();
  }

  /** Ends all streams; clients come again, to another process or the next one. */
  close(): void {
    this.#stop.abort();
  }

  /**
   * The body of a stream of what `follow` yields, until that ends, the client leaves or the service stops. One event
   * is made at a time, when the client has taken the former; one that takes none for a minute is left, and may come
   * again. 429 `too_many_streams`.
   */
  stream(
    key: string,
    follow: (signal: AbortSignal) => AsyncGenerator<ServerEvent>,
    of_key_max = STREAMS_OF_KEY_MAX,
  ): ReadableStream<Uint8Array> {
    const own = this.#open.get(key) ?? 0;
    if (this.#all >= STREAMS_MAX || own >= of_key_max) {
      const whose = own >= of_key_max ? 'Of this key' : 'Of the service';
      throw new ApiError(
        'too_many_streams',
        `${whose} as many event streams are open as may be. Close one, or ask for the status instead.`,
        { retryAfter_s: 10 },
      );
    }
    this.#all++;
    this.#open.set(key, own + 1);
    const left = new AbortController();
    const events = follow(AbortSignal.any([left.signal, this.#stop.signal]));
    let heartbeat: NodeJS.Timeout | undefined;
    let isOpen = true;
    let stalled = 0;
    const end = (): void => {
      if (!isOpen) return;
      isOpen = false;
      clearInterval(heartbeat);
      left.abort();
      this.#leave(key);
      // One that is not being asked would wait for ever where it is, and keep what it holds.
      events.return(undefined).catch(() => undefined);
    };
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        controller.enqueue(utf8.encode(`retry: ${RETRY_MS}\n\n`));
        heartbeat = setInterval(() => {
          if ((controller.desiredSize ?? 0) > 0) {
            stalled = 0;
            controller.enqueue(utf8.encode(': alive\n\n'));
            return;
          }
          // A client that takes nothing gets no more signs of life either; its place is for others.
          if (++stalled < STALLED_HEARTBEATS) return;
          this.#dropped.add();
          end();
          controller.error(new Error('The client of an event stream takes nothing.'));
        }, this.#heartbeat_ms).unref();
      },
      pull: async (controller) => {
        stalled = 0;
        try {
          const { done, value } = await events.next();
          if (!isOpen) return;
          if (done !== true) return controller.enqueue(utf8.encode(textOf(value)));
          end();
          controller.close();
        } catch (error) {
          end();
          throw error;
        }
      },
      cancel: () => end(),
    });
  }

  #leave(key: string): void {
    this.#all--;
    const left = (this.#open.get(key) ?? 1) - 1;
    if (left === 0) this.#open.delete(key);
    else this.#open.set(key, left);
  }
}

function textOf({ event, id, data }: ServerEvent): string {
  return `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
