import { MillraceError, TIMER_MAX_MS } from '../base/index.ts';
import {
  compareMarks,
  markOf,
  type SequenceRange,
  type Source,
  type SourceRecord,
  type StreamFacts,
  type StreamMark,
  type Take,
  withMark,
} from '../edges/index.ts';
import type { Definition, OriginInput, TopologyDescription } from '../graph/index.ts';
import { checkPosition, gapOf, type InputPosition, type Progress } from './meta.ts';

/** Sources by the name of their node in the topology. */
export type Sources = Readonly<Record<string, Source>>;

/** Messages of a stream that were removed before they were read. */
export interface Gap {
  readonly from: number;
  readonly through: number;
  readonly messages: number;
}

/** One source of a task, and how far it has been applied. */
export class Input {
  readonly node: string;
  readonly source: Source;
  /** Last applied sequence; where nothing was ever read, that before the first one of the stream. */
  #sequence = 0;
  #isUnread = false;
  /** Messages that were gone before this start, in a stream whose gaps are counted. */
  gap: Gap | undefined;
  /** Since when it has had nothing to give, with nothing pending and nothing in flight. */
  idle_since_ms: number | undefined;
  /** Taken and not pushed yet. */
  ready: readonly SourceRecord[] | undefined;
  failure: unknown;
  /** The position has moved without a record since it was committed. */
  hasMoved = false;
  readonly #passed: SequenceRange[] = [];
  #facts: StreamFacts | undefined;
  #marks: readonly StreamMark[] = [];
  /** Of the last record, not in a commit yet. */
  #mark: StreamMark | undefined;
  #taking: Promise<void> | undefined;

  constructor(node: string, source: Source) {
    this.node = node;
    this.source = source;
  }

  get facts(): StreamFacts {
    if (this.#facts === undefined)
      throw new MillraceError('task_not_open', 'Call open() before anything else.');
    return this.#facts;
  }

  /** Throws what `checkPosition` throws where the stored position and the stream do not fit together. */
  async open(stored: InputPosition | undefined): Promise<void> {
    const facts = await this.source.facts();
    checkPosition(stored, facts);
    await this.#compare(stored);
    this.#facts = facts;
    this.#marks = stored?.marks ?? [];
    this.#isUnread = stored === undefined || stored.isUnread === true;
    this.#sequence = Math.max(stored?.sequence ?? 0, this.#isUnread ? facts.firstSequence - 1 : 0);
    const messages = facts.gaps === 'count' ? gapOf(stored, facts) : 0;
    if (messages > 0) this.gap = { from: this.#sequence + 1, through: facts.firstSequence - 1, messages };
  }

  get sequence(): number {
    return this.#sequence;
  }

  set sequence(applied: number) {
    this.#sequence = applied;
    this.#isUnread = false;
  }

  start(): Promise<void> {
    return this.source.start(this.#sequence, this.#isUnread);
  }

  /** Whether what was read last is still what the stream has there. */
  async #compare(stored: InputPosition | undefined): Promise<void> {
    const { marks = [], stream, sequence } = stored ?? {};
    if (marks.length === 0 || stream === undefined || sequence === undefined) return;
    const found = await this.source.marksAt?.(marks.map((mark) => mark.sequence));
    if (found !== undefined) compareMarks(stream, sequence, marks, found);
  }

  /** Takes note of records that are about to be pushed; calls with each range that the stream has not given. */
  note(records: readonly SourceRecord[], missing: (range: SequenceRange) => void): void {
    const last = records.at(-1);
    if (last === undefined) return;
    if (this.source.marksAt !== undefined) this.#mark = markOf(last);
    if (this.source.isWhole !== true || last.sequence - this.sequence === records.length) return;
    // Where nothing was read yet, what went before the first record was nobody's to read.
    let before = this.#isUnread ? (records[0]?.sequence ?? 1) - 1 : this.sequence;
    for (const { sequence } of records) {
      if (sequence > before + 1) missing({ first: before + 1, last: sequence - 1 });
      before = sequence;
    }
  }

  /** Ranges that were passed over since the last call, which the stream should have given. */
  takePassed(): readonly SequenceRange[] {
    return this.#passed.splice(0);
  }

  /** A commit holds what was taken. */
  committed(): void {
    this.hasMoved = false;
    this.#marks = this.#newMarks;
    this.#mark = undefined;
  }

  get #newMarks(): readonly StreamMark[] {
    return this.#mark === undefined ? this.#marks : withMark(this.#marks, this.#mark);
  }

  get position(): InputPosition {
    const { stream, incarnation, layout } = this.facts;
    const { partition } = this.source;
    const head = Math.max(this.sequence, this.source.state().headSequence);
    const marks = this.#newMarks;
    const position = { stream, incarnation, partition, sequence: this.sequence, head };
    return {
      ...position,
      ...(marks.length === 0 ? {} : { marks }),
      ...(layout === undefined ? {} : { layout }),
      ...(this.#isUnread ? { isUnread: true } : {}),
    };
  }

  get lag(): number {
    return Math.max(0, this.source.state().headSequence - this.sequence);
  }

  /** Takes in the background, once at a time; records are valid until the next take. */
  fetch(request: Take): Promise<void> {
    this.#taking ??= this.#fetch(request).finally(() => {
      this.#taking = undefined;
    });
    return this.#taking;
  }

  async #fetch(request: Take): Promise<void> {
    try {
      const records = await this.source.take(request);
      if (records.length > 0) this.ready = records;
      else this.pass();
    } catch (error) {
      this.failure = error;
    }
  }

  /**
   * To be called after a take that gave nothing, before the next: moves the position over what will never come, so
   * that nobody waits for it. `hasMoved` says that this is to be committed.
   */
  pass(): void {
    const passed = this.source.passed?.() ?? 0;
    if (passed <= this.sequence) return;
    // Not by a filter, so they were there and are not any more.
    if (this.source.isWhole === true && !this.#isUnread)
      this.#passed.push({ first: this.sequence + 1, last: passed });
    this.sequence = passed;
    this.hasMoved = true;
  }

  /** To be called after each look at the source. */
  observe(tookNothing: boolean, now_ms: number): void {
    const { caughtUp, connected } = this.source.state();
    if (!tookNothing || !caughtUp || !connected) this.idle_since_ms = undefined;
    else this.idle_since_ms ??= now_ms;
  }

  idle_ms(now_ms: number): number {
    return this.idle_since_ms === undefined ? 0 : now_ms - this.idle_since_ms;
  }
}

/** What a step has taken. */
export interface Taken {
  readonly input: Input;
  readonly records: readonly SourceRecord[];
}

export interface InputsOptions {
  /** The event time that an input has reached; -Infinity before its first watermark, undefined where it has none. */
  readonly watermarkOf: (node: string) => number | undefined;
  /** How far one input's event time may be ahead of the slowest one's before it has to wait, ms. */
  readonly max_drift_ms: number;
}

/**
 * The sources of a task. Of several that have records the one furthest behind in event time goes first, and
 * one that is too far ahead is not read until the others have come nearer: what has to be buffered for a join
 * stays bounded. An input that is idle moves its own watermark (see `watermark`), and so lets the others go on.
 */
export class Inputs {
  readonly all: readonly Input[];

  /** Throws `sources_mismatch` when the sources are not those of the topology. */
  constructor(given: Source | Sources, { name, nodes }: TopologyDescription) {
    const names = nodes.filter(({ kind }) => kind === 'source').map((node) => node.name);
    const sources = isSource(given) ? { [names[0] ?? '']: given } : given;
    const unknown = Object.keys(sources).filter((node) => !names.includes(node));
    const missing = names.filter((node) => sources[node] === undefined);
    if (unknown.length > 0 || missing.length > 0) {
      throw new MillraceError(
        'sources_mismatch',
        `The topology "${name}" reads from ${names.join(', ')}; the task was given ${Object.keys(sources).join(', ')}. Give it one source for each.`,
      );
    }
    this.all = names.map((node) => new Input(node, sources[node] as Source));
  }

  /** The one whose position comes first in the progress record. */
  get first(): Input {
    return this.all[0] as Input;
  }

  /**
   * `stored` is the topology that wrote `progress`: it says whose position comes first. A name keys a position as
   * it keys state: throws `source_renamed` where a source would begin anew although one of another name has read
   * its stream, unless `allow`.
   */
  async open(progress: Progress | undefined, stored?: TopologyDescription, allow = false): Promise<void> {
    const nodes = this.all.map(({ node }) => node);
    const positions = inputPositions(progress, stored, nodes);
    const gone = [...positions].filter(([node]) => this.all.every((input) => input.node !== node));
    for (const input of this.all) {
      const position = positions.get(input.node);
      await input.open(position);
      const { stream } = input.facts;
      const { partition } = input.source;
      const [other] = gone.find(([, of]) => of.stream === stream && of.partition === partition) ?? [];
      if (position !== undefined || other === undefined || allow) continue;
      throw new MillraceError(
        'source_renamed',
        `The source "${input.node}" is new and reads the stream "${stream}", which "${other}" has read ` +
          'up to now: under another name it would read all of it again. Give it its old name; or, to ' +
          'begin anew, start once with ALLOW_TOPOLOGY_CHANGE=1 (the task option allowTopologyChange).',
      );
    }
  }

  /** What ids of outputs are made of. */
  origins(definitionOf: (node: string) => Definition | undefined): readonly OriginInput[] {
    return this.all.map(({ node, source, facts: { stream, incarnation } }) => {
      const definition = definitionOf(node);
      const input = { node, stream, incarnation, partition: source.partition };
      return definition === undefined ? input : { ...input, definition };
    });
  }

  async start(): Promise<void> {
    for (const input of this.all) await input.start();
  }

  stop(): void {
    for (const { source } of this.all) void source.stop();
  }

  /** A position has moved without a record. */
  get haveMoved(): boolean {
    return this.all.some(({ hasMoved }) => hasMoved);
  }

  get lag(): number {
    return this.all.reduce((sum, input) => sum + input.lag, 0);
  }

  /** Positions of all but the first, by node. */
  get others(): Readonly<Record<string, InputPosition>> {
    return Object.fromEntries(this.all.slice(1).map((input) => [input.node, input.position]));
  }

  /** Inputs too far ahead of the slowest to be read now. */
  held({ watermarkOf, max_drift_ms }: InputsOptions): readonly Input[] {
    if (this.all.length < 2) return [];
    const times = this.all.map(({ node }) => watermarkOf(node) ?? Number.POSITIVE_INFINITY);
    const slowest_ms = Math.min(...times);
    // One that has no watermark at all is not measured; one that waits for its first holds up those that have one.
    return this.all.filter(
      (_, at) => Number.isFinite(times[at]) && (times[at] as number) > slowest_ms + max_drift_ms,
    );
  }

  /** Records of one input, or none when `wait_ms` passed. */
  async take(request: Take, options: InputsOptions): Promise<Taken> {
    const { first } = this;
    if (this.all.length === 1) {
      const records = await first.source.take(request);
      if (records.length === 0) first.pass();
      return { input: first, records };
    }
    const held = this.held(options);
    const open = this.all.filter((input) => !held.includes(input));
    const fetches = open.filter(({ ready }) => ready === undefined).map((input) => input.fetch(request));
    if (fetches.length === open.length) await raceFor(fetches, request.wait_ms);
    for (const { failure } of this.all) if (failure !== undefined) throw failure;
    const behind = (input: Input): number => options.watermarkOf(input.node) ?? Number.NEGATIVE_INFINITY;
    const ready = open
      .filter((input) => input.ready !== undefined)
      .sort((a, b) => compare(behind(a), behind(b)));
    const [input] = ready;
    if (input?.ready === undefined) return { input: first, records: [] };
    // A take before this one was handled would invalidate it: the rest of a large one waits.
    const records = input.ready.slice(0, request.max);
    input.ready = records.length < input.ready.length ? input.ready.slice(request.max) : undefined;
    return { input, records };
  }
}

/**
 * The stored positions by the names of their sources. `stored` is the topology that wrote `progress`; `nodes` are
 * the sources of the one that goes on from it: where both have one alone, it cannot be taken for another.
 */
export function inputPositions(
  progress: Progress | undefined,
  stored: TopologyDescription | undefined,
  nodes: readonly string[],
): ReadonlyMap<string, InputPosition> {
  if (progress === undefined) return new Map();
  const others = Object.entries(progress.others ?? {});
  const [only = ''] = nodes;
  const first = stored?.nodes.find(({ kind }) => kind === 'source')?.name ?? only;
  const isAlone = nodes.length === 1 && others.length === 0;
  return new Map<string, InputPosition>([[isAlone ? only : first, progress], ...others]);
}

function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function isSource(given: Source | Sources): given is Source {
  return typeof given.take === 'function';
}

/** Until one of them is done, or the time has passed. */
async function raceFor(work: readonly Promise<void>[], wait_ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, Math.min(wait_ms, TIMER_MAX_MS));
  });
  await Promise.race([...work, timeout]);
  clearTimeout(timer);
}

/** The operators that make the watermark of what a source gives: the first of them on each way from it. */
export function watermarkOwners(
  { nodes }: TopologyDescription,
  source: string,
  isOwner: (node: string) => boolean,
): readonly string[] {
  const owners = new Set<string>();
  const seen = new Set([source]);
  const next = [source];
  for (let at = next.shift(); at !== undefined; at = next.shift()) {
    for (const { name, inputs } of nodes) {
      if (!inputs.includes(at) || seen.has(name)) continue;
      seen.add(name);
      if (isOwner(name)) owners.add(name);
      else next.push(name);
    }
  }
  return [...owners];
}
