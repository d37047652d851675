import {
  asMillraceError,
  type KeyValueStore,
  type MetricSample,
  Metrics,
  MillraceError,
} from '../../engine/index.ts';
import { measureCluster } from './cluster-counts.ts';
import { CLUSTER_LIMITS, type ClusterLimits } from './cluster-limits.ts';
import { type ClusterTime, REQUEST_MAX_MS, within } from './cluster-time.ts';
import { type BucketChange, ClusterBoard, type ClusterView } from './cluster-view.ts';
import { Leases } from './lease.ts';
import { Observer } from './observer.ts';
import { PlanKeeper } from './plan-keeper.ts';
import { tasksOf } from './planner.ts';
import {
  checkMemberId,
  MEMBER_PREFIX,
  type MemberRecord,
  readMember,
  type TaskId,
  type TaskKey,
  type TaskReport,
  taskKey,
  taskOf,
} from './records.ts';
import type { TaskHosts } from './task-host.ts';
import { type SlotSurroundings, TaskSlot } from './task-slot.ts';

export interface ClusterNodeOptions {
  readonly store: KeyValueStore;
  /** The name of this process, the same after each start. */
  readonly member: string;
  /** Another one after each start. */
  readonly incarnation: string;
  readonly host: string;
  readonly version: string;
  readonly started_at: string;
  /** Partitions of each stage. */
  readonly layout: readonly number[];
  readonly hosts: TaskHosts;
  readonly time: ClusterTime;
  readonly limits?: Partial<ClusterLimits>;
  readonly log?: (line: string) => void;
}

/** A record that has not changed for so long is read from the leader, ms. */
const SUSPECT_AFTER_MS = 1_500;

/**
 * A process of a cluster: says each second that it lives, keeps the tasks that the plan gives it, takes those whose owner
 * is dead and which it follows, and plans where it is the first of the living. All that it knows of others comes from one
 * bucket; while that is away, it goes on with what it has.
 */
export class ClusterNode {
  readonly #options: ClusterNodeOptions;
  readonly #limits: ClusterLimits;
  readonly #board = new ClusterBoard();
  readonly #observer = new Observer();
  readonly #leases: Leases;
  readonly #planner: PlanKeeper;
  readonly #slots = new Map<TaskKey, TaskSlot>();
  readonly #metrics = new Metrics();
  readonly #log: (line: string) => void;
  #unwatch: (() => Promise<void>) | undefined;
  #own: { readonly revision: number } | undefined;
  #renewals = 0;
  /** When the newest renewal that was acknowledged was asked for. */
  #renewed_at_ms: number | undefined;
  #failedBeats = 0;
  #beating: Promise<void> | undefined;
  #isStopping = false;
  #isBeatDue = false;
  #wake: () => void = () => undefined;
  #fail: (error: MillraceError) => void = () => undefined;
  /** Rejects when this process must not go on: another one has its name. */
  readonly ended: Promise<never>;

  constructor(options: ClusterNodeOptions) {
    this.#options = options;
    this.#limits = { ...CLUSTER_LIMITS, ...options.limits };
    this.#log = options.log ?? (() => undefined);
    const { store, incarnation, time, layout } = options;
    const member = checkMemberId(options.member);
    const board = this.#board;
    this.#leases = new Leases({ store, board, member, incarnation, time });
    this.#planner = new PlanKeeper({ store, board, layout, time, limits: this.#limits, log: this.#log });
    this.ended = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.ended.catch(() => undefined);
    for (const task of tasksOf(layout)) this.#slots.set(task, this.#slot(task));
    this.#measure();
  }

  /** Who has what, as this process has heard. */
  get view(): ClusterView {
    return this.#board;
  }

  /**
   * Joins. Rejects with `member_in_use` where another process of this name lives, `cluster_layout_differs` where the
   * others run another topology, and `kv_unavailable` when the bucket cannot be watched now.
   */
  async start(): Promise<void> {
    const { store } = this.#options;
    const forget = this.#board.onEntry((change) => this.#heard(change));
    const stop = await store.watch(
      (change) => this.#board.change(change),
      (error) => this.#log(`the bucket's watch: ${asMillraceError(error).message}`),
    );
    this.#unwatch = async () => {
      forget();
      await stop();
    };
    try {
      this.#planner.checkLayout();
      await this.#claim();
    } catch (error) {
      await this.#unwatch();
      throw error;
    }
    this.#beating = this.#beatOn();
    this.#reconcile();
  }

  /** Waits until a former process of this name is surely dead. */
  async #claim(): Promise<void> {
    const { member, store, time } = this.#options;
    const key = MEMBER_PREFIX + member;
    let first: number | undefined;
    for (;;) {
      if (this.#isStopping)
        throw new MillraceError('member_stopped', 'The member was stopped before it had joined.');
      try {
        const asked_at_ms = time.monotonic();
        const there = await within(time, REQUEST_MAX_MS, store.get(key));
        const isOwn = readMember(there?.value)?.incarnation === this.#options.incarnation;
        first ??= there?.revision;
        if (there !== undefined && !isOwn && there.revision !== first) throw this.#inUse();
        if (there !== undefined) this.#observer.seen(member, there.revision, asked_at_ms, time.monotonic());
        if (there === undefined || isOwn || this.#observer.isDead(member)) {
          this.#own = there === undefined ? undefined : { revision: there.revision };
          if (await this.#renew()) return;
          throw this.#inUse();
        }
        this.#log(`a process "${member}" was here a moment ago; it is waited whether it lives`);
      } catch (thrown) {
        const error = asMillraceError(thrown);
        if (!error.retriable) throw error;
        this.#observer.failed();
      }
      await time.sleep(this.#limits.beat_ms);
    }
  }

  #inUse(): MillraceError {
    const { member } = this.#options;
    return new MillraceError(
      'member_in_use',
      `Another process runs as the member "${member}" of this cluster. Give each process a name of its own.`,
    );
  }

  async #beatOn(): Promise<void> {
    const { time } = this.#options;
    try {
      while (!this.#isStopping) {
        await this.#beat();
        if (this.#isStopping) break;
        await new Promise<void>((resolve, reject) => {
          this.#wake = resolve;
          time.sleep(this.#limits.beat_ms).then(resolve, reject);
        });
      }
    } catch (thrown) {
      // Nothing that passes: a process that says no more that it lives must not look as if it did.
      this.#giveUp(asMillraceError(thrown));
    }
  }

  async #beat(): Promise<void> {
    try {
      if (!(await this.#renew())) return this.#giveUp(this.#inUse());
      await this.#look();
    } catch (thrown) {
      this.#failedBeats++;
      this.#observer.failed();
      if (this.#failedBeats === 1 || this.#failedBeats % 10 === 0)
        this.#log(`the cluster's bucket: ${asMillraceError(thrown).message}`);
      return;
    }
    this.#failedBeats = 0;
    if (this.#isStopping) return;
    const living = this.#living();
    if (living[0] === this.#options.member) await this.#planner.plan(this.#reports(living));
    this.#reconcile();
  }

  /** Another process took the name, after it had seen this one dead: nothing here may go on. */
  #giveUp(error: MillraceError): void {
    this.#isStopping = true;
    for (const slot of this.#slots.values()) {
      slot.end().catch((thrown: unknown) => this.#log(`not closed: ${asMillraceError(thrown).message}`));
    }
    this.#fail(error);
  }

  /** Writes the own record. False: it is another incarnation's. */
  async #renew(): Promise<boolean> {
    const { member, store, time } = this.#options;
    const key = MEMBER_PREFIX + member;
    const record = this.#record();
    const asked_at_ms = time.monotonic();
    const write =
      this.#own === undefined ? store.create(key, record) : store.update(key, record, this.#own.revision);
    const written = await within(time, REQUEST_MAX_MS, write);
    if (written.ok) {
      this.#own = { revision: written.revision };
      this.#renewed_at_ms = asked_at_ms;
      this.#board.put(key, record, written.revision);
      return true;
    }
    const { current } = written;
    if (current === undefined) {
      this.#own = undefined;
      return await this.#renew();
    }
    // A renewal whose answer was lost.
    if (readMember(current.value)?.incarnation !== this.#options.incarnation) return false;
    this.#own = { revision: current.revision };
    return await this.#renew();
  }

  #record(): MemberRecord {
    const { incarnation, host, version, started_at } = this.#options;
    const tasks: Record<TaskKey, TaskReport> = {};
    for (const [task, slot] of this.#slots) {
      const report = slot.report();
      if (report !== undefined) tasks[task] = report;
    }
    const leaving = this.#isStopping ? { leaving: true as const } : {};
    return { incarnation, host, version, started_at, renewal: ++this.#renewals, tasks, ...leaving };
  }

  /** Reads from the leader what has not changed for a while. Throws when one is not answered. */
  async #look(): Promise<void> {
    const { store, time, member } = this.#options;
    const suspects = this.#observer.suspects(time.monotonic(), SUSPECT_AFTER_MS);
    await Promise.all(
      suspects.map(async (id) => {
        if (id === member) return;
        const asked_at_ms = time.monotonic();
        const there = await within(time, REQUEST_MAX_MS, store.get(MEMBER_PREFIX + id));
        if (there === undefined) this.#board.change({ kind: 'delete', key: MEMBER_PREFIX + id });
        else {
          this.#board.put(there.key, there.value, there.revision);
          this.#observer.seen(id, there.revision, asked_at_ms, time.monotonic());
        }
        await this.#planner.forgetDead(id, this.#observer);
      }),
    );
  }

  #heard(change: BucketChange): void {
    const now_ms = this.#options.time.monotonic();
    if (change.kind === 'member') {
      if (change.now === undefined) this.#observer.left(change.id);
      else this.#observer.seen(change.id, change.now.revision, now_ms, now_ms);
    }
    if (change.kind === 'own' && change.now !== undefined) {
      this.#observer.alive(change.now.record.member, now_ms);
    }
    // Nothing but a renewal: it is looked at with the next beat.
    if (change.kind === 'member' && change.now !== undefined) return;
    this.#soon();
  }

  /** Once for all that was heard in one turn. */
  #soon(): void {
    if (this.#isBeatDue) return;
    this.#isBeatDue = true;
    queueMicrotask(() => {
      this.#isBeatDue = false;
      this.#reconcile();
    });
  }

  #reconcile(): void {
    // Without an own record others think this process dead: it takes nothing.
    if (this.#isStopping || this.#own === undefined) return;
    const { member } = this.#options;
    const isOwner = (task: TaskKey): boolean => this.#board.plan?.record.tasks[task]?.owner === member;
    const slots = [...this.#slots];
    for (const [task, slot] of slots) if (isOwner(task)) slot.step();
    for (const [task, slot] of slots) if (!isOwner(task)) slot.step();
  }

  #living(): readonly string[] {
    const living = new Set([...this.#observer.living(), this.#options.member]);
    return [...living].filter((member) => !this.#isLeaving(member)).sort();
  }

  #isLeaving(member: string): boolean {
    return this.#board.memberRecords.get(member)?.record.leaving === true;
  }

  #reports(living: readonly string[]): ReadonlyMap<string, Readonly<Record<TaskKey, TaskReport>>> {
    return new Map(living.map((id) => [id, this.#board.memberRecords.get(id)?.record.tasks ?? {}]));
  }

  #slot(task: TaskKey): TaskSlot {
    const { member, hosts, time } = this.#options;
    const id = taskOf(task);
    if (id === undefined) throw new MillraceError('internal', `"${task}" is no task.`);
    const lives = (other: string): boolean => other === member || !this.#observer.isDead(other);
    const around: SlotSurroundings = {
      self: member,
      placement: () => this.#board.plan?.record.tasks[task],
      lives,
      stays: (other) => lives(other) && !this.#isLeaving(other),
      report: (_, other) =>
        other === member
          ? this.#slots.get(task)?.report()
          : this.#board.memberRecords.get(other)?.record.tasks[task],
      settled: () => this.#board.settled(task),
      mayOpen: () => {
        const opening = [...this.#slots.values()].filter(({ doing }) => doing === 'open').length;
        return opening < this.#limits.opens_at_once;
      },
    };
    return new TaskSlot({
      ...{ task, leases: this.#leases, around, time, log: this.#log },
      host: () => hosts(id),
      onDone: () => this.#soon(),
      release_max_ms: this.#limits.release_max_ms,
    });
  }

  /** For what cannot be fenced: see `Leases.confirm`. */
  async confirm(task: TaskId): Promise<boolean> {
    const key = taskKey(task);
    return this.#leases.isConfirmed(key) || (await this.#leases.confirm(key));
  }

  /** Whether that was confirmed so lately that it still holds. */
  isConfirmed(task: TaskId): boolean {
    return this.#leases.isConfirmed(taskKey(task));
  }

  metrics(): readonly MetricSample[] {
    return this.#metrics.samples();
  }

  #measure(): void {
    const { time } = this.#options;
    measureCluster(this.#metrics, {
      tasks: () => [...this.#slots.values()].map((slot) => slot.report()?.role),
      members: () => this.#living().length,
      leaseAge_s: () =>
        this.#renewed_at_ms === undefined ? undefined : (time.monotonic() - this.#renewed_at_ms) / 1_000,
      epochs: new Map([...this.#slots.keys()].map((task) => [task, () => this.#leases.epoch(task)])),
      takeovers: () => this.#leases.takeovers,
      moves: () => this.#planner.moves,
      unreadable: () => this.#board.unreadable,
    });
  }

  /** Gives up what it owns, closes, and leaves: others go on at once. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#wake();
    const { member, store, time } = this.#options;
    try {
      // First: then nobody gives a task back that this process gives up.
      if (this.#own !== undefined) await this.#renew();
    } catch (thrown) {
      this.#log(`the member's record does not say that it leaves: ${asMillraceError(thrown).message}`);
    }
    await Promise.all([...this.#slots.values()].map((slot) => slot.end()));
    await this.#beating;
    const own = this.#own;
    try {
      if (own !== undefined)
        await within(time, REQUEST_MAX_MS, store.delete(MEMBER_PREFIX + member, own.revision));
    } catch (thrown) {
      this.#log(`the member's record stays: ${asMillraceError(thrown).message}`);
    }
    await this.#unwatch?.();
  }
}
