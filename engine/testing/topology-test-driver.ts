import { setImmediate } from 'node:timers/promises';
import { asMillraceError, ByteReader, ManualClock, MillraceError } from '../base/index.ts';
import { type ControlSet, ManualControl } from '../control/index.ts';
import { deadLetterQuarantine, type OutMessage, type Quarantine, type Source } from '../edges/index.ts';
import type { Topology } from '../graph/index.ts';
import {
  expiryOf,
  type KvEntry,
  type MapSpec,
  MemoryDisk,
  scopeRange,
  TTL_PREFIX_BYTES,
} from '../state/index.ts';
import {
  type ControlLimits,
  DEFAULT_CONTROL_LIMITS,
  META_TABLE,
  type NoticeCounts,
  type Progress,
  readProgress,
  stateDigest,
  Task,
} from '../task/index.ts';
import { PushedSource, type TestHeaders } from './pushed-source.ts';

/** A message as a publisher would send it; the payload as bytes, as text, or as what its JSON says. */
export interface TestMessage {
  readonly subject: string;
  readonly headers?: TestHeaders;
  readonly data?: Uint8Array | string;
  readonly json?: unknown;
}

/** Committed state with the positions and the time that it belongs to. */
export interface TopologySnapshot {
  readonly disk: MemoryDisk;
  readonly sequences: Readonly<Record<string, number>>;
  readonly now_ms: number;
  /** The definitions there are; absent: none. */
  readonly control?: ControlSet;
}

/** Where a driver begins, and what it does with records that fail. Default: an empty state. */
export interface TopologyTestDriverOptions {
  /** What the clock says at first, ms since the epoch. */
  readonly start_ms?: number;
  /** State to go on from: a snapshot of another driver, perhaps of an older topology. */
  readonly snapshot?: TopologySnapshot;
  readonly allowTopologyChange?: boolean;
  /**
   * As of `run`: `stop` (default) rejects the push of a record whose processing throws; `deadLetter` starts the
   * task again from its last commit, as `run` does, and puts the record among the dead letters, in `sent`.
   */
  readonly failingRecords?: 'stop' | 'deadLetter';
  /** Limits of definitions. Default: those of a task. */
  readonly definitionLimits?: ControlLimits;
}

/** Committed rows of a map table. */
export interface TestTable<K, V> {
  get(scope: string, key: K): V | undefined;
  /** In key order. */
  entries(scope: string): readonly (readonly [K, V])[];
}

const START_MS = 1_750_000_000_000;
/** Longer than any look-up of a source's `through` may take, ms. */
const LOOK_UP_MS = 600_000;

/** What a driver goes on with when it is started again. */
interface Life {
  readonly allowTopologyChange: boolean;
  /** Of all lives: what it knows of failing records must outlive a restart. */
  readonly quarantine: Quarantine | undefined;
  readonly definitionLimits: ControlLimits;
}

function bytesOf({ data, json }: TestMessage): Uint8Array {
  if (data === undefined) return Buffer.from(JSON.stringify(json ?? null));
  return typeof data === 'string' ? Buffer.from(data) : data;
}

/**
 * Runs a whole topology in a real task without a broker and without waiting: messages go in as they would
 * come from a stream, through what stands between it and the graph (an `enrichingSource`); what each named node
 * emits and what is owed to the outside can be read, and event and wall-clock time move only when told to.
 * After the manner of Kafka Streams' TopologyTestDriver.
 */
export class TopologyTestDriver {
  /** What was sent to the outside, after the commits; what a failing record has sent again is there once. */
  readonly sent: OutMessage[] = [];
  readonly clock: ManualClock;
  readonly disk: MemoryDisk;
  /** Definitions as users make them: the next commit applies what is new. */
  readonly control: ManualControl;
  progress: Progress | undefined;
  readonly #topology: Topology;
  readonly #sources: ReadonlyMap<string, PushedSource>;
  /** What the task reads: the sources behind their `through`. */
  #inputs: Readonly<Record<string, Source>> = {};
  readonly #outputs = new Map<string, unknown[]>();
  readonly #taken = new Map<string, number>();
  /** How much of each output is of the last commit and those before it. */
  readonly #committed = new Map<string, number>();
  /** By tasks before this one: a repeat has the same id, by which a receiver knows it. */
  #sentBefore: ReadonlySet<string> = new Set();
  readonly #life: Life;
  #task: Task;

  private constructor(of: Topology, { disk, sequences, now_ms, control }: TopologySnapshot, life: Life) {
    this.#topology = of;
    this.control = new ManualControl('test', control);
    this.#life = life;
    this.disk = disk;
    this.clock = new ManualClock(now_ms);
    const { nodes } = of.describe();
    for (const { name } of nodes) this.#outputs.set(name, []);
    const names = nodes.filter(({ kind }) => kind === 'source').map(({ name }) => name);
    const keeps = life.quarantine !== undefined;
    const streams = streamsOf(of);
    this.#sources = new Map(
      names.map((name) => [name, new PushedSource(streams[name] ?? name, sequences[name] ?? 0, keeps)]),
    );
    this.#task = this.#newTask();
  }

  #newTask(): Task {
    const { quarantine, allowTopologyChange } = this.#life;
    const specs = new Map(this.#topology.sources.map((spec) => [spec.name, spec]));
    this.#inputs = Object.fromEntries(
      [...this.#sources].map(([name, source]) => [name, specs.get(name)?.through?.(source) ?? source]),
    );
    return new Task({
      topology: this.#topology,
      source: this.#inputs,
      store: this.disk.open(),
      publisher: {
        publish: (message) => {
          if (!this.#sentBefore.has(message.id)) this.sent.push(message);
          return Promise.resolve();
        },
        // No send fails: all of a commit's can be seen when it returns.
        maxInFlight: () => Number.POSITIVE_INFINITY,
      },
      clock: this.clock,
      control: this.control,
      stateChecks: 'always',
      limits: {
        barrier_interval_ms: Number.POSITIVE_INFINITY,
        idle_barrier_interval_ms: Number.POSITIVE_INFINITY,
        max_drift_ms: Number.POSITIVE_INFINITY,
        control: this.#life.definitionLimits,
      },
      allowTopologyChange,
      ...(quarantine === undefined ? {} : { quarantine }),
      onCommit: (progress) => this.#onCommit(progress),
      listen: (node, items) => {
        const output = this.#outputs.get(node);
        for (const item of items) output?.push(item);
      },
    });
  }

  #onCommit(progress: Progress): void {
    this.progress = progress;
    for (const [node, items] of this.#outputs) this.#committed.set(node, items.length);
    for (const [index, [node, source]] of [...this.#sources].entries()) {
      source.committed((index === 0 ? progress : progress.others?.[node])?.sequence ?? 0);
    }
  }

  static async start(
    topology: Topology,
    {
      start_ms = START_MS,
      snapshot,
      allowTopologyChange = false,
      failingRecords = 'stop',
      definitionLimits = DEFAULT_CONTROL_LIMITS,
    }: TopologyTestDriverOptions = {},
  ): Promise<TopologyTestDriver> {
    const from =
      snapshot === undefined
        ? { disk: new MemoryDisk(), sequences: {}, now_ms: start_ms }
        : { ...snapshot, disk: snapshot.disk.copy() };
    const quarantine = failingRecords === 'deadLetter' ? deadLetterQuarantine() : undefined;
    const driver = new TopologyTestDriver(topology, from, {
      allowTopologyChange,
      quarantine,
      definitionLimits,
    });
    await driver.#task.open();
    return driver;
  }

  /** Messages of the topology's only source, as one batch. */
  async push(...messages: TestMessage[]): Promise<void> {
    const [only] = this.#sources.keys();
    if (only === undefined || this.#sources.size > 1) {
      throw new MillraceError(
        'several_sources',
        `The topology reads from ${[...this.#sources.keys()].join(', ') || 'nothing'}: say which with pushTo.`,
      );
    }
    await this.pushTo(only, ...messages);
  }

  /** Messages of the source of this name, as one batch. */
  async pushTo(node: string, ...messages: TestMessage[]): Promise<void> {
    const source = this.#sources.get(node);
    if (source === undefined) throw this.#unknown('source', node, [...this.#sources.keys()]);
    for (const message of messages) source.push(message.subject, bytesOf(message), message.headers);
    for (;;) {
      try {
        await this.#readToEnd();
        return;
      } catch (error) {
        if (this.#life.quarantine === undefined || asMillraceError(error).code !== 'record_failed')
          throw error;
        await this.#beginAgain();
      }
    }
  }

  /** Until every source has given what was pushed; one that looks things up first gives it in real time. */
  async #readToEnd(): Promise<void> {
    const isAtEnd = (): boolean => Object.values(this.#inputs).every((source) => source.state().caughtUp);
    await this.#task.step(LOOK_UP_MS);
    while (!isAtEnd()) {
      await setImmediate();
      await this.#task.step(LOOK_UP_MS);
    }
  }

  /** As a supervisor does: what was not committed never happened, and its records come again. */
  async #beginAgain(): Promise<void> {
    await this.#close();
    for (const [node, items] of this.#outputs) {
      items.length = this.#committed.get(node) ?? 0;
      this.#taken.set(node, Math.min(this.#taken.get(node) ?? 0, items.length));
    }
    this.#sentBefore = new Set(this.sent.map(({ id }) => id));
    this.#task = this.#newTask();
    await this.#task.open();
  }

  async #close(): Promise<void> {
    this.#task.close();
    for (const source of Object.values(this.#inputs)) await source.stop();
  }

  /** Lets wall-clock time pass while nothing comes, and ends with a barrier, so that idleness shows. */
  async advanceClock(by_ms: number): Promise<void> {
    await this.#task.step(0);
    this.clock.advance(by_ms);
    await this.#task.step(0);
    this.commit();
  }

  commit(): void {
    this.#task.commit();
  }

  /** An operator has more to do, or there are definitions that are not applied yet. */
  get wantsBarrier(): boolean {
    return this.#task.wantsBarrier;
  }

  /** Everything that the main output of a node has emitted since the start; a side output is a node of its own. */
  output<T = unknown>(node: string): readonly T[] {
    const items = this.#outputs.get(node);
    if (items === undefined) throw this.#unknown('node', node, [...this.#outputs.keys()]);
    return items as readonly T[];
  }

  /** What it emitted since the last `take`. */
  take<T = unknown>(node: string): readonly T[] {
    const items = this.output<T>(node);
    const fresh = items.slice(this.#taken.get(node) ?? 0);
    this.#taken.set(node, items.length);
    return fresh;
  }

  /** A committed map table, e.g. `dedup/ids`; the spec that made it gives the types. */
  table<K extends string | number = string, V = unknown>(id: string, _type?: MapSpec<K, V>): TestTable<K, V> {
    const tables = this.#topology.tables();
    const spec = tables.find((table) => table.id === id)?.spec;
    if (spec?.kind !== 'map') {
      const maps = tables.filter((table) => table.spec.kind === 'map').map((table) => table.id);
      throw this.#unknown('map table', id, maps);
    }
    const map = spec as MapSpec<K, V>;
    const entries = (scope: string): (readonly [K, V])[] => this.#rows(id, map, scope);
    return { entries, get: (scope, key) => entries(scope).find(([other]) => other === key)?.[1] };
  }

  #rows<K extends string | number, V>(id: string, spec: MapSpec<K, V>, scope: string): (readonly [K, V])[] {
    const { prefix, ...range } = scopeRange(scope);
    const { ttl } = spec;
    return this.disk.reader().snapshot((table) => {
      const watermark_ms = readProgress(table(META_TABLE))?.watermark_ms ?? 0;
      const isThere = ({ value }: KvEntry): boolean =>
        ttl === undefined || expiryOf(value, ttl) >= watermark_ms;
      return [...table(id).scan(range)].filter(isThere).map(({ key, value }) => {
        const bytes = ttl === undefined ? value : value.subarray(TTL_PREFIX_BYTES);
        return [
          spec.key.read(new ByteReader(key.subarray(prefix.length))),
          spec.value.read(new ByteReader(bytes)),
        ] as const;
      });
    });
  }

  #unknown(what: string, name: string, names: readonly string[]): MillraceError {
    return new MillraceError(
      'unknown_name',
      `The topology has no ${what} "${name}"; it has: ${names.join(', ') || 'none'}.`,
    );
  }

  /** Commits, and gives the state to go on from: `start(topology, { snapshot })`. */
  snapshot(): TopologySnapshot {
    this.commit();
    return { ...this.#place(), disk: this.disk.copy() };
  }

  #place(): TopologySnapshot {
    const sequences = Object.fromEntries([...this.#sources].map(([name, { sequence }]) => [name, sequence]));
    return { disk: this.disk, sequences, now_ms: this.clock.now(), control: this.control.current() };
  }

  /** A new process on the same disk: what is not committed is lost. */
  async restart(): Promise<TopologyTestDriver> {
    await this.#close();
    const life = { ...this.#life, allowTopologyChange: false };
    const driver = new TopologyTestDriver(this.#topology, this.#place(), life);
    await driver.#task.open();
    return driver;
  }

  counter(name: string): number {
    const samples = this.#task.metrics.samples().filter((sample) => sample.name === name);
    return samples.reduce((sum, { value }) => sum + value, 0);
  }

  /** Committed counts of notices, e.g. `{acme: {late: 2}}`. */
  get notices(): NoticeCounts {
    return this.progress?.notices ?? {};
  }

  digest(): string {
    return stateDigest(this.#topology, this.disk.reader()).digest;
  }
}

/**
 * The streams that sources read, by node, so that positions look as they do in a run. Where two read one, each has
 * messages of its own here, and is its own stream.
 */
function streamsOf({ sources }: Topology): Readonly<Record<string, string>> {
  const named = sources.map(({ name, options: { stream } }) => ({ name, stream }));
  return Object.fromEntries(
    named.flatMap(({ name, stream }) =>
      typeof stream === 'string' && named.filter((other) => other.stream === stream).length === 1
        ? [[name, stream]]
        : [],
    ),
  );
}
