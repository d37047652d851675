import { setImmediate } from 'node:timers/promises';
import { asMillraceError, invariant, ManualClock, SeededRandom } from '../base/index.ts';
import type { OutMessage, Source, SourceRecord } from '../edges/index.ts';
import type { Topology } from '../graph/index.ts';
import { MemoryDisk } from '../state/index.ts';
import { type Progress, stateDigest, Task, type TaskLimits } from '../task/index.ts';
import { headersOf } from './pushed-source.ts';
import { SimulatedCrash, type SimulatedMessage } from './simulated-edges.ts';

/** A message of a log. One without content whose subject ends with `.tick` is a tick. */
export interface LogMessage extends SimulatedMessage {
  readonly stored_ms: number;
}

/** What `orderedOutputs` compares: a topology, and what it is given. */
export interface OrderedOutputsOptions {
  /** Called once for each life of a task, as a start of the process would. */
  readonly topology: () => Topology;
  readonly log: readonly LogMessage[];
  /** Runs that are disturbed. Default: 20, from seed 1 on. */
  readonly seeds?: number;
  readonly from?: number;
  /** The nodes whose output is compared. Default: all. */
  readonly nodes?: readonly string[];
  /** What of an item is compared, as text. Default: its JSON. */
  readonly textOf?: (item: unknown) => string;
  /**
   * `false`: tasks that are not ordered, to see that the property notices what they do differently. Only the items and
   * their order are compared then: such a task does not know which record they are of. Default: true.
   */
  readonly ordered?: boolean;
}

/** What was compared, and the first difference. */
export interface OrderedOutputsReport {
  readonly seeds: number;
  /** Of the log that has not been disturbed: items that left its nodes, and messages that were sent. */
  readonly items: number;
  readonly sent: number;
  /** Positions at which states were compared, of all runs. */
  readonly positions: number;
  readonly crashes: number;
  readonly restores: number;
  readonly failure: { readonly seed: number; readonly problem: string } | undefined;
}

/** What is of one place in the log. */
interface Place {
  /** What left each node, in order. */
  readonly left: Map<string, string[]>;
}

/** A run that commits behind each record. */
interface Straight {
  readonly places: ReadonlyMap<number, Place>;
  readonly states: ReadonlyMap<number, string>;
  readonly sent: Sent;
}

/** An item as text: its JSON, with large numbers as their digits. */
export function itemText(item: unknown): string {
  return JSON.stringify(item, (_, value) => (typeof value === 'bigint' ? `${value}n` : value)) ?? 'undefined';
}

const STEP_MS = 10;
const MAX_CRASHES = 8;
const RESTORE_SHARE = 0.4;
const STALE_BYTE = 0x23;
const NOTHING: readonly string[] = [];

/** What the outside has received, by subject in the order of its first coming. */
class Sent {
  readonly #ids = new Map<string, string[]>();
  readonly #texts = new Map<string, string>();

  get size(): number {
    return this.#texts.size;
  }

  store({ id, subject, headers, payload }: OutMessage): void {
    const text = JSON.stringify([subject, headers, Buffer.from(payload).toString('latin1')]);
    const known = this.#texts.get(id);
    if (known !== undefined && known !== text) throw different(`the message ${id}`, known, text);
    if (known !== undefined) return;
    this.#texts.set(id, text);
    const ids = this.#ids.get(subject) ?? [];
    this.#ids.set(subject, ids);
    ids.push(id);
  }

  require(other: Sent): void {
    for (const subject of new Set([...this.#ids.keys(), ...other.#ids.keys()])) {
      const [own, others] = [this.#ids.get(subject) ?? NOTHING, other.#ids.get(subject) ?? NOTHING];
      requireSame(`what is sent to ${subject}`, this.#textsOf(own), other.#textsOf(others));
    }
  }

  #textsOf(ids: readonly string[]): readonly string[] {
    return ids.map((id) => `${id} ${this.#texts.get(id)}`);
  }
}

class Different extends Error {}

function different(what: string, straight: unknown, disturbed: unknown): Different {
  return new Different(
    `${what}: ${JSON.stringify(straight)} in the straight run, ${JSON.stringify(disturbed)} in this one.`,
  );
}

function requireSame(what: string, straight: readonly string[], disturbed: readonly string[]): void {
  const length = Math.max(straight.length, disturbed.length);
  for (let at = 0; at < length; at++) {
    if (straight[at] !== disturbed[at]) throw different(`${what}, ${at}`, straight[at], disturbed[at]);
  }
}

/** The log for one life of a task. */
class LogSource implements Source {
  readonly partition = '0';
  readonly #log: readonly LogMessage[];
  readonly #random: SeededRandom | undefined;
  #next = 0;
  #given: Uint8Array[] = [];
  /** Sequences of the last take. */
  taken: readonly number[] = [];

  /** Without `random`: one record a take. */
  constructor(log: readonly LogMessage[], random: SeededRandom | undefined) {
    this.#log = log;
    this.#random = random;
  }

  facts() {
    const [firstSequence, lastSequence] = [1, this.#log.length];
    return Promise.resolve({ stream: 'LOG', incarnation: 'i', firstSequence, lastSequence });
  }

  start(after: number): Promise<void> {
    this.#next = after;
    return Promise.resolve();
  }

  take({ max }: { readonly max: number }): Promise<readonly SourceRecord[]> {
    for (const data of this.#given) data.fill(STALE_BYTE);
    const count = this.#random === undefined ? 1 : Math.min(max, this.#random.pick([0, 1, 2, 5, 40]));
    const first = this.#next;
    const messages = this.#log.slice(first, first + count);
    this.#next += messages.length;
    const records = messages.map(({ subject, data, headers, stored_ms }, at): SourceRecord => {
      return {
        ...{ sequence: first + at + 1, stored_ms, subject, data: Uint8Array.from(data) },
        ...headersOf(headers),
      };
    });
    this.#given = records.map(({ data }) => data);
    this.taken = records.map(({ sequence }) => sequence);
    return Promise.resolve(records);
  }

  get isRead(): boolean {
    return this.#next === this.#log.length;
  }

  state() {
    return { headSequence: this.#log.length, caughtUp: this.isRead, connected: true, skipped: 0 };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

/**
 * Runs one log through a task again and again, each time with other takes, batches, commits, crashes, snapshots to go on
 * from and clocks, and compares with a run that commits behind each record: of each record what leaves each node, item by
 * item; of each commit the state, the watermarks and the log's time; and all that is sent, with ids and headers, in the
 * order of each subject. The first difference ends it.
 */
export async function orderedOutputs(options: OrderedOutputsOptions): Promise<OrderedOutputsReport> {
  const { seeds = 20, from = 1 } = options;
  const totals = { positions: 0, crashes: 0, restores: 0 };
  const straight = await new Run(options, undefined, undefined).finish();
  let items = 0;
  for (const { left } of straight.places.values()) for (const texts of left.values()) items += texts.length;
  const { size: sent } = straight.sent;
  for (let seed = from; seed < from + seeds; seed++) {
    const run = new Run(options, straight, new SeededRandom(seed));
    try {
      const { sent: received } = await run.finish();
      straight.sent.require(received);
    } catch (error) {
      const problem = error instanceof Different ? error.message : describe(error);
      return { seeds: seed - from + 1, items, sent, ...totals, failure: { seed, problem } };
    }
    totals.positions += run.positions;
    totals.crashes += run.crashes;
    totals.restores += run.restores;
  }
  return { seeds, items, sent, ...totals, failure: undefined };
}

function describe(error: unknown): string {
  const { code, message } = asMillraceError(error);
  return `${message} [${code}]`;
}

class Run {
  readonly #options: OrderedOutputsOptions;
  readonly #straight: Straight | undefined;
  readonly #random: SeededRandom | undefined;
  readonly #clock: ManualClock;
  readonly #limits: Partial<TaskLimits>;
  readonly #places = new Map<number, Place>();
  readonly #states = new Map<number, string>();
  readonly #sent = new Sent();
  readonly #snapshots: MemoryDisk[] = [];
  #disk = new MemoryDisk();
  positions = 0;
  crashes = 0;
  restores = 0;

  constructor(
    options: OrderedOutputsOptions,
    straight: Straight | undefined,
    random: SeededRandom | undefined,
  ) {
    this.#options = options;
    this.#straight = straight;
    this.#random = random;
    this.#clock = new ManualClock(random?.int(0, 2_000_000_000_000) ?? 0);
    this.#limits = {
      batch_max_events: random?.pick([1, 3, 4_096]) ?? 1,
      batch_target_ms: Number.POSITIVE_INFINITY,
      barrier_interval_ms: random?.pick([0, STEP_MS, 10 * STEP_MS, Number.POSITIVE_INFINITY]) ?? 0,
      barrier_max_events: random?.pick([1, 4, 50_000]) ?? 1,
      idle_barrier_interval_ms: random?.pick([STEP_MS, Number.POSITIVE_INFINITY]) ?? STEP_MS,
    };
  }

  get #isOrdered(): boolean {
    return this.#options.ordered !== false;
  }

  async finish(): Promise<Straight> {
    while (!(await this.#live())) {
      this.crashes++;
      const random = this.#random;
      if (random === undefined || this.#snapshots.length === 0 || !random.chance(RESTORE_SHARE)) continue;
      this.#disk = random.pick(this.#snapshots).copy();
      this.restores++;
    }
    return { places: this.#places, states: this.#states, sent: this.#sent };
  }

  /** One life of the process; false when it crashed. */
  async #live(): Promise<boolean> {
    const { topology, log, nodes, textOf = itemText } = this.#options;
    const random = this.#random;
    const isFaulty = random !== undefined && this.crashes < MAX_CRASHES;
    const running = topology();
    const source = new LogSource(log, random);
    const at = (): number => (this.#isOrdered ? task.cursor.sequence : (source.taken.at(-1) ?? 0));
    const task = new Task({
      topology: running,
      source,
      store: this.#disk.open(),
      publisher: { publish: (message) => Promise.resolve(this.#sent.store(message)) },
      clock: this.#clock,
      limits: this.#limits,
      stateChecks: 'always',
      ordered: this.#isOrdered,
      listen: (node, items) => {
        if (nodes !== undefined && !nodes.includes(node)) return;
        // Records are of the log.
        if (running.describe().nodes.some(({ name, kind }) => name === node && kind === 'source')) return;
        const { left } = this.#placeOf(at());
        const texts = left.get(node) ?? [];
        left.set(node, texts);
        for (const item of items) texts.push(textOf(item));
      },
      onCommit: (progress) => this.#committed(running, progress),
    });
    this.#disk.fault = () => {
      if (isFaulty && random.chance(0.06)) throw new SimulatedCrash();
    };
    this.#places.clear();
    if (this.#straight === undefined) return await this.#liveStraight(task, source);
    try {
      await task.open();
      this.#compare(
        [task.cursor.sequence].filter(() => this.#places.size > 0),
        true,
      );
      while (!source.isRead) {
        this.#clock.advance(random?.pick([0, 1, STEP_MS, 86_400_000]) ?? 0);
        this.#places.clear();
        await task.step(0);
        this.#compare(source.taken, false);
        if (random?.chance(0.1) === true) task.commit();
        if (isFaulty && random.chance(0.06)) throw new SimulatedCrash();
        if (random?.chance(0.3) === true) await setImmediate();
      }
      this.#disk.fault = undefined;
      await this.#end(task);
      return true;
    } catch (error) {
      if (asCrash(error)) return false;
      throw error;
    } finally {
      task.close();
    }
  }

  async #liveStraight(task: Task, source: LogSource): Promise<boolean> {
    await task.open();
    while (!source.isRead) {
      await task.step(0);
      task.commit();
    }
    await this.#end(task);
    task.close();
    return true;
  }

  /** All that is owed is sent. */
  async #end(task: Task): Promise<void> {
    task.commit();
    for (let turn = 0; owedBy(task) > 0; turn++) {
      invariant(turn < 10_000, 'what is owed is sent');
      await setImmediate();
    }
  }

  #placeOf(sequence: number): Place {
    const place = this.#places.get(sequence) ?? { left: new Map() };
    this.#places.set(sequence, place);
    return place;
  }

  /** What these records gave, with what they gave in the straight run; `isOpening`: before there was one. */
  #compare(sequences: readonly number[], isOpening: boolean): void {
    const { places = new Map<number, Place>() } = this.#straight ?? {};
    const names = new Set(
      [...places.values(), ...this.#places.values()].flatMap(({ left }) => [...left.keys()]),
    );
    for (const node of names) {
      const of = (from: ReadonlyMap<number, Place>, sequence: number): readonly string[] =>
        from.get(sequence)?.left.get(node) ?? NOTHING;
      if (isOpening) {
        for (const sequence of sequences)
          requireSame(`${node} at a start behind ${sequence}`, [], of(this.#places, sequence));
      } else if (this.#isOrdered) {
        for (const sequence of sequences)
          requireSame(`${node} at ${sequence}`, of(places, sequence), of(this.#places, sequence));
      } else {
        const all = (from: ReadonlyMap<number, Place>) => sequences.flatMap((sequence) => of(from, sequence));
        requireSame(`${node} at ${sequences.join()}`, all(places), all(this.#places));
      }
    }
  }

  #committed(topology: Topology, progress: Progress): void {
    const { watermark_ms, watermarks, delayed, log, notices, outbox_next, sequence } = progress;
    const { tables } = stateDigest(topology, this.#disk.reader());
    const digests = Object.entries(tables).map(([name, { rows, digest }]) => [name, rows, digest]);
    const state = JSON.stringify({ watermark_ms, watermarks, delayed, log, notices, outbox_next, digests });
    if (this.#straight === undefined) {
      this.#states.set(sequence, state);
      return;
    }
    const random = this.#random;
    if (random?.chance(0.3) === true && this.#snapshots.length < 20) this.#snapshots.push(this.#disk.copy());
    if (!this.#isOrdered) return;
    this.positions++;
    const wanted = this.#straight.states.get(sequence);
    // Before the first record there is nothing to compare.
    if (wanted !== undefined) requireSame(`the state at ${sequence}`, linesOf(wanted), linesOf(state));
  }
}

/** A line for each part, so that a difference is short. */
function linesOf(state: string): readonly string[] {
  const { digests, ...rest } = JSON.parse(state) as { readonly digests: readonly unknown[] };
  return [rest, ...digests].map((part) => JSON.stringify(part));
}

function owedBy(task: Task): number {
  return task.metrics.samples().find(({ name }) => name === 'millrace.outbox.owed')?.value ?? 0;
}

function asCrash(error: unknown): boolean {
  return error instanceof SimulatedCrash || (error instanceof Error && error.cause instanceof SimulatedCrash);
}
