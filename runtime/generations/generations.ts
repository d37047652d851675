import { isDeepStrictEqual } from 'node:util';
import { TOPOLOGY_NAME } from '../../analytics/index.ts';
import { JetStreamPublisher, type NatsLink } from '../../connectors/index.ts';
import {
  asMillraceError,
  type Clock,
  type GenerationLayout,
  type Supervisor,
  systemClock,
} from '../../engine/index.ts';
import { currentState, type PartitionHost, stateRoot, WHOLE_STREAM } from '../host/index.ts';
import { ORDER_ANALYTICS_MODULE, ORDER_INPUT, type OrderOptions } from '../orders/index.ts';
import type { Settings } from '../settings/index.ts';
import type { Comparison } from './build-message.ts';
import { BuildMeter } from './build-meter.ts';
import type { BuildRequest, BuiltGeneration, GenerationInfo } from './build-request.ts';
import { Builder } from './builder.ts';
import { catchUp } from './catch-up.ts';
import { drainOutbox } from './drain-outbox.ts';
import {
  buildCancelled,
  buildRunning,
  diskFullInBuild,
  generationDiffers,
  isCurrent,
  noSuchGeneration,
  notActivatable,
  nothingToReplace,
} from './errors.ts';
import { GenerationFolders, type InterruptedBuild } from './folders.ts';
import type { GenerationRecord } from './generation-record.ts';
import { comparedTables, independentOf } from './independent-tables.ts';
import { appliedBy, distance, type Live, type LiveOptions, liveOf, paceOf, sizeOf } from './live.ts';
import { Recounts } from './recount.ts';
import type { RecountOutcome, RecountRequest } from './recount-message.ts';
import { type ReleaseOptions, ReplacedGenerations } from './replaced.ts';

/** Times that a build is compared with the live state before it counts as different. */
const MAX_COMPARISONS = 3;

export interface GenerationsOptions extends LiveOptions, ReleaseOptions {
  readonly link: NatsLink;
  readonly clock?: Clock;
}

/** A build, or the way of another generation to the place of the current one, that is under way. */
interface Running {
  /** Absent while a state is copied. */
  readonly builder?: Builder;
  readonly generation: number;
  readonly done: Promise<unknown>;
}

interface BuildParts {
  readonly former: Live;
  readonly next: Live;
  readonly record: GenerationRecord;
  readonly request: BuildRequest;
  readonly meter: BuildMeter;
}

/**
 * The order analytics of a process: the host of the current generation, and builds of the next one beside it. There
 * is one current generation at every moment, whatever crashes: the pointer is replaced by one rename, and everything
 * before it can be done again.
 */
export class Generations {
  readonly #options: GenerationsOptions;
  readonly #clock: Clock;
  readonly #folders: GenerationFolders;
  #live: Live;
  /** Since when no generation applies anything, because one takes the place of another. */
  #changing_since_ms: number | undefined;
  #building: Running | undefined;
  readonly #recounts = new Recounts();
  readonly #replaced: ReplacedGenerations;
  #isClosing = false;

  /** Removes what a change that was interrupted has left behind. Throws `bad_generation_record`. */
  constructor(options: GenerationsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const { dataDir } = options.settings;
    this.#folders = new GenerationFolders(stateRoot(dataDir));
    this.#replaced = new ReplacedGenerations(this.#folders, options);
    const layout = currentState(dataDir, TOPOLOGY_NAME);
    const record = this.#folders.openCurrent(layout);
    this.#live = this.#liveOf(layout, record.options);
    if (record.replaces !== undefined) this.#replaced.removeLater(record.replaces);
  }

  start(): void {
    this.#live.host.start();
  }

  /** Of the current generation. */
  get host(): PartitionHost {
    return this.#live.host;
  }

  /** As the current generation has them. */
  get settings(): Settings {
    return this.#live.settings;
  }

  /** The dimensions that the environment declares: for all tenants. */
  get declaredDimensions(): readonly string[] {
    return this.#options.settings.customDimensions;
  }

  /** Settings that the environment has otherwise than the current generation, whose own hold. */
  get overridden(): readonly string[] {
    const { settings } = this.#options;
    const own = Object.entries(this.#live.options);
    return own
      .filter(([name, value]) => !isDeepStrictEqual(Reflect.get(settings, name), value))
      .map(([name]) => name);
  }

  /** How the task of the current generation stands; `restarting` while one generation takes the place of another. */
  get status(): Supervisor['status'] {
    if (this.#changing_since_ms === undefined) return this.host.status;
    return { state: 'restarting', error: undefined, since_ms: this.#changing_since_ms };
  }

  #liveOf(layout: GenerationLayout, options: OrderOptions): Live {
    return liveOf(this.#options, this.#clock, layout, options);
  }

  /** Builds that were interrupted. `build` with the same options and reason goes on with one. */
  interrupted(): readonly InterruptedBuild[] {
    return this.#folders.interrupted(this.#live.layout.generation);
  }

  /** Removes an interrupted build. Throws `not_a_build`, and `build_running` while it runs. */
  async discard(generation: number): Promise<void> {
    if (this.#building?.generation === generation) throw buildRunning();
    await this.#folders.discard(this.#live.layout.generation, generation);
  }

  /** All that lie on the disk and are not about to go, oldest first. */
  list(): readonly GenerationInfo[] {
    return this.#folders
      .all()
      .filter(({ layout }) => !this.#replaced.isDoomed(layout.generation))
      .map(({ layout, record }) => {
        const { generation } = layout;
        const { reason, options, started_at_ms, since_ms, position } = record;
        const isLive = generation === this.#live.layout.generation;
        return {
          ...{ generation, reason, options, started_at_ms, since_ms },
          state: isLive ? 'current' : this.#stateOf(generation, record),
          position: isLive ? this.host.progress()?.sequence : position,
          size_bytes: sizeOf(layout),
        };
      });
  }

  #stateOf(generation: number, { state }: GenerationRecord): GenerationInfo['state'] {
    if (this.#building?.generation === generation) return 'building';
    return state === 'ready' || state === 'former' ? state : 'interrupted';
  }

  /**
   * Removes one that is not current, at once or when the last query on it has ended. Throws `no_such_generation`,
   * `generation_current`, `build_running`.
   */
  async remove(generation: number): Promise<void> {
    if (this.#replaced.isDoomed(generation)) throw noSuchGeneration(generation);
    this.#folders.layoutOf(generation);
    if (generation === this.#live.layout.generation) throw isCurrent(generation);
    if (this.#building?.generation === generation) throw buildRunning();
    await this.#replaced.remove(generation);
  }

  /**
   * Builds the next generation from the stream beside the current one, which goes on; compares it with the live
   * state, and makes it current. What reads from the former one reads on, until `released`.
   *
   * Throws `build_running`, `build_cancelled`, `generation_differs` where it does not hold the same events as the live
   * state (then it is removed), `no_state` where the live state has committed nothing, `disk_full` (it is removed).
   * After another error that may pass, and when the process ends, what was built stays, and the next build of the same
   * options and reason goes on.
   */
  async build(request: BuildRequest): Promise<BuiltGeneration> {
    this.#requireFree(request);
    const current = this.#live.layout.generation;
    const wanted = { reason: request.reason, options: { ...this.#live.options, ...request.options } };
    const { layout, record } = this.#folders.folderFor(current, wanted, this.#clock.now());
    return await this.#inFolder(layout, record, request, () =>
      this.#work(layout, record, request, (builder, parts) => this.#run(builder, parts)),
    );
  }

  /**
   * Gives back the pages of the current state that are free, and what they held: a copy without them catches up and
   * takes its place; the former file is removed once nothing reads from it. `reason` says which attempt goes on.
   *
   * Throws `build_running`, `build_cancelled`, `no_state`, `disk_full` (the copy is removed). What an aborted one has
   * copied stays, to go on with, until `discard`.
   */
  async shrink(asked: Pick<BuildRequest, 'reason' | 'signal' | 'onProgress'>): Promise<BuiltGeneration> {
    this.#requireFree(asked);
    const { layout: current, options, host } = this.#live;
    const request = { ...asked, options, keepAborted: true };
    const { layout, record } = this.#folders.folderFor(current.generation, request, this.#clock.now());
    return await this.#inFolder(layout, record, request, async () => {
      const copied = this.#folders.copyInto(layout, host.statePath);
      this.#building = { generation: layout.generation, done: copied.catch(() => undefined) };
      await copied.finally(() => (this.#building = undefined));
      if (this.#isClosing || request.signal?.aborted === true) throw buildCancelled();
      return await this.#work(layout, record, request, (builder, parts) =>
        this.#takePlace(builder, parts, { same: true, different: [], cells: null }),
      );
    });
  }

  /** Work that fills the folder of a generation. The folder goes where the work has failed for good. */
  async #inFolder<T>(
    layout: GenerationLayout,
    record: GenerationRecord,
    request: Pick<BuildRequest, 'signal' | 'keepAborted'>,
    work: () => Promise<T>,
  ): Promise<T> {
    try {
      this.#folders.write(layout, record);
      return await work();
    } catch (thrown) {
      const error = asMillraceError(thrown);
      const isKept = request.keepAborted === true && request.signal?.aborted === true;
      const isFull = error.code === 'disk_full';
      if (isFull || !(this.#isClosing || error.retriable || isKept))
        await this.#folders.remove(layout.generation);
      throw isFull ? diskFullInBuild(layout.generation, thrown) : error;
    }
  }

  /**
   * Makes one current that is ready, or was current before: it reads what came since, then takes the place of the
   * current one as a build does. That one stays, to go back to.
   *
   * Throws `no_such_generation`, `generation_current`, `generation_unfinished`, `build_running`, `build_cancelled`.
   */
  async activate(
    generation: number,
    request: Pick<BuildRequest, 'signal' | 'onProgress'> = {},
  ): Promise<BuiltGeneration> {
    if (generation === this.#live.layout.generation) throw isCurrent(generation);
    this.#requireFree(request);
    if (this.#replaced.isDoomed(generation)) throw noSuchGeneration(generation);
    const layout = this.#folders.layoutOf(generation);
    const record = this.#folders.recordOf(layout);
    if (record.state !== 'ready' && record.state !== 'former') throw notActivatable(generation);
    const { reason, options } = record;
    return await this.#work(
      layout,
      record,
      { ...request, options, reason, keepFormer: true },
      async (builder, parts) => {
        const none: Comparison = { same: false, different: [] };
        return await this.#takePlace(builder, parts, { ...none, cells: null });
      },
    );
  }

  /**
   * Counts cells of the current generation anew from its log and puts right those that are wrong, in one transaction,
   * while events go on coming in. Throws `build_running` while another one counts, `build_cancelled`.
   */
  async recount(request: RecountRequest): Promise<RecountOutcome> {
    if (this.#isClosing) throw buildRunning();
    return await this.#recounts.run(this.#live, this.#options, request);
  }

  #requireFree({ signal }: Pick<BuildRequest, 'signal'>): void {
    if (this.#building !== undefined || this.#isClosing) throw buildRunning();
    if (signal?.aborted === true) throw buildCancelled();
    if (this.host.progress() === undefined) throw nothingToReplace();
  }

  /** Does `work` with a thread that builds in the folder of a generation. */
  async #work(
    layout: GenerationLayout,
    record: GenerationRecord,
    request: BuildRequest,
    work: (builder: Builder, parts: BuildParts) => Promise<BuiltGeneration>,
  ): Promise<BuiltGeneration> {
    const { generation } = layout;
    const former = this.#live;
    const next = this.#replaced.held(generation) ?? this.#liveOf(layout, record.options);
    const meter = new BuildMeter(generation, this.#clock, request.onProgress);
    const pace = paceOf(this.#options, former);
    const builder = new Builder(
      {
        module: ORDER_ANALYTICS_MODULE,
        config: next.settings,
        nats: this.#options.nats,
        partition: WHOLE_STREAM,
        statePath: next.host.statePath,
        inputs: [ORDER_INPUT],
        archive: next.settings.archive.place,
        live: { config: former.settings, statePath: former.host.statePath },
        pace: pace.shared,
      },
      (inputs, applied) => meter.tell(inputs, applied),
    );
    const cancel = (): void => builder.cancel();
    request.signal?.addEventListener('abort', cancel, { once: true });
    pace.start();
    const done = work(builder, { former, next, record, request, meter });
    this.#building = { builder, generation, done: done.catch(() => undefined) };
    try {
      return await done;
    } finally {
      await builder.close();
      pace.stop();
      request.signal?.removeEventListener('abort', cancel);
      this.#building = undefined;
    }
  }

  async #run(builder: Builder, parts: BuildParts): Promise<BuiltGeneration> {
    const { former, next, record, request, meter } = parts;
    meter.enter('reading');
    await builder.read(appliedBy(former));
    meter.enter('comparing');
    const comparison = await this.#compare(builder, parts);
    const cells = request.cells === undefined ? null : await builder.cells(request.cells);
    const found = { ...comparison, cells };
    if (request.leaveReady !== true) return await this.#takePlace(builder, parts, found);
    const goal = appliedBy(former);
    await builder.read(goal);
    await builder.close();
    const { generation } = next.layout;
    const position = goal[ORDER_INPUT.node] ?? 0;
    this.#folders.write(next.layout, { ...record, state: 'ready', position, since_ms: this.#clock.now() });
    const replaced = former.layout.generation;
    return { generation, replaced, records: builder.applied, ...found, isActive: false, pause_ms: 0 };
  }

  /** Reads on until the live state is near, and puts the new one in its place. */
  async #takePlace(
    builder: Builder,
    parts: BuildParts,
    found: Pick<BuiltGeneration, 'same' | 'different' | 'cells'>,
  ): Promise<BuiltGeneration> {
    const { former, next, request, meter } = parts;
    meter.enter('catching_up');
    let goal = appliedBy(former);
    await catchUp({
      behind: () => distance(goal, appliedBy(former)),
      read: async () => {
        goal = appliedBy(former);
        await builder.read(goal);
      },
      hurry: () => builder.hurry(),
    });
    meter.enter('changing');
    const pause_ms = await this.#change(builder, parts);
    this.#replaced.release(former, request.keepFormer === true);
    if (request.keepFormer === true) await this.#prune();
    const [generation, replaced] = [next.layout.generation, former.layout.generation];
    return { generation, replaced, records: builder.applied, ...found, isActive: true, pause_ms };
  }

  /** A table that a definition fills piece by piece may be ahead in one of the two: then it is looked at again. */
  async #compare(builder: Builder, { former, next, request }: BuildParts): Promise<Comparison> {
    for (let attempt = 1; ; attempt++) {
      const comparison = await builder.compare();
      const { different } = comparison;
      const unexpected =
        request.mayDiffer === true
          ? independentOf(different)
          : comparedTables(different, former.settings, next.settings);
      if (unexpected.length === 0 || request.acceptDifferent === true) return comparison;
      if (attempt === MAX_COMPARISONS) throw generationDiffers(next.layout.generation, unexpected);
    }
  }

  /** Stops the live task, brings the new state exactly there, and puts it in its place. */
  async #change(builder: Builder, { former, next, record, request }: BuildParts): Promise<number> {
    const started_ms = this.#clock.now();
    this.#changing_since_ms = started_ms;
    const formerRecord = this.#folders.recordOf(former.layout);
    const { position: _, since_ms: __, ...kept } = record;
    try {
      await former.host.stop();
      await drainOutbox(former.host.statePath, new JetStreamPublisher(this.#options.link), () => {
        if (request.signal?.aborted === true || this.#isClosing) throw buildCancelled();
      });
      await builder.read(appliedBy(former));
      await builder.follow();
      await builder.inherit();
      await builder.close();
      const replaces = request.keepFormer === true ? {} : { replaces: former.layout.generation };
      // The records before the pointer: a crash between them is put right by the next start.
      this.#folders.write(next.layout, { ...kept, state: 'built', ...replaces });
      const position = former.host.progress()?.sequence ?? 0;
      const since_ms = this.#clock.now();
      const { options } = former;
      this.#folders.write(former.layout, { ...formerRecord, options, state: 'former', position, since_ms });
      this.#folders.point(next.layout.generation);
    } catch (error) {
      this.#changing_since_ms = undefined;
      if (!this.#isClosing) former.host.start();
      if (this.#folders.recordOf(former.layout).state === 'former')
        this.#folders.write(former.layout, { ...formerRecord, state: 'built' });
      throw error;
    }
    this.#live = next;
    this.#replaced.takeBack(next.layout.generation);
    next.host.start();
    this.#changing_since_ms = undefined;
    return this.#clock.now() - started_ms;
  }

  /** Removes the oldest of the former generations that are more than may stay. */
  async #prune(): Promise<void> {
    const former = this.list()
      .filter(({ state }) => state === 'former')
      .sort((a, b) => (b.since_ms ?? 0) - (a.since_ms ?? 0) || b.generation - a.generation);
    for (const { generation } of former.slice(this.#options.settings.backfill.kept_max_generations))
      await this.remove(generation);
  }

  /** Interrupts a build, which stays to go on with, and ends the task. What was committed can be read until then. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#building?.builder?.cancel();
    const recounted = this.#recounts.cancel();
    await this.#building?.done;
    await recounted;
    await this.#live.host.close();
    await this.#replaced.settled();
  }
}
