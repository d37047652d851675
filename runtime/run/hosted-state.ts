import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { JetStreamSource, type NatsLink, type NatsServer } from '../../connectors/index.ts';
import {
  asMillraceError,
  type ControlSet,
  deadLetterQuarantine,
  type GenerationLayout,
  type KvReader,
  type KvStore,
  listGenerations,
  MillraceError,
  openLmdbReader,
  openLmdbStore,
  type Publisher,
  type Topology,
} from '../../engine/index.ts';
import {
  definitionsOf,
  drainStore,
  goalOf,
  makeRebuiltCurrent,
  offeredGeneration,
  Rebuild,
  withdrawOffer,
} from '../generations/index.ts';
import {
  currentState,
  inline,
  PartitionHost,
  type PartitionInput,
  stateRoot,
  WHOLE_STREAM,
} from '../host/index.ts';
import type { RunOptions } from './run-options.ts';

/** How often it is looked for a generation that is to be taken over, ms. */
const LOOK_MS = 500;
/** What is owed to the outside is sent before a change, for so long at most, ms. */
const DRAIN_MAX_MS = 60_000;
/** Whoever waits for a commit looks so often whether another generation is current, ms. */
const WAIT_SLICE_MS = 500;

export interface HostedParts {
  readonly topology: Topology;
  readonly inputs: readonly PartitionInput[];
  readonly options: RunOptions;
  readonly publisher: Publisher;
  readonly link: NatsLink;
  readonly nats: NatsServer;
  readonly log: (line: string) => void;
  readonly fail: (error: MillraceError) => void;
}

interface Current {
  readonly layout: GenerationLayout;
  readonly store: KvStore;
  readonly host: PartitionHost;
}

/**
 * The state of a topology that runs, and its host. It goes on with another generation where one is offered to it: the
 * task commits and stops, what it owes is sent, the other one reads exactly as far, and becomes current by one rename.
 * Answers are from the former one until then. What goes wrong before leaves the former one running.
 */
export class HostedState {
  readonly #parts: HostedParts;
  readonly #root: string;
  #now: Current;
  #timer: NodeJS.Timeout | undefined;
  #changing: Promise<void> | undefined;
  #isClosing = false;

  /** Throws `no_state` where there is none. */
  constructor(parts: HostedParts) {
    this.#parts = parts;
    this.#root = stateRoot(parts.options.dataDir);
    this.#now = this.#open(currentState(parts.options.dataDir, parts.topology.name));
    // Of a process that ended in the middle: whoever offered it has given up.
    withdrawOffer(this.#root, parts.topology.name);
  }

  /** Of the generation that is current now. */
  get host(): PartitionHost {
    return this.#now.host;
  }

  /** Reads what is current at each call. */
  readonly reader: KvReader = {
    snapshot: (work) => this.#reader().snapshot(work),
    tableNames: () => this.#reader().tableNames(),
    tableSizes: () => this.#reader().tableSizes?.() ?? new Map(),
    close: () => Promise.resolve(),
  };

  #reader(): KvReader {
    const { host } = this.#now;
    const reader = host.reader();
    if (reader === undefined) throw new MillraceError('no_state', `There is no state in ${host.statePath}.`);
    return reader;
  }

  /** As that of the host, also where another generation becomes current meanwhile. */
  async committed(wanted: Parameters<PartitionHost['committed']>[0], timeout_ms: number): Promise<void> {
    const until_ms = performance.now() + timeout_ms;
    for (;;) {
      const { host } = this.#now;
      const left_ms = Math.max(0, until_ms - performance.now());
      try {
        await host.committed(wanted, Math.min(left_ms, WAIT_SLICE_MS), timeout_ms);
        return;
      } catch (error) {
        if (host !== this.#now.host) continue;
        if (left_ms <= WAIT_SLICE_MS || asMillraceError(error).code !== 'not_caught_up') throw error;
      }
    }
  }

  start(): void {
    this.#now.host.start();
    this.#timer = setInterval(() => {
      if (this.#changing !== undefined) return;
      this.#changing = this.#takeOffered()
        // Neither generation goes on: whoever waits for the end of the topology hears of it.
        .catch((error: unknown) => {
          clearInterval(this.#timer);
          this.#parts.fail(asMillraceError(error));
        })
        .finally(() => {
          this.#changing = undefined;
        });
    }, LOOK_MS).unref();
  }

  async #takeOffered(): Promise<void> {
    const generation = this.#offered();
    if (generation !== undefined) await this.#takeOver(generation);
  }

  /** An offer that cannot be read is none. */
  #offered(): number | undefined {
    try {
      return offeredGeneration(this.#root, this.#parts.topology.name);
    } catch (error) {
      this.#parts.log(`what generation is offered cannot be read: ${asMillraceError(error).message}`);
      return undefined;
    }
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    clearInterval(this.#timer);
    await this.#changing;
    await this.#now.host.close();
    await this.#now.store.close();
  }

  #open(layout: GenerationLayout): Current {
    const { topology, inputs, options, publisher, nats, log, fail } = this.#parts;
    const statePath = layout.partitionPath(WHOLE_STREAM);
    const store = openLmdbStore(statePath);
    const quarantine = options.failingRecords === 'deadLetter' ? deadLetterQuarantine() : undefined;
    const host = new PartitionHost({
      partition: WHOLE_STREAM,
      generation: layout.generation,
      statePath,
      place: inline({
        ...{ topology, store, inputs, nats, publisher, partition: WHOLE_STREAM },
        allowTopologyChange: options.allowTopologyChange ?? false,
        ...(options.onGap === undefined ? {} : { onGap: options.onGap }),
        ...(options.limits === undefined ? {} : { limits: options.limits }),
        ...(quarantine === undefined ? {} : { quarantine }),
      }),
      onTopologyChange: (changes) => {
        for (const { text } of changes) log(`the topology changed: ${text}`);
        options.onTopologyChange?.(changes);
      },
      onChange: (state, error) => {
        log(error === undefined ? state : `${state}: ${error.code}: ${error.message}`);
        if (state === 'failed' && error !== undefined) fail(error);
      },
    });
    return { layout, store, host };
  }

  async #takeOver(generation: number): Promise<void> {
    const { topology, log } = this.#parts;
    const { name } = topology;
    const layout = listGenerations(this.#root, name).find((one) => one.generation === generation);
    const former = this.#now;
    if (layout === undefined || generation === former.layout.generation) {
      withdrawOffer(this.#root, name);
      return;
    }
    log(`going on with generation ${generation} of the state`);
    try {
      await former.host.stop();
      await drainStore(former.store, this.#parts.publisher, this.#patience());
      await this.#catchUp(layout);
      makeRebuiltCurrent(this.#root, name, layout);
    } catch (thrown) {
      const { code, message } = asMillraceError(thrown);
      log(`generation ${generation} was not taken over: ${code}: ${message}`);
      if (!this.#isClosing) former.host.start();
      withdrawOffer(this.#root, name);
      return;
    }
    try {
      this.#now = this.#open(layout);
      if (!this.#isClosing) this.#now.host.start();
    } finally {
      withdrawOffer(this.#root, name);
    }
    log(`generation ${generation} of the state is current`);
    await this.#remove(former);
  }

  /** What is left of a former generation is in nobody's way. */
  async #remove({ layout, store, host }: Current): Promise<void> {
    try {
      // Whoever began to read it has had his snapshot: those are synchronous.
      await host.close();
      await store.close();
      await rm(layout.path, { recursive: true, force: true, maxRetries: 5 });
    } catch (error) {
      const { message } = asMillraceError(error);
      this.#parts.log(`generation ${layout.generation} was not removed: ${message}; remove ${layout.path}`);
    }
  }

  #patience(): () => void {
    const until_ms = performance.now() + DRAIN_MAX_MS;
    return () => {
      if (this.#isClosing) throw new MillraceError('take_over_failed', 'The process ends.');
      if (performance.now() < until_ms) return;
      throw new MillraceError('take_over_failed', `What is owed could not be sent in ${DRAIN_MAX_MS} ms.`);
    };
  }

  /** Has the other generation read exactly as far as the former one, which stands still. */
  async #catchUp(layout: GenerationLayout): Promise<void> {
    const { topology, inputs, options, link } = this.#parts;
    const path = layout.partitionPath(WHOLE_STREAM);
    const [store, reader] = [openLmdbStore(path), openLmdbReader(path, { sharedWithWriter: true })];
    const definitions: ControlSet | undefined = definitionsOf(this.#reader());
    const rebuild = new Rebuild({
      ...{ topology, inputs, store, reader, partition: WHOLE_STREAM },
      control: { current: () => definitions },
      sourceOf: ({ stream, filter }) =>
        new JetStreamSource({ link, stream, partition: WHOLE_STREAM, filter_subjects: filter }),
      quarantine: options.failingRecords === 'deadLetter' ? deadLetterQuarantine() : undefined,
      requireGoingOn: () => {
        if (this.#isClosing) throw new MillraceError('take_over_failed', 'The process ends.');
      },
      rest: () => sleep(0),
      onProgress: () => undefined,
    });
    try {
      const reached = rebuild.reachedIn(this.#reader());
      if (reached === undefined) return;
      await rebuild.readTo(goalOf(reached, await rebuild.ends()));
      await rebuild.followClock(reached);
    } finally {
      await rebuild.close();
      await reader.close();
      await store.close();
    }
  }
}
