import type { Logger } from 'pino';
import {
  type Clock,
  invariant,
  type MessageQueue,
  type MetricSample,
  MillraceError,
  type Work,
  type WorkItem,
  type WorkOutcome,
} from '../../engine/index.ts';
import {
  DeliveryLog,
  type DeliveryView,
  deliveryIdOf,
  ERASED,
  isOver,
  type LogEntry,
  triesOf,
} from './delivery-log.ts';
import { DeliveryMetrics } from './delivery-metrics.ts';
import type { Attempted, Endpoint, RetryPolicy } from './endpoint.ts';
import {
  broadcastSubject,
  decodeNotice,
  directSubject,
  encodeNotice,
  messageIdOf,
  NOTICE_MAX_BYTES,
  type StoredNotice,
} from './notice.ts';
import { Slots } from './slots.ts';

/** Deliveries of one endpoint that a process tries at once. */
const ENDPOINT_HELD_MAX = 5;
/** Deliveries of one endpoint that are begun and not done, those that wait for their next try too. */
const ENDPOINT_UNFINISHED_MAX = 64;
/** Beyond the time of a try: as long as a process may stand still before another one takes its deliveries, ms. */
const LEASE_MARGIN_MS = 5_000;
/** What came to an endpoint that does not take any now is looked at again then, ms. */
const CLOSED_AGAIN_MS = 60_000;
/** A delivery that was handed out so much oftener than it was tried is given up. */
const LOST_TRIES_MAX = 20;
/** Longer than notices are kept: an endpoint whose consumer is gone has missed none. */
const FORGOTTEN_AFTER_MS = 8 * 86_400_000;

export interface DeliveriesOptions {
  /** The queue of notices. */
  readonly notices: MessageQueue;
  /** The log of deliveries. */
  readonly log: MessageQueue;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long one try may take, ms. */
  readonly timeout_ms: number;
}

/**
 * Tells endpoints of notices: each at least once, by one of the processes that share the queue. A notice waits in the
 * stream until it was told or given up; each endpoint has a place of its own there, so one that hangs or fails keeps
 * nobody else waiting. Throws `queue_unavailable` (retriable).
 */
export class Deliveries {
  readonly log: DeliveryLog;
  readonly #options: DeliveriesOptions;
  readonly #slots = new Slots();
  readonly #open = new Map<string, { readonly endpoint: Endpoint; readonly work: Work }>();
  readonly #metrics: DeliveryMetrics;

  constructor(options: DeliveriesOptions) {
    this.#options = options;
    this.log = new DeliveryLog(options.log, options.logger);
    this.#metrics = new DeliveryMetrics({
      running: () => this.#slots.taken,
      endpoints: () => this.#open.size,
      stalled: () => [...this.#open.values()].filter(({ work }) => work.problem !== undefined).length,
    });
  }

  /**
   * Stores a notice; it is told once this resolves. Without `to` it is for all endpoints of the tenant that want its
   * type. A repeat changes nothing, or is told with the same ids. Throws `notice_too_large`, `queue_unavailable`.
   */
  async store(notice: StoredNotice, to?: { readonly endpoint: string; readonly id: string }): Promise<void> {
    const data = encodeNotice(notice);
    if (data.length > NOTICE_MAX_BYTES) {
      throw new MillraceError(
        'notice_too_large',
        `A notice has at most ${NOTICE_MAX_BYTES} bytes of JSON, this one ${data.length}.`,
      );
    }
    const subject = to === undefined ? broadcastSubject(notice) : directSubject(notice.tenant, to.endpoint);
    const { isRepeat } = await this.#options.notices.append({
      subject,
      id: to?.id ?? messageIdOf(notice),
      data,
    });
    if (!isRepeat) this.#metrics.stored();
  }

  /** Begins to tell an endpoint, together with other processes; one that is told already may have other subjects. */
  open(endpoint: Endpoint): void {
    const key = workOf(endpoint);
    const known = this.#open.get(key);
    if (known !== undefined) {
      known.work.change(endpoint.subjects());
      return;
    }
    const spec = {
      name: key,
      subjects: endpoint.subjects(),
      from_ms: endpoint.from_ms,
      held_max: ENDPOINT_HELD_MAX,
      unfinished_max: ENDPOINT_UNFINISHED_MAX,
      lease_ms: this.#options.timeout_ms + LEASE_MARGIN_MS,
      forgotten_after_ms: FORGOTTEN_AFTER_MS,
    };
    const work = this.#options.notices.work(spec, (item, signal) => this.#deliver(endpoint, item, signal));
    this.#open.set(key, { endpoint, work });
  }

  /** Stops telling an endpoint in this process; what is there for it waits. */
  async close(endpoint: Pick<Endpoint, 'tenant' | 'name'>): Promise<void> {
    const key = workOf(endpoint);
    const known = this.#open.get(key);
    this.#open.delete(key);
    await known?.work.stop();
  }

  /** Nobody tells the endpoint any more, and what was there for it is not kept for it. */
  async forget(endpoint: Pick<Endpoint, 'tenant' | 'name'>): Promise<void> {
    await this.close(endpoint);
    await this.#options.notices.forget(workOf(endpoint));
  }

  /** Stops telling anybody in this process. */
  async stop(): Promise<void> {
    const works = [...this.#open.values()].map(({ work }) => work.stop());
    this.#open.clear();
    await Promise.all(works);
  }

  samples(): MetricSample[] {
    return this.#metrics.samples();
  }

  async #deliver(endpoint: Endpoint, item: WorkItem, signal: AbortSignal): Promise<WorkOutcome> {
    const notice = decodeNotice(item.data);
    if (notice === undefined) {
      this.#options.logger.error({ sequence: item.sequence }, 'a notice cannot be read and is left out');
      return 'done';
    }
    const isForIt = item.subject === directSubject(endpoint.tenant, endpoint.name);
    if (!isForIt && !endpoint.wants(notice)) return 'done';
    if (!endpoint.isOpen()) return { again_ms: CLOSED_AGAIN_MS };
    const { tenant, name } = endpoint;
    const about = aboutOf(endpoint, notice);
    const before = item.attempt === 1 ? [] : await this.log.entries(tenant, name);
    // It was told, and the process ended before it could say so.
    if (isOver(before, about.delivery_id)) return 'done';
    const attempted = await this.#try(endpoint, notice, signal);
    // Tries are those of the log: one that a crash interrupted does not count.
    const tries = 1 + triesOf(before, about.delivery_id);
    const policy = endpoint.policy();
    const isLast = tries > policy.retries_max || item.attempt > policy.retries_max + LOST_TRIES_MAX;
    const entry = this.#entryOf(about, item.sequence, attempted, isLast ? undefined : policy);
    await this.log.append(tenant, name, `${workOf(endpoint)}/${item.sequence}/${item.attempt}`, entry);
    this.#metrics.tried(endpoint.kind, entry.status, attempted.duration_ms);
    if (entry.status === 'retrying') return { again_ms: policy.delay_ms };
    if (entry.status === 'failed') await this.#gaveUp(endpoint, attempted);
    return 'done';
  }

  /** What follows from it is no matter of this delivery: it follows from the next one, where it fails now. */
  async #gaveUp(endpoint: Endpoint, attempted: Attempted): Promise<void> {
    try {
      await endpoint.failed(attempted);
    } catch (error) {
      const { tenant, name } = endpoint;
      this.#options.logger.warn(
        { err: error, tenant, name },
        'an endpoint that fails cannot be disabled now',
      );
    }
  }

  async #try(endpoint: Endpoint, notice: StoredNotice, signal: AbortSignal): Promise<Attempted> {
    const attempted = await this.#slots.run(endpoint.tenant, async () => {
      signal.throwIfAborted();
      return endpoint.send(notice, signal);
    });
    // Cut short by this process, it says nothing of the endpoint.
    signal.throwIfAborted();
    return attempted;
  }

  #entryOf(
    about: ReturnType<typeof aboutOf>,
    sequence: number | null,
    { verdict, status, error, duration_ms }: Attempted,
    policy: RetryPolicy | undefined,
  ): LogEntry {
    const at_ms = this.#options.clock.now();
    const isAgain = verdict === 'failed' && policy !== undefined;
    return {
      ...about,
      sequence,
      status: verdict === 'succeeded' ? verdict : isAgain ? 'retrying' : 'failed',
      ...{ response_status: status, error, duration_ms, at_ms },
      next_attempt_at_ms: isAgain ? at_ms + policy.delay_ms : null,
    };
  }

  /** Tells an endpoint of something now, once, and writes it into the log: a test. */
  async deliverNow(endpoint: Endpoint, notice: StoredNotice, signal: AbortSignal): Promise<DeliveryView> {
    const attempted = await this.#try(endpoint, notice, signal);
    const entry = this.#entryOf(aboutOf(endpoint, notice), null, attempted, undefined);
    await this.log.append(endpoint.tenant, endpoint.name, entry.delivery_id, entry);
    const { delivery_id, message_id, type, sequence, status, at_ms } = entry;
    return {
      ...{ delivery_id, message_id, type, sequence, status, created_at_ms: at_ms },
      ...{ next_attempt_at_ms: null, attempts: [entry] },
    };
  }

  /** Writes into the log that a notice reaches nobody. A repeat is there once, for some minutes. */
  async refuse(
    { tenant, name }: Pick<Endpoint, 'tenant' | 'name'>,
    notice: StoredNotice,
    error: NonNullable<LogEntry['error']>,
  ): Promise<void> {
    const message_id = messageIdOf(notice);
    const delivery_id = deliveryIdOf(tenant, name, message_id);
    await this.log.append(tenant, name, delivery_id, {
      ...{ delivery_id, message_id, type: notice.type, sequence: null, status: 'failed', error },
      ...{
        response_status: null,
        duration_ms: 0,
        at_ms: this.#options.clock.now(),
        next_attempt_at_ms: null,
      },
    });
  }

  /**
   * Writes that what was to be told an endpoint of some notices, by their places in the stream, is told no more: they
   * are about to be erased. What is over stays as it was.
   */
  async withdraw(
    { tenant, name }: Pick<Endpoint, 'tenant' | 'name'>,
    sequences: ReadonlySet<number>,
  ): Promise<void> {
    for (const { delivery_id, message_id, type, sequence, status } of await this.log.deliveries(
      tenant,
      name,
    )) {
      const isWaiting = status === 'retrying' || status === 'pending';
      if (sequence === null || !sequences.has(sequence) || !isWaiting) continue;
      await this.log.append(tenant, name, `erased/${delivery_id}`, {
        ...{ delivery_id, message_id, type, sequence, status: 'failed', error: ERASED },
        ...{ response_status: null, duration_ms: 0, at_ms: this.#options.clock.now() },
        next_attempt_at_ms: null,
      });
    }
  }

  /**
   * Has a delivery tried again, with the ids that it had. Undefined where the notice is not kept any more. `token`
   * names the wish.
   */
  async redeliver(
    endpoint: Endpoint,
    delivery: DeliveryView,
    token: string,
  ): Promise<DeliveryView | undefined> {
    const { tenant, name } = endpoint;
    const { delivery_id, message_id, type, sequence } = delivery;
    const kept = sequence === null ? undefined : await this.#options.notices.read(sequence);
    const notice = kept === undefined ? undefined : decodeNotice(kept.data);
    if (notice === undefined || messageIdOf(notice) !== message_id) return undefined;
    invariant(notice.tenant === tenant, 'a notice is of the tenant of its delivery');
    const at_ms = this.#options.clock.now();
    const entry: LogEntry = {
      ...{ delivery_id, message_id, type, sequence, status: 'pending', at_ms },
      ...{ response_status: null, error: null, duration_ms: null, next_attempt_at_ms: at_ms },
    };
    // Before it is told, so that its tries come behind it.
    await this.log.append(tenant, name, token, entry);
    await this.store(notice, { endpoint: name, id: token });
    return { ...delivery, status: 'pending', next_attempt_at_ms: at_ms };
  }
}

/** What names a delivery. */
function aboutOf(endpoint: Endpoint, notice: StoredNotice) {
  const message_id = messageIdOf(notice);
  const delivery_id = deliveryIdOf(endpoint.tenant, endpoint.targetOf(notice), message_id);
  return { delivery_id, message_id, type: notice.type };
}

/** The name of an endpoint's place in the queue. */
const workOf = ({ tenant, name }: Pick<Endpoint, 'tenant' | 'name'>): string => `to-${tenant}-${name}`;
