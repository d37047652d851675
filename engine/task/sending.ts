import type { Clock, Metrics } from '../base/index.ts';
import {
  type ChainLog,
  type ChannelLimits,
  ChannelSender,
  channelSubject,
  DEFAULT_CHANNEL_LIMITS,
  type TaskRole,
} from '../channels/index.ts';
import {
  OUTBOX_TABLE,
  Outbox,
  type OutboxEvents,
  type OutboxLimits,
  type Publisher,
} from '../edges/index.ts';
import type { KvStore } from '../state/index.ts';

/** How a task of a partitioned topology sends, and whether it does. */
export interface TaskChannels {
  /** Where the channels of its cuts lie. */
  readonly log: ChainLog;
  /** Its name as a producer: `producerName(stage, partition)`. */
  readonly producer: string;
  /** What it begins as. Default: `active`, without an epoch. */
  readonly role?: TaskRole;
  readonly limits?: Partial<ChannelLimits>;
  /** Another owner with this epoch has taken over; the task goes on as a standby. */
  readonly onFenced?: (epoch: number) => void;
}

export interface SendingParts {
  readonly channels: TaskChannels | undefined;
  readonly topology: string;
  readonly publisher: Publisher;
  /** The number of the outbox's next row. */
  readonly next: number;
  /** Up to which record of its log the state is. */
  readonly committed: number;
  readonly limits: OutboxLimits;
  readonly store: KvStore;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly requestBarrier: () => void;
  readonly events: OutboxEvents;
}

/** What a task gives to the outside, and whether it does: its outbox, and its channels to other stages. */
export class Sending {
  readonly channels: ChannelSender | undefined;
  readonly outbox: Outbox;
  readonly #clock: Clock;
  readonly #limits: OutboxLimits;
  #committed: number;

  constructor({ channels, topology, publisher, next, committed, events, ...parts }: SendingParts) {
    const outbox = new Outbox(parts.store.table(OUTBOX_TABLE), publisher, next, parts.limits, events);
    this.outbox = outbox;
    this.#clock = parts.clock;
    this.#limits = parts.limits;
    this.#committed = committed;
    if (channels === undefined) return;
    const { log, producer, role = 'active', limits, onFenced } = channels;
    if (role === 'standby') outbox.hold();
    this.channels = new ChannelSender({
      ...parts,
      ...{ log, role, limits: { ...DEFAULT_CHANNEL_LIMITS, ...limits } },
      subjectOf: (cut, target) => channelSubject(topology, cut, target, producer),
      onFenced: (epoch) => {
        outbox.hold();
        onFenced?.(epoch);
      },
    });
  }

  get role(): TaskRole {
    return this.outbox.isHeld ? 'standby' : 'active';
  }

  get hasChanges(): boolean {
    return this.outbox.hasChanges || this.channels?.hasChanges === true;
  }

  /** Up to which record of the log the outside and the stages behind have everything that comes of it. */
  get settled(): number {
    const { settled = Number.POSITIVE_INFINITY } = this.channels ?? {};
    return Math.min(this.outbox.settledUpTo(this.#committed), settled);
  }

  /** Inside the commit, which ends at `position`: what is owed from then on. `sendCommitted` follows it. */
  flush(position: number, now_ms: number): { sendCommitted(): void } {
    const flushed = this.outbox.flush();
    this.channels?.flush(position, now_ms);
    return {
      sendCommitted: () => {
        this.#committed = position;
        flushed.sendCommitted();
        this.pump();
      },
    };
  }

  /** There is room for what more input brings. */
  get hasRoom(): boolean {
    return this.outbox.owed < this.#limits.max_rows && this.channels?.hasRoom !== false;
  }

  /** Resolves when there is room for what more input brings. */
  async room(): Promise<void> {
    await this.outbox.room();
    await this.channels?.room();
  }

  /** How long a task may wait before something of it is due, ms. */
  wait_ms(): number {
    return this.channels?.wait_ms(this.#clock.now()) ?? Number.POSITIVE_INFINITY;
  }

  /** Throws what makes going on wrong. */
  pump(): void {
    this.outbox.pump();
    this.channels?.pump();
  }

  /** See `Task.activate`. */
  async activate(epoch: number): Promise<void> {
    // Until the channels are its own it may not be the owner any more.
    this.outbox.hold();
    await this.channels?.activate(epoch);
    this.outbox.hold(false);
  }

  standby(): void {
    this.outbox.hold();
    this.channels?.standby();
  }

  stop(): void {
    this.outbox.stop();
    this.channels?.stop();
  }
}
