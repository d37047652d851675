import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { JetStreamManager } from '@nats-io/jetstream';
import {
  asMillraceError,
  invariant,
  MillraceError,
  monotonicNow,
  type Source,
  type SourceState,
  type StreamFacts,
  type StreamMark,
  type Take,
} from '../../../engine/index.ts';
import {
  describe,
  isStreamNotFound,
  type NatsLink,
  openManager,
  streamFacts,
  untilConnected,
} from '../client/index.ts';
import { createConsumer, newConsumerName } from './consumer.ts';
import type { Delivery } from './delivery.ts';
import type { Frame } from './frame.ts';
import { DEFAULT_PULL_LIMITS, type PullLimits } from './pull-limits.ts';
import { PullSession } from './pull-session.ts';
import type { NatsRecord } from './record.ts';
import { RecordBuffer } from './record-buffer.ts';
import type { RecordSink } from './record-sink.ts';
import type { SourceDiagnostics } from './source-diagnostics.ts';
import { closedError, layoutError, missingError, named, wentBackError } from './source-errors.ts';
import { checkContinuity } from './stream-continuity.ts';
import { marksOf, StreamTrail } from './stream-trail.ts';
import { SubjectFilter } from './subject-filter.ts';

/** Which stream a `JetStreamSource` reads, and by which connection. */
export interface JetStreamSourceOptions {
  readonly link: NatsLink;
  readonly stream: string;
  /** The partition's name in positions; default `0`. */
  readonly partition?: string;
  /** Reads only what matches one of them, see `SubjectFilter`; then gaps are normal and `skipped` stays 0. */
  readonly filter_subjects?: readonly string[];
  /** What becomes of messages that are gone unread, see `StreamFacts`; default: an error. A KV bucket's are `normal`. */
  readonly gaps?: StreamFacts['gaps'];
  /** Of a partition: how the stream has to divide keys. It is part of positions, and looked at with each consumer. */
  readonly layout?: string;
  readonly limits?: Partial<PullLimits>;
  /** Where records go with `forward`, in place of `take`. */
  readonly sink?: RecordSink;
}

const BACKOFF_FIRST_MS = 50;
const BACKOFF_MAX_MS = 2_000;
/**
 * Attempts with the name of one consumer. Where the server that it was given to has ended, a request for it is never
 * answered, however often it is repeated: another name may be given to another server.
 */
const NAME_MAX_ATTEMPTS = 2;
/** How long a lost connection is waited for before looking whether this was stopped, ms. */
const RECONNECT_LOOK_MS = 500;
const STOP_TIMEOUT_MS = 1_000;
/** The longest that takes served from the buffer hold the event loop, ms. */
const HOLD_MAX_MS = 5;

/**
 * One JetStream stream as a source: a nameless consumer without acknowledgements, since the position is
 * the task's. Survives the server, the connection and the consumer going away; ends with a named error
 * when the stream is another one or has lost what was not read.
 */
export class JetStreamSource implements Source {
  readonly partition: string;
  readonly #options: JetStreamSourceOptions;
  readonly #limits: PullLimits;
  readonly #filter: SubjectFilter;
  readonly #hasGaps: boolean;
  readonly #buffer = new RecordBuffer();
  readonly #stopping = new AbortController();
  readonly #trail = new StreamTrail();
  #manager: JetStreamManager | undefined;
  #known: StreamFacts | undefined;
  #session: PullSession | undefined;
  #consumer: string | undefined;
  /** How often a consumer of this name was asked for in vain. */
  #nameFailures = 0;
  #supervision: Promise<void> | undefined;
  #failure: MillraceError | undefined;
  #wake: (() => void) | undefined;
  /** No record up to here is still to be received; 0 before the first. */
  #received = 0;
  /** No record has come, and none had come before. */
  #isFresh = false;
  #head = 0;
  #pending = 0;
  /** When the server last said what the stream's end is; undefined before. */
  #heard_at_ms: number | undefined;
  #skipped = 0;
  #recreations = 0;
  #problem: string | undefined;
  #held_since_ms = 0;

  constructor(options: JetStreamSourceOptions) {
    this.#options = options;
    this.partition = options.partition ?? '0';
    this.#limits = { ...DEFAULT_PULL_LIMITS, ...options.limits };
    this.#filter = new SubjectFilter(options.filter_subjects ?? []);
    this.#hasGaps = options.gaps === 'normal' || !this.#filter.isWhole;
  }

  /** Throws `stream_missing`, `stream_unavailable`, `nats_server_too_old`, `jetstream_disabled`. */
  async facts(): Promise<StreamFacts> {
    try {
      const { stream, layout } = this.#options;
      const facts = await streamFacts(await this.#openManager(), stream, layout !== undefined);
      this.#known ??= facts;
      const { gaps } = this.#options;
      return gaps === undefined ? facts : { ...facts, gaps };
    } catch (error) {
      throw named(error, this.#options.stream);
    }
  }

  /** It reads all subjects of a stream whose messages do not replace one another. */
  get isWhole(): boolean {
    return !this.#hasGaps;
  }

  async marksAt(sequences: readonly number[]): Promise<ReadonlyMap<number, StreamMark>> {
    return await marksOf(await this.#openManager(), this.#options.stream, sequences);
  }

  async #openManager(): Promise<JetStreamManager> {
    this.#manager ??= await openManager(this.#options.link);
    return this.#manager;
  }

  /** Resolves when the first consumer is there; throws what keeps it from being made. Once only. */
  async start(after: number, isFresh = false): Promise<void> {
    invariant(this.#supervision === undefined, 'a source is started once');
    if (this.#known === undefined) await this.facts();
    this.#received = after;
    this.#isFresh = isFresh;
    try {
      this.#supervision = this.#supervise(await this.#openSession());
    } catch (error) {
      throw named(error, this.#options.stream);
    }
  }

  /** Keeps a session open until stopped, or until going on would be wrong. Does not throw. */
  async #supervise(first: PullSession): Promise<void> {
    const { link } = this.#options;
    const unwatch = link.onStatus((status) => {
      if (status !== 'connected') this.#session?.end('the connection was lost');
    });
    let session: PullSession | undefined = first;
    let backoff_ms = BACKOFF_FIRST_MS;
    try {
      while (!this.#isStopped) {
        if (session !== undefined) {
          if (!link.connected) session.end('the connection was lost');
          this.#problem = await session.ended;
          if (session.hasWorked) backoff_ms = BACKOFF_FIRST_MS;
          await this.#closeSession();
        }
        if (this.#failure !== undefined) return;
        if (link.connection.isClosed()) throw closedError(link.url);
        session = undefined;
        if (!(await untilConnected(link, RECONNECT_LOOK_MS))) continue;
        await this.#pause(backoff_ms);
        backoff_ms = Math.min(2 * backoff_ms, BACKOFF_MAX_MS);
        if (!this.#isStopped) session = await this.#reopen();
      }
    } catch (error) {
      this.#failure = asMillraceError(error);
    } finally {
      unwatch();
      this.#wake?.();
      await this.#closeSession();
    }
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #pause(ms: number): Promise<void> {
    try {
      await sleep(ms, undefined, { signal: this.#stopping.signal });
    } catch (error) {
      if (!this.#isStopped) throw error;
    }
  }

  /** Undefined when it did not work this time; throws when it never will. */
  async #reopen(): Promise<PullSession | undefined> {
    try {
      const session = await this.#openSession();
      this.#nameFailures = 0;
      this.#recreations++;
      return session;
    } catch (error) {
      // Ours are the named ones: of those only the retriable pass by themselves.
      if (error instanceof MillraceError && !error.retriable) throw error;
      // The task ends with it and is started again until the stream is there: so its name is what is reported.
      if (isStreamNotFound(error)) throw missingError(this.#options.stream, error);
      if (error instanceof MillraceError && error.code === 'stream_missing') throw error;
      this.#problem = describe(error);
      if (++this.#nameFailures % NAME_MAX_ATTEMPTS === 0) this.#consumer = undefined;
      return undefined;
    }
  }

  async #openSession(): Promise<PullSession> {
    const { stream, gaps, link, layout } = this.#options;
    const manager = await this.#openManager();
    // One name for a while: a request whose answer was lost does not leave another consumer.
    this.#consumer ??= newConsumerName();
    const name = this.#consumer;
    const pending = await createConsumer(manager, stream, {
      name,
      partition: this.partition,
      first: this.#received + 1,
      filter_subject: this.#filter.pattern,
    });
    // After the consumer, so that what is checked is the stream which that reads.
    const facts = await streamFacts(manager, stream, layout !== undefined);
    if (facts.layout !== layout) throw layoutError(stream, facts.layout, layout);
    checkContinuity(this.#known ?? facts, facts, this.#received, this.#isFresh || gaps !== undefined);
    if (gaps !== 'normal') {
      await this.#trail.compare(stream, this.#received, (sequences) => this.marksAt(sequences));
    }
    this.#head = Math.max(this.#head, this.#received, this.#filter.isWhole ? facts.lastSequence : 0);
    this.#pending = pending;
    this.#heard_at_ms = monotonicNow();
    const session = new PullSession(link, stream, name, this.#limits, {
      buffered: () => ({ messages: this.#buffer.length, bytes: this.#buffer.size_bytes }),
      receive: (record, pending) => this.#receive(record, pending),
      receiveFrame: (frame, delivery) => this.#receiveFrame(frame, delivery),
      settled: () => {
        this.#trail.settle();
        this.#heard_at_ms = monotonicNow();
        this.#show();
      },
      quiet: (passed = 0) => {
        this.#pass(passed);
        // All that it had is here, so what it had when it said so ends where we are; unless some is still announced.
        if (this.#pending === 0) this.#heard_at_ms = monotonicNow();
        this.#show();
        void this.#refreshPending(name);
      },
    });
    this.#session = session;
    session.start();
    return session;
  }

  #receive(record: NatsRecord, pending: number): void {
    if (!this.#follows(record.sequence, pending)) return;
    if (record.stored_ms !== undefined) this.#trail.pass(record.sequence, record.stored_ms);
    if (this.#filter.matches(record)) this.#keep(record);
  }

  #receiveFrame(frame: Frame, { streamSequence: sequence, stored_ms, pending }: Delivery): void {
    if (!this.#follows(sequence, pending)) return;
    this.#trail.pass(sequence, stored_ms);
    if (!this.#filter.matches(frame)) return;
    const { sink } = this.#options;
    // Nothing may overtake what waits for room.
    if (sink !== undefined && this.#buffer.length === 0 && sink.writeFrame(sequence, stored_ms, frame))
      return;
    this.#keep(frame.toRecord(sequence, stored_ms));
  }

  #keep(record: NatsRecord): void {
    this.#buffer.push(record);
    if (this.#wake !== undefined) this.#wake();
  }

  /** Whether a delivery goes on in the stream, as it must. */
  #follows(sequence: number, pending: number): boolean {
    this.#pending = pending;
    if (sequence + pending > this.#head) this.#head = sequence + pending;
    if (sequence <= this.#received) {
      this.#fail(wentBackError(this.#options.stream, sequence, this.#received));
      return false;
    }
    // No delivery is missing, so what lies between was removed from the stream before it was read.
    const isWhole = this.#isFresh || this.#hasGaps || sequence === this.#received + 1;
    if (!isWhole) this.#skipped += sequence - this.#received - 1;
    this.#isFresh = false;
    this.#received = sequence;
    return true;
  }

  #fail(error: MillraceError): void {
    this.#failure ??= error;
    this.#session?.end(error.message);
  }

  /** Everything up to here has been received, or will never come. */
  #pass(sequence: number): void {
    if (sequence <= this.#received) return;
    if (!this.#hasGaps && !this.#isFresh) this.#skipped += sequence - this.#received;
    this.#isFresh = false;
    this.#received = sequence;
    this.#head = Math.max(this.#head, sequence);
  }

  /** A quiet server that announced more than it sent: the rest was removed, or is held back. */
  async #refreshPending(consumer: string): Promise<void> {
    if (this.#pending === 0) return;
    const received = this.#received;
    try {
      const manager = await this.#openManager();
      const { num_pending } = await manager.consumers.info(this.#options.stream, consumer);
      if (this.#received === received && this.#consumer === consumer) this.#pending = num_pending;
    } catch (error) {
      // Asked again at the next heartbeat; until then the source does not call itself caught up.
      this.#problem = describe(error);
    }
  }

  async #closeSession(): Promise<void> {
    const consumer = this.#consumer;
    this.#session?.end('closed');
    this.#session = undefined;
    this.#consumer = undefined;
    if (consumer === undefined || !this.#options.link.connected) return;
    const remove = async (): Promise<void> => {
      await (await this.#openManager()).consumers.delete(this.#options.stream, consumer);
    };
    // Whether it is gone already or cannot be reached: the server removes an unused one by itself.
    await Promise.race([remove().catch(() => undefined), briefly()]);
  }

  /** One at a time. Throws, after everything that was received has been taken, what ended the source. */
  async take({ max, wait_ms }: Take): Promise<readonly NatsRecord[]> {
    invariant(this.#wake === undefined, 'one take of a source at a time');
    invariant(max >= 1, 'a take asks for at least one record');
    if (this.#buffer.length > 0) await this.#yield();
    else if (!this.#isStopped && this.#failure === undefined) await this.#arrival(wait_ms);
    if (this.#isStopped) return [];
    const records = this.#buffer.take(max);
    if (records.length > 0) this.#session?.pull();
    else if (this.#failure !== undefined) throw this.#failure;
    return records;
  }

  /**
   * In place of takes, for who gave a sink: waits until a record has to wait for room in it, `wait_ms` at most; moves
   * what has found room, and shows it. Resolves with whether nothing waits any more. Throws like `take`.
   */
  async forward(wait_ms: number): Promise<boolean> {
    const { sink } = this.#options;
    invariant(sink !== undefined && this.#wake === undefined, 'one forward at a time, to a sink');
    if (this.#buffer.length === 0 && !this.#isStopped && this.#failure === undefined) {
      await this.#arrival(wait_ms);
    }
    if (this.#isStopped) return true;
    const waited = this.#buffer.length;
    const isAll = this.#buffer.moveTo((record) => sink.write(record));
    this.#show();
    if (this.#buffer.length < waited) this.#session?.pull();
    else if (isAll && this.#failure !== undefined) throw this.#failure;
    return isAll;
  }

  #show(): void {
    this.#options.sink?.publish(this.state(), this.passed() ?? 0);
  }

  /** Takes that are served at once must not keep the event loop from the socket and the timers. */
  async #yield(): Promise<void> {
    if (performance.now() - this.#held_since_ms < HOLD_MAX_MS) return;
    await turn();
    this.#held_since_ms = performance.now();
  }

  async #arrival(wait_ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, wait_ms);
      // Once: the rest of what arrives with the first record must not pay for it again.
      this.#wake = () => {
        this.#wake = undefined;
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
    this.#held_since_ms = performance.now();
  }

  state(): SourceState {
    const session = this.#session;
    const connected = session !== undefined && !session.isSilent && this.#options.link.connected;
    return {
      ...(this.#heard_at_ms === undefined ? {} : { heard_at_ms: this.#heard_at_ms }),
      headSequence: this.#head,
      caughtUp: connected && this.#pending === 0 && this.#buffer.length === 0,
      connected,
      skipped: this.#skipped,
    };
  }

  passed(): number | undefined {
    return this.#buffer.length === 0 ? this.#received : undefined;
  }

  diagnostics(): SourceDiagnostics {
    return {
      buffered_messages: this.#buffer.length,
      buffered_bytes: this.#buffer.size_bytes,
      recreations: this.#recreations,
      isDirect: this.#session?.isDirect === true,
      lastProblem: this.#problem,
    };
  }

  /** Pending takes resolve with nothing; the consumer is removed if that can be done within 1 s. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#session?.end('stopped');
    this.#wake?.();
    // A request to a server that is away takes longer to fail; what follows it sees that this is stopped.
    await Promise.race([this.#supervision ?? this.#closeSession(), briefly()]);
  }
}

const briefly = (): Promise<void> => sleep(STOP_TIMEOUT_MS, undefined, { ref: false });
