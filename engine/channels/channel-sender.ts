import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { asMillraceError, type Clock, type Metrics, MillraceError } from '../base/index.ts';
import type { KvStore } from '../state/index.ts';
import { decodeBlock, encodeBlock, rowsBeyond } from './block.ts';
import type { ChainLog, TaskRole } from './chain-log.ts';
import { CHANNELS_TABLE, Channel } from './channel.ts';
import { channelEndMissing, endIsBehind, fenced, rowTooLarge } from './channel-errors.ts';
import type { ChannelLimits } from './channel-limits.ts';
import { ChannelMetrics } from './channel-metrics.ts';
import { EndWatch } from './end-watch.ts';
import type { Cut, KnownEnd, Lane } from './lane.ts';
import { CHANNEL_START, comparePlaces } from './place.ts';

/** What a cut gives its items to. */
export interface CutOutput {
  /** An item of the input record `sequence`; its bytes are kept. */
  add(target: number, sequence: number, payload: Uint8Array): void;
  /** The watermark that holds behind the items so far. */
  watermark(time_ms: number): void;
}

export interface ChannelSenderOptions {
  readonly store: KvStore;
  readonly log: ChainLog;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly limits: ChannelLimits;
  readonly role: TaskRole;
  readonly subjectOf: (cut: string, target: number) => string;
  /** A commit is due: much waits for one. */
  readonly requestBarrier: () => void;
  /** Another owner with this epoch has taken over; the task is a standby from now on. */
  readonly onFenced?: ((epoch: number) => void) | undefined;
}

/** Whoever waits for room looks at least so often, ms. */
const WAIT_MAX_MS = 100;
const NO_END: KnownEnd = { sequence: 0, epoch: 0, to: CHANNEL_START };

/**
 * Sends the blocks of a task into its channels. A block is written with the commit and sent after it, one at a time in
 * each channel, and is stored only where it follows the block before it: what another owner of the task has stored
 * meanwhile is read back and left out. So of any number of owners, each with a state of its own, the channel has each
 * row once and in order; the epoch only says who may stop trying.
 */
export class ChannelSender {
  readonly #options: ChannelSenderOptions;
  readonly #counts: ChannelMetrics;
  readonly #cuts: Cut[] = [];
  #role: TaskRole;
  #epoch = 0;
  /** Rises with each change of the role: work that was begun before ends without a result. */
  #term = 0;
  #isActivating = false;
  #failure: MillraceError | undefined;
  #uncommitted_bytes = 0;
  #look_at_ms = Number.NEGATIVE_INFINITY;
  #isStopped = false;
  #waiting: (() => void)[] = [];

  constructor(options: ChannelSenderOptions) {
    this.#options = options;
    this.#role = options.role;
    this.#counts = new ChannelMetrics(options.metrics, this);
  }

  get role(): TaskRole {
    return this.#role;
  }

  /** Of the owner; 0: nobody gave one. */
  get epoch(): number {
    return this.#epoch;
  }

  get isSending(): boolean {
    return this.#role === 'active';
  }

  get hasCuts(): boolean {
    return this.#cuts.length > 0;
  }

  get #lanes(): readonly Lane[] {
    return this.#cuts.flatMap(({ lanes }) => lanes);
  }

  #sum(of: (channel: Channel) => number): number {
    return this.#lanes.reduce((sum, { channel }) => sum + of(channel), 0);
  }

  /** Blocks that are committed and not known to be stored. */
  get owed_blocks(): number {
    return this.#sum(({ owed_blocks }) => owed_blocks);
  }

  get owed_bytes(): number {
    return this.#sum(({ owed_bytes }) => owed_bytes);
  }

  /** The channels have everything of the records up to here, as far as those are committed. */
  get settled(): number {
    return Math.min(...this.#lanes.map(({ channel }) => channel.settled));
  }

  get hasChanges(): boolean {
    return this.#uncommitted_bytes > 0 || this.#lanes.some(({ channel }) => channel.hasChanges);
  }

  /** While the graph is built: an operator sends to the targets of a cut. */
  open(name: string, targets: number): CutOutput {
    const { store, subjectOf, limits, requestBarrier } = this.#options;
    const table = store.table(CHANNELS_TABLE);
    const lanes = Array.from({ length: targets }, (_, target) => ({
      channel: new Channel(table, subjectOf(name, target), name, target),
      ...{ end: undefined, term: undefined },
      ...{ pause_ms: limits.retry_ms, retry_at_ms: Number.NEGATIVE_INFINITY },
      watch: new EndWatch(limits.end_missing_ms),
    }));
    const cut: Cut = { name, lanes, watermark_ms: null };
    this.#cuts.push(cut);
    return {
      add: (target, sequence, payload) => {
        if (payload.length > limits.row_max_bytes)
          throw rowTooLarge(name, payload.length, limits.row_max_bytes);
        (lanes[target] as Lane).channel.add({ sequence, payload });
        this.#counts.rows.add();
        this.#uncommitted_bytes += payload.length;
        if (this.#uncommitted_bytes >= limits.uncommitted_max_bytes) requestBarrier();
      },
      watermark: (time_ms) => {
        if (Number.isFinite(time_ms)) cut.watermark_ms = Math.max(time_ms, cut.watermark_ms ?? time_ms);
      },
    };
  }

  /** Inside the commit, which ends at `position`. `pump` follows it. */
  flush(position: number, now_ms: number): void {
    const { limits } = this.#options;
    for (const { lanes, watermark_ms } of this.#cuts) {
      for (const { channel } of lanes) channel.flush(position, watermark_ms, now_ms, limits);
    }
    this.#uncommitted_bytes = 0;
  }

  /** Starts what can be sent, or looked at, now. Throws what makes going on wrong (`channel_end_missing`). */
  pump(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isStopped || this.#isActivating) return;
    const now_ms = this.#options.clock.now();
    const isLook = this.#role === 'standby';
    if (isLook && now_ms < this.#look_at_ms) return;
    if (isLook) this.#look_at_ms = now_ms + this.#options.limits.standby_look_ms;
    for (const lane of this.#lanes) {
      const isBusy = lane.term === this.#term || now_ms < lane.retry_at_ms;
      if (isBusy || lane.channel.owed_blocks === 0) continue;
      this.#begin(lane, isLook);
    }
  }

  #begin(lane: Lane, isLook: boolean): void {
    const term = this.#term;
    lane.term = term;
    const work = isLook ? this.#look(lane, term) : this.#send(lane, term);
    work
      .catch((error: unknown) => this.#failed(lane, term, error))
      .finally(() => {
        if (lane.term === term) lane.term = undefined;
      });
  }

  #isOver(term: number): boolean {
    return this.#isStopped || term !== this.#term;
  }

  /** Sends the blocks of a channel, one after the other, until none is owed. */
  async #send(lane: Lane, term: number): Promise<void> {
    const { log, limits } = this.#options;
    const { channel } = lane;
    for (;;) {
      const end = lane.end ?? (await this.#read(lane, term));
      if (end === undefined || this.#isOver(term)) return;
      this.#counts.known.add(channel.settle(end.to));
      const block = channel.next();
      if (block === undefined) return;
      if (this.#isBehind(lane, end)) return this.#pause(lane);
      const rows = rowsBeyond(block, end.to);
      const bytes = encodeBlock({ ...block, epoch: this.#epoch, from: end.to, rows });
      // Until it is known what became of it, it is not known how the channel ends.
      lane.end = undefined;
      const appended = await log.append(channel.subject, bytes, end.sequence);
      if (this.#isOver(term)) return;
      if (appended.kind === 'full') {
        lane.end = end;
        this.#counts.full.add();
        this.#pause(lane);
        return;
      }
      if (appended.kind === 'refused') {
        this.#counts.refused.add();
        const now = await this.#read(lane, term);
        if (now === undefined) return;
        // The server has looked at another message than it shows: it is asked again later.
        if (now.sequence === end.sequence)
          throw new Error('the channel ends where the server says it does not');
        continue;
      }
      lane.end = { sequence: appended.sequence, epoch: this.#epoch, to: block.to };
      lane.pause_ms = limits.retry_ms;
      this.#counts.blocks.add();
      this.#counts.known.add(block.rows.length - rows.length);
      channel.settle(block.to);
      this.#wake();
    }
  }

  /** The channel ends before what was sent: read it again. Throws `channel_end_missing` where that does not change. */
  #isBehind(lane: Lane, { sequence, to }: KnownEnd): boolean {
    const { subject, sent } = lane.channel;
    const isBehind = comparePlaces(sent, to) > 0;
    if (lane.watch.read(isBehind, this.#options.clock.now()))
      throw channelEndMissing(subject, sequence === 0 ? undefined : to, sent);
    if (isBehind) lane.end = undefined;
    return isBehind;
  }

  /** How a channel ends; undefined where somebody else has taken over, or the role has changed. */
  async #read(lane: Lane, term: number): Promise<KnownEnd | undefined> {
    const end = await this.#endOf(lane.channel.subject);
    if (this.#isOver(term)) return undefined;
    if (this.#role === 'active' && end.epoch > this.#epoch) {
      this.#fence(end.epoch);
      return undefined;
    }
    lane.end = end;
    return end;
  }

  async #endOf(subject: string): Promise<KnownEnd> {
    const last = await this.#options.log.last(subject);
    if (last === undefined) return NO_END;
    const { epoch, to } = decodeBlock(last.bytes);
    return { sequence: last.sequence, epoch, to };
  }

  /** Of a standby: what the channel has need not be sent by it. */
  async #look(lane: Lane, term: number): Promise<void> {
    lane.end = undefined;
    const end = await this.#read(lane, term);
    if (end === undefined) return;
    lane.end = undefined;
    this.#counts.known.add(lane.channel.settle(end.to));
    this.#wake();
  }

  #failed(lane: Lane, term: number, error: unknown): void {
    if (this.#isOver(term)) return;
    const named = asMillraceError(error);
    if (named.code !== 'internal' && !named.retriable) this.#failure ??= named;
    this.#counts.retries.add();
    lane.end = undefined;
    this.#pause(lane);
    this.#wake();
  }

  #pause(lane: Lane): void {
    const { clock, limits } = this.#options;
    const { pause_ms } = lane;
    lane.retry_at_ms = clock.now() + pause_ms;
    lane.pause_ms = lane.watch.isMissing ? pause_ms : Math.min(2 * pause_ms, limits.retry_max_ms);
  }

  #fence(epoch: number): void {
    this.#counts.fenced.add();
    this.standby();
    this.#options.onFenced?.(epoch);
  }

  /** Stops sending. What was sent and not answered may still be stored: it is as good as anybody's. */
  standby(): void {
    this.#term++;
    this.#role = 'standby';
    this.#isActivating = false;
    for (const lane of this.#lanes) lane.end = undefined;
  }

  /**
   * Begins to send as the owner with this epoch. First every channel gets a block that says so: when all are stored the
   * owner before can store nothing more. Repeats what fails in passing, until `standby` or `stop`. Throws `fenced` where
   * another owner has a later epoch, `activation_ended` where the role was changed meanwhile, and `channel_end_missing`.
   */
  async activate(epoch: number): Promise<void> {
    const term = ++this.#term;
    this.#isActivating = true;
    this.#epoch = epoch;
    try {
      await Promise.all(this.#lanes.map((lane) => this.#take(lane, epoch, term)));
    } catch (error) {
      if (!this.#isOver(term)) this.standby();
      throw error;
    }
    this.#requireTerm(term);
    this.#isActivating = false;
    this.#role = 'active';
    for (const lane of this.#lanes) lane.retry_at_ms = Number.NEGATIVE_INFINITY;
    this.pump();
  }

  /** Marks a channel as this owner's. */
  async #take(lane: Lane, epoch: number, term: number): Promise<void> {
    const { log, limits } = this.#options;
    const { channel } = lane;
    for (let pause_ms = limits.retry_ms; ; pause_ms = Math.min(2 * pause_ms, limits.retry_max_ms)) {
      try {
        const end = await this.#endOf(channel.subject);
        this.#requireTerm(term);
        if (end.epoch > epoch) throw fenced(channel.subject, epoch, end.epoch);
        if (this.#isBehind(lane, end)) throw endIsBehind(channel.subject);
        lane.end = end;
        if (end.epoch === epoch) return;
        const fence = { epoch, from: end.to, to: end.to, watermark_ms: null, rows: [] };
        const appended = await log.append(channel.subject, encodeBlock(fence), end.sequence);
        this.#requireTerm(term);
        if (appended.kind === 'stored') lane.end = { sequence: appended.sequence, epoch, to: end.to };
        // Nobody can store anything in a full one, and its next block will have this epoch.
        if (appended.kind !== 'refused') return;
        this.#counts.refused.add();
      } catch (error) {
        this.#requireTerm(term);
        const named = asMillraceError(error);
        if (named.code !== 'internal' && !named.retriable) throw named;
        this.#counts.retries.add();
      }
      await (pause_ms > 0 ? sleep(pause_ms) : turn());
      this.#requireTerm(term);
    }
  }

  #requireTerm(term: number): void {
    if (!this.#isOver(term)) return;
    throw new MillraceError(
      'activation_ended',
      'The role of the task was changed while it took its channels.',
    );
  }

  /** Less is owed than the limits. */
  get hasRoom(): boolean {
    const { pending_max_blocks, pending_max_bytes } = this.#options.limits;
    return this.owed_blocks < pending_max_blocks && this.owed_bytes < pending_max_bytes;
  }

  /** How long until `pump` has something to do, as far as is known now, ms. */
  wait_ms(now_ms: number): number {
    // Until it has taken its channels there is nothing for it to send or to look at.
    if (this.#isActivating || this.#isStopped) return Number.POSITIVE_INFINITY;
    const owing = this.#lanes.filter(({ channel }) => channel.owed_blocks > 0);
    if (owing.length === 0) return Number.POSITIVE_INFINITY;
    if (this.#role === 'standby') return Math.max(0, this.#look_at_ms - now_ms);
    const idle = owing.filter(({ term }) => term !== this.#term);
    return Math.min(...idle.map(({ retry_at_ms }) => Math.max(0, retry_at_ms - now_ms)));
  }

  /** Resolves when less than the limits are owed: the task takes no input before. Throws like `pump`. */
  async room(): Promise<void> {
    for (;;) {
      this.pump();
      if (this.hasRoom || this.#isStopped) return;
      const wait_ms = Math.min(this.wait_ms(this.#options.clock.now()), WAIT_MAX_MS);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(1, wait_ms));
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  stop(): void {
    this.#isStopped = true;
    this.#wake();
  }
}
