import { hash } from 'node:crypto';
import { invariant, type Origin, type Signal } from '../base/index.ts';
import type { OutMessage } from '../edges/index.ts';

/** A source of the task, as far as ids are made of it. */
export interface OriginInput {
  readonly node: string;
  readonly stream: string;
  readonly incarnation: string;
  readonly partition: string;
  /** What of the stream is read, where it is not all. */
  readonly definition?: Readonly<Record<string, unknown>>;
}

/** 132 bits. */
const HASH_CHARS = 22;
/** Of a dead letter's id, which says its place by itself: 66 bits. */
const SCOPE_CHARS = 11;

/**
 * Ids of outputs, made of what a result comes from: topology and operator; the record (stream, incarnation, sequence),
 * or for what time brings the operator and its own name for it (key and time, window and revision) with what the task
 * reads; and the content. So the same input gives the same ids in a replay, a standby or a state that is built anew,
 * wherever its batches and commits end, and two tasks that read different things never share one. The content is part
 * of it because what comes out when time moves may differ with the batches: an id must not stand for two results,
 * of which a stream would drop the second.
 */
export class OutputIds {
  readonly #topology: string;
  readonly #inputs: readonly OriginInput[];
  /** What the task reads, as text. */
  readonly #scope: string;
  /** How often an id was made since the last push: results that are the same in everything are several. */
  readonly #made = new Map<string, number>();
  /** By source and operator. */
  readonly #places = new Map<string, string>();
  #input: OriginInput;
  #tracked: ReadonlySet<string> = new Set();
  /** Of the state when the task began: restarts are told apart by it. */
  readonly commits: number;

  constructor(topology: string, inputs: readonly OriginInput[], commits: number) {
    const [first] = inputs;
    invariant(first !== undefined, 'a task has a source');
    this.#topology = topology;
    this.#inputs = inputs;
    this.#scope = JSON.stringify([topology, inputs]);
    this.#input = first;
    this.commits = commits;
  }

  /** Says whose batches have to say what their items come from. */
  track(operators: ReadonlySet<string>): void {
    this.#tracked = operators;
  }

  isTracked(operator: string): boolean {
    return this.#tracked.has(operator);
  }

  /** To be called before each push into the graph. */
  begin(node: string): void {
    this.#made.clear();
    this.#input = this.#inputs.find((input) => input.node === node) ?? this.#input;
  }

  /** The id of an operator's message: of its origin, and of the content as text and bytes. */
  make(operator: string, origin: Origin, text: string, bytes: Uint8Array | string): string {
    const isRecord = 'sequence' in origin;
    const { stream } = this.#input;
    const scope = isRecord ? this.#placeOf(operator) : this.#scope;
    const name = isRecord
      ? String(origin.sequence)
      : JSON.stringify([operator, origin.operator, origin.name]);
    const head = `${scope}\n${name}\n${text}\n`;
    const content = typeof bytes === 'string' ? head + bytes : Buffer.concat([Buffer.from(head), bytes]);
    // In one call: an object for each message costs more than the hash.
    const digest = hash('sha256', content, 'base64url').slice(0, HASH_CHARS);
    const place = isRecord ? `${stream}.${origin.sequence}` : origin.operator;
    const id = `${this.#topology}-${operator}-${place}-${digest}`;
    const before = this.#made.get(id) ?? 0;
    this.#made.set(id, before + 1);
    return before === 0 ? id : `${id}-${before}`;
  }

  /** Where a record's results come from, but for its sequence. */
  #placeOf(operator: string): string {
    const { node, stream, incarnation } = this.#input;
    const key = `${node} ${operator}`;
    const place = this.#places.get(key) ?? JSON.stringify([this.#topology, operator, stream, incarnation]);
    this.#places.set(key, place);
    return place;
  }

  /** A message whose id says only the place in its stream gets what tells streams, topologies and operators apart. */
  place({ isLocalId, ...message }: OutMessage, operator: string): OutMessage {
    if (isLocalId !== true) return message;
    const { stream } = this.#input;
    const scope = hash('sha256', this.#placeOf(operator), 'base64url').slice(0, SCOPE_CHARS);
    return {
      ...message,
      id: `${message.id}-${scope}`,
      headers: { ...message.headers, 'Original-Stream': stream },
    };
  }
}

/** Names an item that an operator gives; two of one name only in one push. Undefined: by what is at work. */
export type NameOf<B> = (item: B, at: number) => string | undefined;

/** How an operator's results are to be followed. */
export interface TrailOptions {
  /** It gives on the items that came, all of them and in their order. */
  readonly keepsItems: boolean;
}

interface Gathered {
  readonly items: unknown[];
  readonly origins: Origin[];
}

/**
 * Follows what the items of one operator come from. A batch goes into it item by item, so that what comes out
 * meanwhile is known to be of that one; it goes on as a batch again.
 */
export class OriginTrail {
  readonly #operator: string;
  readonly #keepsItems: boolean;
  readonly #pass: (signal: Signal<never>) => void;
  #current: Origin | undefined;
  /** Of the batch that is handled as it is. */
  #whole: readonly Origin[] | undefined;
  /** While a batch goes in item by item: what came out of it, by output. */
  #gathered: Map<string | undefined, Gathered> | undefined;
  #commit: number;

  constructor(
    operator: string,
    commits: number,
    options: TrailOptions,
    pass: (signal: Signal<never>) => void,
  ) {
    this.#operator = operator;
    this.#keepsItems = options.keepsItems;
    this.#pass = pass;
    this.#commit = commits;
  }

  /** What the operator works on now. */
  get current(): Origin {
    return this.#current ?? { operator: this.#operator, name: `commit ${this.#commit + 1}` };
  }

  handle<A>(
    items: readonly A[],
    origins: readonly Origin[] | undefined,
    take: (items: readonly A[]) => void,
  ): void {
    if (origins === undefined || this.#keepsItems) {
      this.#whole = origins;
      take(items);
      this.#whole = undefined;
      return;
    }
    this.#gathered = new Map();
    for (const [at, item] of items.entries()) {
      this.#current = origins[at];
      take([item]);
    }
    this.#current = undefined;
    this.flush();
    this.#gathered = undefined;
  }

  /** What comes out meanwhile is of this. */
  during(name: string, work: () => void): void {
    const before = this.#current;
    this.#current = { operator: this.#operator, name };
    work();
    this.#current = before;
  }

  committing(commit: number): void {
    this.#commit = commit - 1;
  }

  give<B>(items: readonly B[], side: string | undefined, nameOf?: NameOf<B>): void {
    const origins = this.#originsOf(items, nameOf);
    if (this.#gathered === undefined) {
      this.#next(items, origins, side);
      return;
    }
    const gathered = this.#gathered.get(side) ?? { items: [], origins: [] };
    this.#gathered.set(side, gathered);
    for (const [at, item] of items.entries()) {
      gathered.items.push(item);
      gathered.origins.push(origins[at] as Origin);
    }
  }

  #originsOf<B>(items: readonly B[], nameOf: NameOf<B> | undefined): readonly Origin[] {
    const operator = this.#operator;
    if (nameOf !== undefined) {
      return items.map((item, at) => {
        const name = nameOf(item, at);
        return name === undefined ? this.current : { operator, name };
      });
    }
    if (this.#whole?.length === items.length) return this.#whole;
    const { current } = this;
    return items.map(() => current);
  }

  /** What was gathered goes on: before anything that may not overtake it. */
  flush(): void {
    const gathered = this.#gathered;
    if (gathered === undefined || gathered.size === 0) return;
    this.#gathered = new Map();
    for (const [side, { items, origins }] of gathered) this.#next(items, origins, side);
  }

  #next(items: readonly unknown[], origins: readonly Origin[], side: string | undefined): void {
    // The readers of an output take what its type says; the tag keeps side outputs from all others.
    this.#pass({
      kind: 'batch',
      items: items as readonly never[],
      origins,
      ...(side === undefined ? {} : { side }),
    });
  }
}

/** A node, as far as the way of its results goes. */
export interface TrackedNode {
  readonly name: string;
  readonly inputs: readonly string[];
  /** It makes ids for what comes to it. */
  readonly makesIds?: boolean;
  /** It says itself what its main output comes from. */
  readonly namesResults?: boolean;
  readonly isSide: boolean;
}

/**
 * The nodes that follow what their items come from: those that make ids, and what lies before them up to where
 * results are named by their operator. `nodes` in the order of the flow.
 */
export function trackedNodes(nodes: readonly TrackedNode[]): ReadonlySet<string> {
  const tracked = new Set<string>();
  /** A side output of theirs is followed, which they do not name. */
  const bySide = new Set<string>();
  for (const { name, inputs, makesIds, namesResults, isSide } of nodes.toReversed()) {
    if (makesIds === true) tracked.add(name);
    if (!tracked.has(name)) continue;
    if (namesResults === true && !bySide.has(name)) continue;
    for (const input of inputs) {
      tracked.add(input);
      if (isSide) bySide.add(input);
    }
  }
  return tracked;
}
