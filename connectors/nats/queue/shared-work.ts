import { setTimeout as sleep } from 'node:timers/promises';
import {
  AckPolicy,
  type Consumer,
  type ConsumerConfig,
  type ConsumerMessages,
  DeliverPolicy,
  type JetStreamManager,
  type JsMsg,
} from '@nats-io/jetstream';
import { nanos } from 'nats';
import {
  invariant,
  type Work,
  type WorkItem,
  type WorkOutcome,
  type WorkSpec,
} from '../../../engine/index.ts';
import {
  covers,
  describe,
  jetStreamOf,
  type NatsLink,
  openManager,
  untilConnected,
} from '../client/index.ts';

/** How long the server keeps a request for messages open, ms. */
const PULL_MS = 20_000;
/** The client's own end of it, should the server's not come, ms. */
const PULL_GRACE_MS = 5_000;
/** How long it is waited for more room, where there is little, ms. */
const GATHER_MS = 5;
const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 5_000;
const RECONNECT_LOOK_MS = 500;
/** How long what is held may take to end when the work is stopped, ms. */
const STOP_MS = 2_000;
/** After a failure of the one who handles it a message comes again, ms. */
const FAILED_AGAIN_MS = 5_000;
const NAME = /^[A-Za-z0-9_-]{1,200}$/;

/** What an existing consumer lets be changed. */
interface Changeable {
  readonly filter_subjects: string[];
  readonly max_ack_pending: number;
  readonly ack_wait: number;
}

type Handle = (item: WorkItem, signal: AbortSignal) => Promise<WorkOutcome>;

/**
 * A durable pull consumer that all processes share. The server hands each message to one of them, and again when its
 * lease ends; whoever holds one renews that. No more is asked for than may be held, so what waits lies at the server.
 */
export class SharedWork implements Work {
  readonly #link: NatsLink;
  readonly #stream: string;
  readonly #spec: WorkSpec;
  readonly #handle: Handle;
  readonly #stopping = new AbortController();
  readonly #cut = new AbortController();
  readonly #held = new Set<Promise<void>>();
  readonly #loop: Promise<void>;
  #subjects: readonly string[];
  #batch: ConsumerMessages | undefined;
  #consumer: Consumer | undefined;
  #problem: string | undefined;
  #wake: (() => void) | undefined;

  constructor(link: NatsLink, stream: string, spec: WorkSpec, handle: Handle) {
    invariant(NAME.test(spec.name), `"${spec.name}" can be the name of a consumer`);
    this.#link = link;
    this.#stream = stream;
    this.#spec = spec;
    this.#handle = handle;
    this.#subjects = withoutCovered(spec.subjects);
    this.#loop = this.#run();
  }

  get held(): number {
    return this.#held.size;
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  change(subjects: readonly string[]): void {
    const changed = withoutCovered(subjects);
    if (changed.join() === this.#subjects.join()) return;
    this.#subjects = changed;
    this.#renew();
  }

  /** The consumer is looked at again, whatever is asked of it now. */
  #renew(): void {
    this.#consumer = undefined;
    this.#batch?.stop();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#batch?.stop();
    this.#wake?.();
    await this.#loop;
    const ended = Promise.all(this.#held);
    await Promise.race([ended, sleep(STOP_MS, undefined, { ref: false })]);
    this.#cut.abort();
    await Promise.race([ended, sleep(STOP_MS, undefined, { ref: false })]);
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  get #room(): number {
    return this.#spec.held_max - this.#held.size;
  }

  /** Asks for messages until stopped. Does not throw. */
  async #run(): Promise<void> {
    const forget = this.#link.onStatus(() => this.#renew());
    let backoff_ms = BACKOFF_FIRST_MS;
    while (!this.#isStopped && !this.#link.connection.isClosed()) {
      if (this.#room <= 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      // One request for several messages costs what one for one does.
      if (this.#room < this.#spec.held_max / 2) await sleep(GATHER_MS);
      if (!(await untilConnected(this.#link, RECONNECT_LOOK_MS))) continue;
      try {
        await this.#pull(this.#room);
        this.#problem = undefined;
        backoff_ms = BACKOFF_FIRST_MS;
      } catch (error) {
        // The stream or the consumer may be gone, or the server away: what is needed is made again.
        this.#problem = describe(error);
        this.#consumer = undefined;
        await sleep(backoff_ms, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
        backoff_ms = Math.min(2 * backoff_ms, BACKOFF_MAX_MS);
      }
    }
    forget();
  }

  async #pull(room: number): Promise<void> {
    this.#consumer ??= await this.#ensured();
    if (this.#isStopped) return;
    const batch = await this.#consumer.fetch({ max_messages: room, expires: PULL_MS });
    this.#batch = batch;
    const late = setTimeout(() => batch.stop(), PULL_MS + PULL_GRACE_MS);
    try {
      if (this.#isStopped) batch.stop();
      for await (const message of batch) this.#begin(message);
    } finally {
      clearTimeout(late);
      this.#batch = undefined;
    }
  }

  /** The consumer as it is wanted, made or changed. */
  async #ensured(): Promise<Consumer> {
    const { name } = this.#spec;
    const manager = await openManager(this.#link);
    const wanted = this.#changeable();
    const known = await infoOf(manager, this.#stream, name);
    if (known === undefined) await this.#create(manager, wanted);
    else if (!isAs(known, wanted)) await manager.consumers.update(this.#stream, name, wanted);
    return await jetStreamOf(this.#link).consumers.get(this.#stream, name);
  }

  #changeable(): Changeable {
    const { unfinished_max, lease_ms } = this.#spec;
    return {
      filter_subjects: [...this.#subjects],
      max_ack_pending: unfinished_max,
      ack_wait: nanos(lease_ms),
    };
  }

  async #create(manager: JetStreamManager, changeable: Changeable): Promise<void> {
    const { name, from_ms, forgotten_after_ms } = this.#spec;
    const start =
      from_ms === 0
        ? { deliver_policy: DeliverPolicy.All }
        : {
            deliver_policy: DeliverPolicy.StartTime,
            opt_start_time: new Date(from_ms).toISOString(),
          };
    try {
      await manager.consumers.add(this.#stream, {
        durable_name: name,
        ack_policy: AckPolicy.Explicit,
        ...start,
        ...(forgotten_after_ms === undefined ? {} : { inactive_threshold: nanos(forgotten_after_ms) }),
        ...changeable,
      });
    } catch (error) {
      // Another process was faster, and begins a little earlier or later.
      if ((await infoOf(manager, this.#stream, name)) === undefined) throw error;
    }
  }

  #begin(message: JsMsg): void {
    const working = this.#work(message).finally(() => {
      this.#held.delete(working);
      this.#wake?.();
    });
    this.#held.add(working);
  }

  async #work(message: JsMsg): Promise<void> {
    const renewal = setInterval(() => message.working(), this.#spec.lease_ms / 3);
    try {
      const outcome = await this.#handle(itemOf(message), this.#cut.signal);
      if (outcome === 'done') message.ack();
      else message.nak(outcome.again_ms);
    } catch (error) {
      // Not known what became of it: when it is stopped, another process takes it.
      this.#problem = describe(error);
      message.nak(this.#cut.signal.aborted ? 1 : FAILED_AGAIN_MS);
    } finally {
      clearInterval(renewal);
    }
  }
}

function itemOf(message: JsMsg): WorkItem {
  const { info, subject, data, headers } = message;
  return {
    sequence: info.streamSequence,
    subject,
    data,
    stored_at_ms: Math.floor(info.timestampNanos / 1e6),
    attempt: info.deliveryCount,
    header: (name) => {
      const value = headers?.get(name, 'insensitive') ?? '';
      return value === '' ? undefined : value;
    },
  };
}

async function infoOf(
  manager: JetStreamManager,
  stream: string,
  name: string,
): Promise<ConsumerConfig | undefined> {
  try {
    return (await manager.consumers.info(stream, name)).config;
  } catch (error) {
    if (isConsumerNotFound(error)) return undefined;
    throw error;
  }
}

const CONSUMER_NOT_FOUND = 10014;
export const isConsumerNotFound = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === CONSUMER_NOT_FOUND;

function isAs(config: ConsumerConfig, wanted: Changeable): boolean {
  const filters = config.filter_subjects ?? [config.filter_subject ?? ''];
  return (
    [...filters].sort().join() === [...wanted.filter_subjects].sort().join() &&
    config.max_ack_pending === wanted.max_ack_pending &&
    config.ack_wait === wanted.ack_wait
  );
}

/** The server refuses filters of which one takes all that another does. */
function withoutCovered(subjects: readonly string[]): readonly string[] {
  const different = [...new Set(subjects)];
  return different.filter((one) => !different.some((other) => other !== one && covers(other, one)));
}
