import {
  asMillraceError,
  batch,
  type Clock,
  EventTime,
  invariant,
  Metrics,
  MillraceError,
} from '../base/index.ts';
import type { TaskRole } from '../channels/index.ts';
import {
  errorOf,
  FailureWatch,
  LetterAllowance,
  type OutMessage,
  type SourceRecord,
  TraceFollower,
} from '../edges/index.ts';
import {
  type Cursor,
  emittedBy,
  type Graph,
  type Notice,
  OutputIds,
  type Runtime,
  requireBehindCuts,
} from '../graph/index.ts';
import type { Flushable } from '../state/index.ts';
import { ControlState, describeControl } from './control-state.ts';
import { GapBoard, readGaps } from './gaps.ts';
import { type Input, Inputs, type InputsOptions, watermarkOwners } from './inputs.ts';
import { LogOrder } from './log-order.ts';
import {
  META_TABLE,
  NoticeBoard,
  type Progress,
  readProgress,
  requireSoleWriter,
  writeProgress,
} from './meta.ts';
import { gapNotices, namingGaps } from './naming-gaps.ts';
import { outboxEvents } from './outbox-events.ts';
import { Sending } from './sending.ts';
import { adaptedBatch, barrierInterval_ms, DEFAULT_TASK_LIMITS, type TaskLimits } from './task-limits.ts';
import { TaskMetrics } from './task-metrics.ts';
import type { TaskOptions } from './task-options.ts';
import { TimerService } from './timers.ts';
import { readTopology, upgradeTopology, writeTopology } from './upgrade.ts';

/** Where a task is that is not ordered. */
const NOWHERE: Cursor = { sequence: 0 };
/** In the ids of its dead letters, where others have the operator; no operator has such a name. */
const QUARANTINE = '.quarantine';

/**
 * One partition's pipeline: takes bounded batches from the source, pushes them through the graph
 * synchronously, and commits at barriers. State, position, watermark, timers, dedup entries and owed
 * outputs are one transaction; the position in it is the only cursor.
 */
export class Task {
  readonly metrics = new Metrics();
  readonly #counts = new TaskMetrics(this.metrics);
  readonly #options: TaskOptions;
  readonly #limits: TaskLimits;
  readonly #flushables: Flushable[] = [];
  readonly #timers: TimerService[] = [];
  #graph: Graph | undefined;
  #sending: Sending | undefined;
  #outputs: OutputIds | undefined;
  #control: ControlState | undefined;
  #notices = new NoticeBoard({});
  #gaps = new GapBoard([]);
  #inputs: Inputs | undefined;
  readonly #watermarkOf = new Map<string, readonly string[]>();
  readonly #failures = new FailureWatch();
  readonly #traces = new TraceFollower();
  readonly #letters: LetterAllowance | undefined;
  #order: LogOrder | undefined;
  #commit = 0;
  #eventTime = new EventTime();
  #uncommitted = 0;
  readonly #alignment: InputsOptions;
  #barrier_at_ms = 0;
  #barrierRequested = false;
  #batch_max: number;
  /** The topology is part of a commit of this task. */
  #isDescribed = false;

  constructor(options: TaskOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_TASK_LIMITS, ...options.limits };
    this.#batch_max = this.#limits.batch_max_events;
    const { letters } = this.#limits;
    this.#letters = letters && new LetterAllowance(letters, options.store.table(META_TABLE));
    this.#counts.observeLetters(() => this.#letters?.summed ?? 0);
    const { max_drift_ms } = this.#limits;
    this.#alignment = { watermarkOf: (node) => this.#eventTimeOf(node), max_drift_ms };
  }

  /** Opens state and source and checks that they fit together. Must be called once, before `run`. */
  async open(): Promise<void> {
    const { store, source, topology, publisher, clock } = this.#options;
    const allow = this.#options.allowTopologyChange === true;
    const described = topology.describe();
    if (this.#options.ordered === true) topology.requireOrder();
    const inputs = new Inputs(source, described);
    const meta = store.table(META_TABLE);
    const progress = readProgress(meta);
    this.#gaps = new GapBoard(readGaps(meta));
    this.#inputs = inputs;
    await this.#naming(() => inputs.open(progress, readTopology(meta), allow));
    for (const { node } of inputs.all) this.#gaps.settle(node);
    const changes = upgradeTopology(store, described, allow);
    if (changes.length > 0) this.#options.onTopologyChange?.(changes);
    this.#commit = progress?.commit ?? 0;
    if (this.#options.ordered === true) this.#order = new LogOrder(progress?.log, progress?.sequence);
    this.#eventTime = new EventTime(progress);
    this.#notices = new NoticeBoard(progress?.notices ?? {});
    const { channels } = this.#options;
    this.#sending = new Sending({
      ...{ channels, topology: topology.name, store, clock, metrics: this.metrics, publisher },
      ...{
        next: progress?.outbox_next ?? 0,
        committed: progress?.sequence ?? 0,
        limits: this.#limits.outbox,
      },
      events: outboxEvents(this.#counts, inputs, this.#notices),
      requestBarrier: () => this.#requestBarrier(),
    });
    this.#control = new ControlState(store, this.#options.control, progress?.control, this.#limits.control);
    const failed = (error: unknown): void => this.#failures.reportUnknown(error);
    const definitionOf = (node: string) => described.nodes.find(({ name }) => name === node)?.definition;
    this.#outputs = new OutputIds(topology.name, inputs.origins(definitionOf), this.#commit);
    const runtime = this.#runtime(inputs.first.source.partition, this.#outputs);
    this.#graph = topology.start(runtime, failed, this.#options.listen);
    this.#control.restore();
    const { watermark_ms } = this.#eventTime;
    this.#graph.push({ kind: 'watermark', time_ms: watermark_ms ?? Number.NEGATIVE_INFINITY });
    this.#raise();
    for (const { node } of inputs.all) {
      emittedBy(this.metrics, node);
      const owners = watermarkOwners(described, node, (name) => this.#eventTime.isOwner(name));
      this.#watermarkOf.set(node, owners);
    }
    describeControl(this.metrics, this.#control);
    // What was gone before this start is part of the next commit, for good.
    for (const notice of gapNotices(inputs)) this.#notices.add(notice);
    this.#counts.observe({
      store,
      inputs,
      outbox: this.#sending.outbox,
      eventTime: this.#eventTime,
      held: () => inputs.held(this.#alignment).length,
      uncommitted: () => this.#uncommitted,
    });
    await inputs.start();
    this.#barrier_at_ms = clock.now();
    this.#sending.pump();
  }

  #runtime(partition: string, outputs: OutputIds): Runtime {
    const { store, stateChecks = 'first' } = this.#options;
    const order = this.#order;
    const clock = this.#clock;
    return {
      store,
      stateChecks,
      clock,
      ordered: order !== undefined,
      cursor: order?.cursor ?? NOWHERE,
      onTick: (hear) => order?.onTick(hear),
      metrics: this.metrics,
      topology: this.#options.topology.name,
      partition,
      outputs,
      send: (message) => {
        if (this.#letters?.takes(message, clock.now()) !== false) this.#owe(this.#traces.mark(message));
      },
      notice: (notice: Notice) => this.#notices.add(notice),
      requestBarrier: () => this.#requestBarrier(),
      channels: this.#sending?.channels,
      eventTime: this.#eventTime,
      failures: this.#failures,
      control: (operator, handlers) => {
        if (order !== undefined) requireBehindCuts(this.#options.topology.describe(), operator);
        this.#control?.register(operator, handlers);
      },
      register: (_, flushable) => this.#flushables.push(flushable),
      timers: (operator) => {
        const timers = TimerService.of(store, operator);
        this.#timers.push(timers);
        return timers;
      },
    };
  }

  #owe(message: OutMessage, sequence = this.cursor.sequence): void {
    this.#opened().outbox.stage(this.#order === undefined ? message : { ...message, sequence });
  }

  #requestBarrier(): void {
    this.#barrierRequested = true;
  }

  /** Less is owed than its limits: else it takes no input. */
  get hasRoom(): boolean {
    return this.#sending?.hasRoom ?? true;
  }

  /** Whether it sends; a standby holds back what it owes. */
  get role(): TaskRole {
    return this.#sending?.role ?? this.#options.channels?.role ?? 'active';
  }

  /** Begins to send as the owner with this epoch; rejects as `ChannelSender.activate`, and is a standby then. */
  activate = (epoch: number): Promise<void> => this.#opened().sending.activate(epoch);

  /** Holds back what it owes from now on, and lets go of what it sees that another owner has sent. */
  standby = (): void => this.#opened().sending.standby();

  /** Up to which record of its log the outside has everything of it, as far as this task knows; for its standbys. */
  get settled(): number {
    return this.#sending?.settled ?? 0;
  }

  /** Another owner said that it has `settled` so much: nothing of it is sent from here any more. Of ordered tasks. */
  settle = (sequence: number): void => this.#opened().outbox.settle(sequence);

  /** The time by which results may be decided. */
  get #clock(): Clock {
    return this.#order?.clock ?? this.#options.clock;
  }

  /** Of an ordered task: where it is at work. */
  get cursor(): Cursor {
    return this.#order?.cursor ?? NOWHERE;
  }

  #opened() {
    const [graph, inputs, control] = [this.#graph, this.#inputs, this.#control];
    const [outputs, sending] = [this.#outputs, this.#sending];
    const isOpen = graph !== undefined && inputs !== undefined && control !== undefined;
    if (!isOpen || outputs === undefined || sending === undefined)
      throw new MillraceError('task_not_open', 'Call open() before anything else of a task.');
    return { graph, outbox: sending.outbox, inputs, control, outputs, sending };
  }

  /** An operator has more to do, or there are definitions that are not applied yet: a commit is due. */
  get wantsBarrier(): boolean {
    return this.#barrierRequested || this.#control?.hasNews === true;
  }

  /** The event time that a source has reached: the least of what is made of its records. */
  #eventTimeOf(node: string): number | undefined {
    const owners = this.#watermarkOf.get(node) ?? [];
    return owners.length === 0 ? undefined : Math.min(...owners.map((name) => this.#eventTime.ownOf(name)));
  }

  #raise(): void {
    const { first } = this.#failures;
    if (first !== undefined) throw errorOf(first);
  }

  /** Processes until `stop` is aborted, then commits what it has taken. Throws what broke it, uncommitted work undone. */
  async run(stop: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const { control_poll_ms } = this.#limits;
    const { sending, inputs } = this.#opened();
    const wake = (): void => {
      sending.stop();
      inputs.stop();
    };
    stop.addEventListener('abort', wake, { once: true });
    try {
      await this.#naming(async () => {
        while (!stop.aborted) {
          await sending.room();
          const wait_ms = Math.max(0, Math.min(this.#nextBarrier_ms() - clock.now(), sending.wait_ms()));
          await this.step(this.#options.control === undefined ? wait_ms : Math.min(wait_ms, control_poll_ms));
        }
      });
      if (this.#uncommitted > 0) this.commit();
    } finally {
      stop.removeEventListener('abort', wake);
      this.close();
    }
  }

  /** Some work; what it says the stream has lost is written down before it fails. */
  #naming(work: () => Promise<void>): Promise<void> {
    const { store, clock } = this.#options;
    return namingGaps({ store, clock, node: this.#inputs?.first.node ?? '' }, work);
  }

  /** One take, one push through the graph, and the commit that is due. Exposed for the simulation. */
  async step(wait_ms: number): Promise<number> {
    const { clock } = this.#options;
    const { inputs, sending } = this.#opened();
    sending.pump();
    const max = this.#options.quarantine?.maxRecords(this.#batch_max, inputs.all) ?? this.#batch_max;
    const { input, records } = await inputs.take({ max, wait_ms }, this.#alignment);
    const last = records.at(-1);
    if (last !== undefined) this.#push(input, records, last.sequence);
    const now_ms = clock.now();
    for (const each of inputs.all) {
      for (const range of each.takePassed()) this.#gaps.removed(each, range, now_ms);
      each.observe(each.ready === undefined && (last === undefined || each !== input), now_ms);
    }
    const { barrier_max_events, backlog_barrier_max_events } = this.#limits;
    const max_events = this.#isBehind ? backlog_barrier_max_events : barrier_max_events;
    const isFull = this.#barrierRequested || this.#uncommitted >= max_events;
    if (isFull || now_ms >= this.#nextBarrier_ms()) this.commit();
    return records.length;
  }

  #push(input: Input, records: readonly SourceRecord[], last: number): void {
    const { graph, outputs } = this.#opened();
    const { quarantine, topology, clock } = this.#options;
    input.note(records, (range) => this.#gaps.removed(input, range, clock.now()));
    for (const notice of this.#gaps.noteResent(input.node, records, topology)) this.#notices.add(notice);
    invariant((records[0]?.sequence ?? 0) > input.sequence, 'the source never repeats what was taken');
    input.sequence = last;
    this.#uncommitted += records.length;
    outputs.begin(input.node);
    const admitted =
      quarantine?.admit(input.node, records, (letter, { sequence }, { operator, message }) => {
        this.#owe(outputs.place(letter, QUARANTINE), sequence);
        this.#counts.failingRecords.add();
        const detail = { operator, message, source: input.node };
        this.#notices.add({ kind: 'record_failed', scope: letter.subject, sequence, detail });
      }) ?? records;
    const pushed_ms = performance.now();
    emittedBy(this.metrics, input.node).add(records.length);
    if (admitted.length > 0) {
      for (const run of this.#traces.runs(admitted)) {
        if (this.#order === undefined) {
          outputs.begin(input.node);
          graph.push({ ...batch(run), origins: run }, input.node);
        } else this.#pushInOrder(this.#order, input.node, run);
        if (this.#failures.first !== undefined) break;
      }
    }
    const failure = this.#failures.first;
    // No record is to blame for what another process wrote under its operator.
    if (failure !== undefined) requireSoleWriter(this.#options.store, this.#commit);
    if (failure !== undefined && quarantine !== undefined) {
      throw asMillraceError(quarantine.blame(input.node, admitted, failure));
    }
    if (failure !== undefined) throw errorOf(failure, { node: input.node, records: admitted });
    if (this.#options.stateChecks === 'always') for (const flushable of this.#flushables) flushable.check?.();
    const took_ms = performance.now() - pushed_ms;
    this.#batch_max = adaptedBatch(this.#limits, this.#batch_max, records.length, took_ms);
  }

  #pushInOrder(order: LogOrder, node: string, records: readonly SourceRecord[]): void {
    const { graph, outputs } = this.#opened();
    for (const record of records) {
      const { minute } = order;
      outputs.begin(node);
      if (order.begin(record)) graph.push({ kind: 'batch', items: [record], origins: [record] }, node);
      if (this.#failures.first !== undefined) return;
      if (order.minute > minute) this.#sumLetters(order.clock.now());
    }
  }

  /** What was too much for letters of its own. */
  #sumLetters(now_ms: number): void {
    for (const summary of this.#letters?.summaries(now_ms) ?? []) this.#owe(summary);
  }

  get #isBehind(): boolean {
    return this.#opened().inputs.lag > this.#limits.barrier_max_events;
  }

  #nextBarrier_ms(): number {
    const { sending, inputs, control } = this.#opened();
    if (this.#barrierRequested) return this.#barrier_at_ms;
    const isBusy = this.#uncommitted > 0 || sending.hasChanges || inputs.haveMoved || control.hasNews;
    return this.#barrier_at_ms + barrierInterval_ms(this.#limits, isBusy, this.#isBehind);
  }

  /** Sends a barrier through the graph inside one transaction that writes everything, or nothing. */
  commit(): void {
    const { store, clock, topology, onCommit } = this.#options;
    const { graph, inputs, control, outputs, sending } = this.#opened();
    const [started_ms, now_ms] = [performance.now(), clock.now()];
    const [order, commit, before] = [this.#order, this.#commit + 1, graph.arrivals()];
    // Before the barrier: an operator with more to do may ask for the next one while this one passes.
    this.#barrierRequested = false;
    const { progress, owed } = store.transaction(() => {
      const meta = store.table(META_TABLE);
      // First: an operator that meets what another process wrote would fail in ways that hide why.
      requireSoleWriter(this.#options.store, this.#commit);
      const { watermark_ms } = this.#eventTime.committed;
      // Before the barrier: what an operator begins for a definition, it stores as the barrier passes.
      control.apply();
      for (const input of inputs.all) {
        const idle_ms = order === undefined ? input.idle_ms(now_ms) : 0;
        const time = { now_ms: order?.clock.now() ?? now_ms, idle_ms };
        outputs.begin(input.node);
        graph.push({ kind: 'barrier', commit, ...time, watermark_ms }, input.node);
      }
      this.#raise();
      invariant(graph.arrivals() - before === graph.ends, 'a barrier reaches every end of the graph');
      const eventTime = this.#eventTime.committed;
      for (const flushable of this.#flushables) flushable.flush(eventTime.watermark_ms ?? 0);
      for (const timers of this.#timers) timers.flush();
      if (order === undefined) this.#sumLetters(now_ms);
      this.#letters?.flush();
      const flushed = sending.flush(inputs.first.sequence, now_ms);
      this.#notices.flush(meta);
      this.#gaps.flush(meta);
      const written: Progress = {
        commit,
        ...inputs.first.position,
        ...(inputs.all.length > 1 ? { others: inputs.others } : {}),
        ...eventTime,
        ...(control.position === undefined ? {} : { control: control.position }),
        ...(order === undefined ? {} : { log: order.time }),
        committed_at_ms: now_ms,
        outbox_next: sending.outbox.next,
        notices: this.#notices.counts(),
      };
      writeProgress(meta, written);
      if (!this.#isDescribed) writeTopology(meta, topology.describe());
      return { progress: written, owed: flushed };
    });
    this.#commit = commit;
    for (const input of inputs.all) {
      input.committed();
      this.#options.quarantine?.committed(input.node, input.sequence);
    }
    this.#isDescribed = true;
    this.#barrier_at_ms = clock.now();
    this.#counts.records.add(this.#uncommitted);
    this.#uncommitted = 0;
    this.#counts.commits.add();
    this.#counts.commit_s.add((performance.now() - started_ms) / 1_000);
    owed.sendCommitted();
    onCommit?.(progress);
  }

  /** Lets go of the graph; the store stays open, it is the caller's. */
  close(): void {
    this.#graph?.stop();
    this.#sending?.stop();
    this.#graph = undefined;
  }
}
