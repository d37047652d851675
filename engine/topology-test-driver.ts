import { ByteReader } from './bytes.ts';
import { ManualClock } from './clock.ts';
import { stateDigest } from './digest.ts';
import { MillraceError } from './errors.ts';
import type { KvEntry } from './kv.ts';
import { META_TABLE, type NoticeCounts, type Progress, readProgress } from './meta.ts';
import type { OutMessage } from './outbox.ts';
import type { Source, SourceRecord, SourceState, StreamFacts } from './source.ts';
import { MemoryDisk } from './store-memory.ts';
import { type MapSpec, scopeRange } from './tables.ts';
import { Task } from './task.ts';
import type { Topology } from './topology.ts';
import { expiryOf, TTL_PREFIX_BYTES } from './ttl.ts';

/** A message as a publisher would send it; the payload as bytes, as text, or as what its JSON says. */
export interface TestMessage {
  readonly subject: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly data?: Uint8Array | string;
  readonly json?: unknown;
}

/** Committed state with the positions and the time that it belongs to. */
export interface TopologySnapshot {
  readonly disk: MemoryDisk;
  readonly sequences: Readonly<Record<string, number>>;
  readonly now_ms: number;
}

export interface TopologyTestDriverOptions {
  /** What the clock says at first, ms since the epoch. */
  readonly start_ms?: number;
  /** State to go on from: a snapshot of another driver, perhaps of an older topology. */
  readonly snapshot?: TopologySnapshot;
  readonly allowTopologyChange?: boolean;
}

/** Committed rows of a map table. */
export interface TestTable<K, V> {
  get(scope: string, key: K): V | undefined;
  /** In key order. */
  entries(scope: string): readonly (readonly [K, V])[];
}

const START_MS = 1_750_000_000_000;

class PushedSource implements Source {
  readonly partition = '0';
  readonly node: string;
  readonly #due: SourceRecord[] = [];
  sequence: number;

  constructor(node: string, sequence: number) {
    this.node = node;
    this.sequence = sequence;
  }

  facts(): Promise<StreamFacts> {
    const { node } = this;
    return Promise.resolve({
      stream: node,
      incarnation: 'test',
      firstSequence: 1,
      lastSequence: Number.MAX_SAFE_INTEGER,
    });
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  push(message: TestMessage): void {
    const headers = Object.entries(message.headers ?? {});
    const named = new Map(headers.map(([name, value]) => [name.toLowerCase(), value]));
    this.#due.push({
      sequence: ++this.sequence,
      subject: message.subject,
      data: bytesOf(message),
      hasHeaders: named.size > 0,
      header: (name) => named.get(name.toLowerCase()),
    });
  }

  get pending(): number {
    return this.#due.length;
  }

  take({ max }: { readonly max: number }): Promise<readonly SourceRecord[]> {
    return Promise.resolve(this.#due.splice(0, max));
  }

  state(): SourceState {
    return { headSequence: this.sequence, caughtUp: this.#due.length === 0, connected: true, skipped: 0 };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

function bytesOf({ data, json }: TestMessage): Uint8Array {
  if (data === undefined) return Buffer.from(JSON.stringify(json ?? null));
  return typeof data === 'string' ? Buffer.from(data) : data;
}

/**
 * Runs a whole topology in a real task without a broker and without waiting: messages go in as they would
 * come from a stream, what each named node emits and what is owed to the outside can be read, and event and
 * wall-clock time move only when told to. After the manner of Kafka Streams' TopologyTestDriver.
 */
export class TopologyTestDriver {
  /** What was sent to the outside, after the commits. */
  readonly sent: OutMessage[] = [];
  readonly clock: ManualClock;
  readonly disk: MemoryDisk;
  progress: Progress | undefined;
  readonly #topology: Topology;
  readonly #sources: ReadonlyMap<string, PushedSource>;
  readonly #outputs = new Map<string, unknown[]>();
  readonly #taken = new Map<string, number>();
  readonly #task: Task;

  private constructor(
    of: Topology,
    { disk, sequences, now_ms }: TopologySnapshot,
    allowTopologyChange: boolean,
  ) {
    this.#topology = of;
    this.disk = disk;
    this.clock = new ManualClock(now_ms);
    const { nodes } = of.describe();
    for (const { name } of nodes) this.#outputs.set(name, []);
    const names = nodes.filter(({ kind }) => kind === 'source').map(({ name }) => name);
    this.#sources = new Map(names.map((name) => [name, new PushedSource(name, sequences[name] ?? 0)]));
    this.#task = new Task({
      topology: of,
      source: Object.fromEntries(this.#sources),
      store: disk.open(),
      publisher: {
        publish: (message) => Promise.resolve(void this.sent.push(message)),
        // No send fails: all of a commit's can be seen when it returns.
        maxInFlight: () => Number.POSITIVE_INFINITY,
      },
      clock: this.clock,
      limits: {
        barrier_interval_ms: Number.POSITIVE_INFINITY,
        idle_barrier_interval_ms: Number.POSITIVE_INFINITY,
        max_drift_ms: Number.POSITIVE_INFINITY,
      },
      allowTopologyChange,
      onCommit: (progress) => {
        this.progress = progress;
      },
      listen: (node, items) => {
        const output = this.#outputs.get(node);
        for (const item of items) output?.push(item);
      },
    });
  }

  static async start(
    topology: Topology,
    { start_ms = START_MS, snapshot, allowTopologyChange = false }: TopologyTestDriverOptions = {},
  ): Promise<TopologyTestDriver> {
    const from =
      snapshot === undefined
        ? { disk: new MemoryDisk(), sequences: {}, now_ms: start_ms }
        : { ...snapshot, disk: snapshot.disk.copy() };
    const driver = new TopologyTestDriver(topology, from, allowTopologyChange);
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
    for (const message of messages) source.push(message);
    do await this.#task.step(0);
    while (source.pending > 0);
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
    return { disk: this.disk, sequences, now_ms: this.clock.now() };
  }

  /** A new process on the same disk: what is not committed is lost. */
  async restart(): Promise<TopologyTestDriver> {
    this.#task.close();
    const driver = new TopologyTestDriver(this.#topology, this.#place(), false);
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
