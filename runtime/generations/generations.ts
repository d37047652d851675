import { rm } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { TOPOLOGY_NAME } from '../../analytics/index.ts';
import { JetStreamPublisher, type NatsLink, type NatsServer } from '../../connectors/index.ts';
import {
  asMillraceError,
  type Clock,
  type GenerationLayout,
  listGenerations,
  type MillraceError,
  makeCurrent,
  nextGeneration,
  type SupervisedState,
  type Supervisor,
  systemClock,
  type TopologyChange,
} from '../../engine/index.ts';
import { currentState, inThread, PartitionHost, stateRoot, WHOLE_STREAM } from '../host/index.ts';
import { ORDER_ANALYTICS_MODULE, ORDER_INPUT, type OrderOptions, withOptions } from '../orders/index.ts';
import type { Settings } from '../settings/index.ts';
import type { Comparison } from './build-message.ts';
import { BuildMeter, type BuildProgress } from './build-meter.ts';
import { Builder } from './builder.ts';
import { catchUp } from './catch-up.ts';
import { drainOutbox } from './drain-outbox.ts';
import { buildCancelled, buildRunning, generationDiffers, notABuild, nothingToReplace } from './errors.ts';
import { type GenerationRecord, readRecord, writeRecord } from './generation-record.ts';
import { comparedTables } from './independent-tables.ts';

/** Times that a build is compared with the live state before it counts as different. */
const MAX_COMPARISONS = 3;

export interface BuildRequest {
  /** What the new generation has otherwise than the current one; `{}` builds the same again. Kept with it. */
  readonly options: OrderOptions;
  /** Why, for whoever finds an interrupted build. With `options` it says which build goes on. */
  readonly reason: string;
  /** Aborting it cancels the build: what was built is removed, and the current generation stays. */
  readonly signal?: AbortSignal;
  /** Aborting `signal` interrupts the build: what was built stays, and the same request goes on; default: false. */
  readonly keepAborted?: boolean;
  readonly onProgress?: (progress: BuildProgress) => void;
  /** Makes it current also where it holds other events than the live state; default: false. */
  readonly acceptDifferent?: boolean;
  /** Keeps the folder of the generation that it takes the place of; default: false. */
  readonly keepFormer?: boolean;
}

export interface BuiltGeneration {
  readonly generation: number;
  readonly replaced: number;
  /** Records that were applied by this process, for the build. */
  readonly records: number;
  /** As the live state was, when they were compared. */
  readonly same: boolean;
  /** Tables that differed. Those whose content the options decide may. */
  readonly different: readonly string[];
  /** How long nothing was applied during the change, ms. */
  readonly pause_ms: number;
}

/** A build that was interrupted: by a crash, or because the process ended. */
export interface InterruptedBuild {
  readonly generation: number;
  readonly reason: string;
  readonly options: OrderOptions;
  readonly started_at_ms: number;
}

export interface GenerationsOptions {
  /** As the environment says. The current generation may have options of its own. */
  readonly settings: Settings;
  readonly nats: NatsServer;
  readonly link: NatsLink;
  readonly clock?: Clock;
  readonly onChange?: (state: SupervisedState, error: MillraceError | undefined) => void;
  readonly onTopologyChange?: (changes: readonly TopologyChange[]) => void;
  readonly onDefinitionsUnread?: (message: string) => void;
  /**
   * Resolves when nothing reads from the state of a host any more whose generation was replaced. Its folder is removed
   * then.
   */
  readonly released: (host: PartitionHost) => Promise<void>;
  /** Hears what keeps a folder that is not needed any more from being removed: it goes at the next start. */
  readonly onLeftOver?: (error: MillraceError) => void;
}

/** One generation that runs. */
interface Live {
  readonly layout: GenerationLayout;
  /** What it has otherwise than the settings of the environment. */
  readonly options: OrderOptions;
  readonly settings: Settings;
  readonly host: PartitionHost;
}

/**
 * The order analytics of a process: the host of the current generation, and builds of the next one beside it. There
 * is one current generation at every moment, whatever crashes: the pointer is replaced by one rename, and everything
 * before it can be done again.
 */
export class Generations {
  readonly #options: GenerationsOptions;
  readonly #clock: Clock;
  readonly #root: string;
  #live: Live;
  /** Since when no generation applies anything, because one takes the place of another. */
  #changing_since_ms: number | undefined;
  #building:
    | { readonly builder: Builder; readonly generation: number; readonly done: Promise<unknown> }
    | undefined;
  readonly #releasing = new Set<Promise<void>>();
  #isClosing = false;

  /** Removes what a change that was interrupted has left behind. Throws `bad_generation_record`. */
  constructor(options: GenerationsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const { dataDir } = options.settings;
    this.#root = stateRoot(dataDir);
    const layout = currentState(dataDir, TOPOLOGY_NAME);
    const record = readRecord(layout.path);
    this.#live = this.#liveOf(layout, record?.options ?? {});
    if (record?.replaces !== undefined) this.#remove(record.replaces);
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
    const { nats, onChange, onTopologyChange, onDefinitionsUnread } = this.#options;
    const settings = withOptions(this.#options.settings, options);
    const statePath = layout.partitionPath(WHOLE_STREAM);
    const host = new PartitionHost({
      partition: WHOLE_STREAM,
      generation: layout.generation,
      statePath,
      place: inThread({
        module: ORDER_ANALYTICS_MODULE,
        config: settings,
        nats,
        partition: WHOLE_STREAM,
        statePath,
        inputs: [{ ...ORDER_INPUT, gaps: settings.onGap }],
        allowTopologyChange: settings.allowTopologyChange,
        takesDefinitions: true,
        letters: settings.letters,
      }),
      clock: this.#clock,
      ...(onChange === undefined ? {} : { onChange }),
      ...(onTopologyChange === undefined ? {} : { onTopologyChange }),
      ...(onDefinitionsUnread === undefined ? {} : { onDefinitionsUnread }),
    });
    return { layout, options, settings, host };
  }

  /** Builds that were interrupted. `build` with the same options and reason goes on with one. */
  interrupted(): readonly InterruptedBuild[] {
    return listGenerations(this.#root, TOPOLOGY_NAME).flatMap(({ generation, path }) => {
      const record = generation === this.#live.layout.generation ? undefined : readRecord(path);
      if (record === undefined || record.state === 'former') return [];
      const { reason, options, started_at_ms } = record;
      return [{ generation, reason, options, started_at_ms }];
    });
  }

  /** Removes an interrupted build. Throws `not_a_build`, and `build_running` while it runs. */
  async discard(generation: number): Promise<void> {
    if (this.#building?.generation === generation) throw buildRunning();
    const found = this.interrupted().find((build) => build.generation === generation);
    if (found === undefined) throw notABuild(generation);
    await rm(this.#folderOf(generation).path, { recursive: true, force: true });
  }

  /**
   * Builds the next generation from the stream beside the current one, which goes on; compares it with the live
   * state, and makes it current. What reads from the former one reads on, until `released`.
   *
   * Throws `build_running`, `build_cancelled`, `generation_differs` where it does not hold the same events as the live
   * state (then it is removed), `no_state` where the live state has committed nothing. After an error that may pass,
   * and when the process ends, what was built stays, and the next build of the same options and reason goes on.
   */
  async build(request: BuildRequest): Promise<BuiltGeneration> {
    if (this.#building !== undefined || this.#isClosing) throw buildRunning();
    if (request.signal?.aborted === true) throw buildCancelled();
    if (this.host.progress() === undefined) throw nothingToReplace();
    const { layout, record } = this.#folderFor(request);
    const former = this.#live;
    const next = this.#liveOf(layout, record.options);
    const meter = new BuildMeter(layout.generation, this.#clock, request.onProgress);
    const builder = new Builder(
      {
        module: ORDER_ANALYTICS_MODULE,
        config: next.settings,
        nats: this.#options.nats,
        partition: WHOLE_STREAM,
        statePath: next.host.statePath,
        inputs: [ORDER_INPUT],
        live: { config: former.settings, statePath: former.host.statePath },
      },
      (inputs, applied) => meter.tell(inputs, applied),
    );
    const cancel = (): void => builder.cancel();
    request.signal?.addEventListener('abort', cancel, { once: true });
    const work = this.#run(builder, { former, next, record, request, meter });
    const { generation } = layout;
    this.#building = { builder, generation, done: work.catch(() => undefined) };
    try {
      return await work;
    } catch (thrown) {
      await builder.close();
      const error = asMillraceError(thrown);
      const isKept = request.keepAborted === true && isAborted(request);
      if (!this.#isClosing && !error.retriable && !isKept)
        await rm(layout.path, { recursive: true, force: true });
      throw error;
    } finally {
      request.signal?.removeEventListener('abort', cancel);
      this.#building = undefined;
    }
  }

  /** The folder of an interrupted build of the same options and reason, or a new one. */
  #folderFor({ options, reason }: BuildRequest): {
    readonly layout: GenerationLayout;
    readonly record: GenerationRecord;
  } {
    const wanted = { ...this.#live.options, ...options };
    const found = this.interrupted().find(
      (build) => build.reason === reason && isDeepStrictEqual(build.options, wanted),
    );
    const layout =
      found === undefined ? nextGeneration(this.#root, TOPOLOGY_NAME) : this.#folderOf(found.generation);
    const started_at_ms = found?.started_at_ms ?? this.#clock.now();
    const record: GenerationRecord = { state: 'building', reason, options: wanted, started_at_ms };
    writeRecord(layout.path, record);
    return { layout, record };
  }

  #folderOf(generation: number): GenerationLayout {
    const found = listGenerations(this.#root, TOPOLOGY_NAME).find((one) => one.generation === generation);
    if (found === undefined) throw notABuild(generation);
    return found;
  }

  async #run(builder: Builder, parts: BuildParts): Promise<BuiltGeneration> {
    const { former, next, request, meter } = parts;
    meter.enter('reading');
    await builder.read(appliedBy(former));
    meter.enter('comparing');
    const comparison = await this.#compare(builder, parts);
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
    if (request.keepFormer !== true) this.#release(former);
    return {
      generation: next.layout.generation,
      replaced: former.layout.generation,
      records: builder.applied,
      ...comparison,
      pause_ms,
    };
  }

  /** A table that a definition fills piece by piece may be ahead in one of the two: then it is looked at again. */
  async #compare(builder: Builder, { former, next, request }: BuildParts): Promise<Comparison> {
    for (let attempt = 1; ; attempt++) {
      const comparison = await builder.compare();
      const unexpected = comparedTables(comparison.different, former.settings, next.settings);
      if (unexpected.length === 0 || request.acceptDifferent === true) return comparison;
      if (attempt === MAX_COMPARISONS) throw generationDiffers(next.layout.generation, unexpected);
    }
  }

  /** Stops the live task, brings the new state exactly there, and puts it in its place. */
  async #change(builder: Builder, { former, next, record, request }: BuildParts): Promise<number> {
    const started_ms = this.#clock.now();
    this.#changing_since_ms = started_ms;
    try {
      await former.host.stop();
      await drainOutbox(former.host.statePath, new JetStreamPublisher(this.#options.link), () => {
        if (request.signal?.aborted === true || this.#isClosing) throw buildCancelled();
      });
      await builder.read(appliedBy(former));
      await builder.follow();
      await builder.close();
      const replaces = request.keepFormer === true ? {} : { replaces: former.layout.generation };
      writeRecord(next.layout.path, { ...record, state: 'built', ...replaces });
      makeCurrent(this.#root, TOPOLOGY_NAME, next.layout.generation);
    } catch (error) {
      if (!this.#isClosing) former.host.start();
      this.#changing_since_ms = undefined;
      throw error;
    }
    this.#live = next;
    const { options, layout } = former;
    writeRecord(layout.path, { ...record, options, state: 'former' });
    next.host.start();
    this.#changing_since_ms = undefined;
    return this.#clock.now() - started_ms;
  }

  /** Removes the former generation once nothing reads from it. */
  #release({ host, layout }: Live): void {
    const work = this.#options
      .released(host)
      .then(async () => {
        await host.close();
        await rm(layout.path, { recursive: true, force: true });
      })
      .catch((error: unknown) => this.#options.onLeftOver?.(asMillraceError(error)))
      .finally(() => this.#releasing.delete(work));
    this.#releasing.add(work);
  }

  #remove(generation: number): void {
    const left = listGenerations(this.#root, TOPOLOGY_NAME).find((one) => one.generation === generation);
    if (left === undefined) return;
    const work = rm(left.path, { recursive: true, force: true })
      .catch((error: unknown) => this.#options.onLeftOver?.(asMillraceError(error)))
      .finally(() => this.#releasing.delete(work));
    this.#releasing.add(work);
  }

  /** Interrupts a build, which stays to go on with, and ends the task. What was committed can be read until then. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#building?.builder.cancel();
    await this.#building?.done;
    await this.#live.host.close();
    await Promise.all(this.#releasing);
  }
}

interface BuildParts {
  readonly former: Live;
  readonly next: Live;
  readonly record: GenerationRecord;
  readonly request: BuildRequest;
  readonly meter: BuildMeter;
}

const appliedBy = ({ host }: Live): Readonly<Record<string, number>> => ({
  [ORDER_INPUT.node]: host.progress()?.sequence ?? 0,
});

/** By now. */
const isAborted = ({ signal }: BuildRequest): boolean => signal?.aborted === true;

const distance = (from: Readonly<Record<string, number>>, to: Readonly<Record<string, number>>): number =>
  Object.entries(to).reduce((sum, [node, sequence]) => sum + sequence - (from[node] ?? 0), 0);
