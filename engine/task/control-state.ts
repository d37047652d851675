import { asMillraceError, type Metrics } from '../base/index.ts';
import {
  type AppliedDefinition,
  CONTROL_TABLE,
  type ControlDefinition,
  type ControlHandlers,
  type ControlInput,
  type ControlSet,
  canonicalText,
  controlKey,
  listApplied,
  type Refusal,
  removeApplied,
  writeApplied,
} from '../control/index.ts';
import type { KvStore } from '../state/index.ts';

export interface ControlLimits {
  /** Definitions of a kind that a task holds. */
  readonly kind_max_definitions: number;
  /** Bytes of the bodies of a kind. */
  readonly kind_max_bytes: number;
  /** Bytes of one body. */
  readonly body_max_bytes: number;
}

export const DEFAULT_CONTROL_LIMITS: ControlLimits = {
  kind_max_definitions: 20_000,
  kind_max_bytes: 64 * 1_048_576,
  body_max_bytes: 65_536,
};

/** Of which definitions a state is: part of the progress record. */
export interface ControlPosition {
  readonly bucket: string;
  /** The newest revision that the task has seen of the bucket. */
  readonly revision: number;
}

interface Entry {
  readonly applied: AppliedDefinition;
  /** What it was made of, to see at a glance that it stayed; undefined for one that was read from the state. */
  readonly from: ControlDefinition | undefined;
  /** As operators were given it. */
  readonly given: ControlDefinition;
  readonly takenBy: readonly Taker[];
}

interface Taker {
  readonly operator: string;
  readonly handlers: ControlHandlers;
}

/** A definition of the newest set, and what the task itself says against it. */
interface Wanted {
  readonly definition: ControlDefinition;
  readonly text: string;
  readonly refusal: Refusal | undefined;
}

/**
 * The definitions that a task has applied, and the way from them to the newest set. Which of them count is a
 * function of the set alone: neither the order in which they came nor a restart decides where a limit cuts.
 */
export class ControlState {
  readonly #store: KvStore;
  readonly #input: ControlInput | undefined;
  readonly #limits: ControlLimits;
  readonly #takers: Taker[] = [];
  #entries = new Map<string, Entry>();
  /** Of entries that have to be written or removed although the set is the old one. */
  #restored: { readonly changed: readonly AppliedDefinition[]; readonly gone: readonly AppliedDefinition[] } =
    {
      changed: [],
      gone: [],
    };
  #seen: ControlSet | undefined;
  #position: ControlPosition | undefined;

  constructor(
    store: KvStore,
    input: ControlInput | undefined,
    position: ControlPosition | undefined,
    limits: ControlLimits,
  ) {
    this.#store = store;
    this.#input = input;
    this.#position = position;
    this.#limits = limits;
  }

  /** Of operators, while the graph is built. */
  register(operator: string, handlers: ControlHandlers): void {
    this.#takers.push({ operator, handlers });
    this.#takers.sort((a, b) => (a.operator < b.operator ? -1 : 1));
  }

  get position(): ControlPosition | undefined {
    return this.#position;
  }

  get count(): number {
    return this.#entries.size;
  }

  get refused(): number {
    let refused = 0;
    for (const { applied } of this.#entries.values()) if (applied.refusals.length > 0) refused++;
    return refused;
  }

  /** There is a set that is not applied yet. */
  get hasNews(): boolean {
    const current = this.#input?.current();
    return current !== undefined && current !== this.#seen;
  }

  /** Before the first batch: operators get what the last commit had. */
  restore(): void {
    if (!this.#store.tableNames().includes(CONTROL_TABLE)) return;
    const changed: AppliedDefinition[] = [];
    const gone: AppliedDefinition[] = [];
    for (const stored of listApplied(this.#store.table(CONTROL_TABLE))) {
      if (!this.#isTaken(stored.kind)) {
        gone.push(stored);
        continue;
      }
      const own = stored.refusals.find(({ operator }) => operator === undefined);
      const given: ControlDefinition = {
        ...{ kind: stored.kind, scope: stored.scope, id: stored.id, revision: stored.revision },
        body: stored.text === '' ? null : (JSON.parse(stored.text) as unknown),
      };
      const entry = this.#give(given, stored.text, own, undefined);
      this.#entries.set(controlKey(stored), entry);
      // Another version of the program may take what the one before refused.
      if (JSON.stringify(entry.applied.refusals) !== JSON.stringify(stored.refusals))
        changed.push(entry.applied);
    }
    this.#restored = { changed, gone };
  }

  /** Inside a commit, before the barrier. */
  apply(): void {
    this.#settleRestored();
    const set = this.#input?.current();
    if (set === undefined || set === this.#seen) return;
    this.#seen = set;
    const table = this.#store.table(CONTROL_TABLE);
    const wanted = this.#admitted(set);
    const entries = new Map<string, Entry>();
    const fresh: [string, Wanted][] = [];
    for (const [key, entry] of this.#entries) {
      const want = wanted.get(key);
      if (want !== undefined && isSame(entry, want)) {
        entries.set(key, this.#kept(entry, want));
        continue;
      }
      for (const { handlers } of entry.takenBy) handlers.forget(entry.given);
      if (want === undefined) removeApplied(table, entry.applied);
    }
    for (const each of wanted) if (!entries.has(each[0])) fresh.push(each);
    fresh.sort(([, a], [, b]) => a.definition.revision - b.definition.revision);
    for (const [key, { definition, text, refusal }] of fresh) {
      const entry = this.#give(definition, text, refusal, definition);
      entries.set(key, entry);
      writeApplied(table, entry.applied);
    }
    this.#entries = entries;
    this.#position = { bucket: set.bucket, revision: set.revision };
  }

  #settleRestored(): void {
    const { changed, gone } = this.#restored;
    if (changed.length === 0 && gone.length === 0) return;
    const table = this.#store.table(CONTROL_TABLE);
    for (const applied of changed) writeApplied(table, applied);
    for (const applied of gone) removeApplied(table, applied);
    this.#restored = { changed: [], gone: [] };
  }

  #isTaken(kind: string): boolean {
    return this.#takers.some(({ handlers }) => handlers.kinds.includes(kind));
  }

  /** The same body under a newer revision: nothing to do but to say so. */
  #kept(entry: Entry, { definition }: Wanted): Entry {
    const { revision } = definition;
    if (entry.applied.revision === revision) return { ...entry, from: definition };
    const applied = { ...entry.applied, revision };
    writeApplied(this.#store.table(CONTROL_TABLE), applied);
    return { ...entry, applied, from: definition };
  }

  #give(
    given: ControlDefinition,
    text: string,
    own: Refusal | undefined,
    from: ControlDefinition | undefined,
  ): Entry {
    const refusals: Refusal[] = own === undefined ? [] : [own];
    const takenBy: Taker[] = [];
    const takers = own === undefined ? this.#takers : [];
    for (const taker of takers) {
      if (!taker.handlers.kinds.includes(given.kind)) continue;
      try {
        taker.handlers.define(given);
        takenBy.push(taker);
      } catch (thrown) {
        const { code, message } = asMillraceError(thrown);
        const named = code === 'internal' ? 'definition_failed' : code;
        refusals.push({ operator: taker.operator, code: named, message });
      }
    }
    const { kind, scope, id, revision } = given;
    return { applied: { kind, scope, id, revision, text, refusals }, from, given, takenBy };
  }

  /** What of a set is taken, by key: where there are too many of a kind, those whose names sort first. */
  #admitted(set: ControlSet): Map<string, Wanted> {
    const { kind_max_definitions, kind_max_bytes, body_max_bytes } = this.#limits;
    const wanted = new Map<string, Wanted>();
    const used = new Map<string, { definitions: number; bytes: number }>();
    const all = set.definitions
      .filter(({ kind }) => this.#isTaken(kind))
      .map((definition) => [controlKey(definition), definition] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [key, definition] of all) {
      const text = this.#textOf(key, definition);
      const size_bytes = Buffer.byteLength(text);
      if (size_bytes > body_max_bytes) {
        const message = `It has ${size_bytes} bytes; ${body_max_bytes} are possible.`;
        wanted.set(key, { definition, text: '', refusal: { code: 'definition_too_large', message } });
        continue;
      }
      const { kind } = definition;
      const of = used.get(kind) ?? { definitions: 0, bytes: 0 };
      used.set(kind, of);
      const fits = of.definitions < kind_max_definitions && of.bytes + size_bytes <= kind_max_bytes;
      if (fits) {
        of.definitions++;
        of.bytes += size_bytes;
      }
      const message = `${kind_max_definitions} definitions and ${kind_max_bytes} bytes of the kind "${kind}" are possible.`;
      wanted.set(key, {
        definition,
        text,
        refusal: fits ? undefined : { code: 'definitions_full', message },
      });
    }
    return wanted;
  }

  #textOf(key: string, definition: ControlDefinition): string {
    const known = this.#entries.get(key);
    if (known !== undefined && known.from === definition && known.applied.text !== '')
      return known.applied.text;
    return canonicalText(definition.body);
  }
}

function isSame({ applied }: Entry, { text, refusal }: Wanted): boolean {
  const own = applied.refusals.find(({ operator }) => operator === undefined);
  return applied.text === text && own?.code === refusal?.code;
}

export function describeControl(metrics: Metrics, control: ControlState): void {
  metrics.gauge('millrace.control.definitions', 'Definitions of the last commit', () => control.count);
  metrics.gauge(
    'millrace.control.refused',
    'Definitions that an operator or a limit refuses',
    () => control.refused,
  );
  metrics.gauge(
    'millrace.control.revision',
    'The newest revision seen of the bucket of definitions',
    () => control.position?.revision ?? 0,
  );
}
