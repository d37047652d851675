import {
  type ControlDefinition,
  type Counter,
  controlKey,
  Dictionary,
  invariant,
  type KvTable,
  type KvView,
  type LogSchema,
  type Metrics,
  type Notice,
  type RowBatch,
} from '../../engine/index.ts';
import {
  Backfill,
  type HistoryRange,
  NEVER_MS,
  newFrom,
  type RowHistory,
  Slots,
  type WantedSlot,
} from '../../operators/index.ts';
import {
  BUILT_TO,
  DEFAULT_KEPT_LIMITS,
  type KeptDefinition,
  type KeptInfo,
  type KeptKind,
  type KeptLimits,
} from './kept-definition.ts';
import { KeptTable, type KeptWriting, keptWriting } from './kept-table.ts';
import { RowMatcher } from './row-matcher.ts';

/** Commits between two looks at what the log has forgotten: so long may it lie here. */
const COMMITS_A_LOOK = 100;
/** Definitions that are built together at the price of reading once: of more, fewer rows are read in a commit. */
const TABLES_A_READ = 4;

export interface KeptEventsConfig {
  readonly schema: LogSchema;
  readonly kind: KeptKind;
  /** Id of the table that holds the dictionary of the rows' codes: for the digest. */
  readonly dictionaryTable: string;
  /** The event log, which stands before this operator in the graph. */
  readonly history: (table: (id: string) => KvView) => RowHistory;
  readonly limits?: Partial<KeptLimits>;
}

interface Context {
  readonly name: string;
  readonly config: KeptEventsConfig;
  readonly state: Readonly<Record<'definitions' | 'entities' | 'attempts', KvTable>>;
  readonly view: (table: string) => KvView;
  readonly metrics: Metrics;
  notice(notice: Notice): void;
}

interface Defined extends KeptDefinition {
  readonly definition: ControlDefinition;
}

/** The definitions whose events are kept: which there are, what came of each, and how far each is built. */
export class KeptTables {
  readonly #config: KeptEventsConfig;
  readonly #limits: KeptLimits;
  readonly #history: RowHistory;
  readonly #writing: KeptWriting;
  readonly #slots: Slots<KeptInfo, KeptTable>;
  readonly #backfill: Backfill<KeptInfo, KeptTable>;
  readonly #built: Counter;
  readonly #notice: Context['notice'];
  readonly #defined = new Map<string, Defined>();
  /** Those that hold memory to write with, in the order in which they were written last. */
  readonly #open = new Set<KeptTable>();
  #isStale = true;
  #hasBegun = false;
  #matcher: RowMatcher | undefined;
  /** The log's starts are read once a commit at most. */
  #isHistoryFresh = false;
  #commits = 0;

  constructor({ name, config, state, view, metrics, notice }: Context) {
    this.#config = config;
    this.#limits = { ...DEFAULT_KEPT_LIMITS, ...config.limits };
    this.#notice = notice;
    this.#history = config.history(view);
    this.#writing = keptWriting({
      entities: state.entities,
      attempts: state.attempts,
      limits: this.#limits,
      missing: (scope, time_ms) => this.#requireForgotten(scope, time_ms),
    });
    this.#built = metrics.counter(
      'millrace.kept_events.rows_built',
      'Rows of the log read to build what definitions keep',
      { operator: name },
    );
    this.#slots = new Slots<KeptInfo, KeptTable>({
      slots: state.definitions,
      rows: [state.entities, state.attempts],
      drop_max_rows: this.#limits.drop_max_rows,
      open: (info) => new KeptTable(info, this.#writing),
    });
    this.#backfill = new Backfill(this.#history, this.#limits.build_max_rows, (building, range) =>
      this.#read(building, range),
    );
  }

  get live(): readonly KeptTable[] {
    return this.#slots.live;
  }

  get incomplete(): number {
    return this.#backfill.incomplete;
  }

  /** Attempts of definitions are to be found from the events that are kept. */
  get isBuilding(): boolean {
    return this.live.some(({ isBuilding }) => isBuilding);
  }

  get pending(): number {
    return this.live.reduce((sum, { pending }) => sum + pending, 0);
  }

  define(definition: ControlDefinition): void {
    const read = this.#config.kind.read(definition.body);
    this.#defined.set(controlKey(definition), { definition, ...read });
    this.#isStale = true;
  }

  forget(definition: ControlDefinition): void {
    this.#defined.delete(controlKey(definition));
    this.#isStale = true;
  }

  /** Before the first rows: those definitions that are there. Later ones count from a barrier on. */
  begin(): void {
    if (!this.#hasBegun) this.settle();
  }

  /** Inside a commit, when the log has its rows: keeps for those definitions that are wanted. */
  settle(): void {
    if (!this.#isStale) return;
    this.#isStale = false;
    this.#hasBegun = true;
    this.#history.refresh();
    // A definition that has outgrown a limit stays out until it says something else.
    const full = new Map(this.live.map(({ slot, full: limit }) => [`${slot.name} ${slot.meaning}`, limit]));
    const wanted = this.#wanted().map(({ definition, meaning, spec, attempts }): WantedSlot<KeptInfo> => {
      const name = controlKey(definition);
      const limit = full.get(`${name} ${meaning}`);
      return {
        ...{ name, scope: definition.scope, meaning },
        ...{ codes: spec.codes.length, hashes: spec.hashes.length },
        // It has no events yet, so all of their attempts.
        attempts: { meaning: attempts.meaning, built_to: BUILT_TO.all },
        ...(limit === undefined ? {} : { full: limit }),
      };
    });
    this.#slots.want(
      wanted,
      (slot, { meaning, full: limit }) => slot.meaning === meaning && slot.full === limit,
      ({ scope, full: limit }) => (limit === undefined ? newFrom(this.#history, scope) : NEVER_MS),
    );
    const live = new Set(this.live);
    for (const table of this.#open) if (!live.has(table)) this.#open.delete(table);
    for (const table of this.live) {
      const defined = this.#defined.get(table.slot.name);
      table.spec = defined?.spec;
      if (defined !== undefined) table.follow(defined.attempts);
    }
    this.#backfill.follow(this.live.filter(({ full: limit }) => limit === undefined));
    this.#matcher = undefined;
  }

  /** Of each scope the oldest, as many as may be: a function of the definitions. */
  #wanted(): readonly Defined[] {
    const byScope = new Map<string, Defined[]>();
    for (const one of this.#defined.values()) {
      const own = byScope.get(one.definition.scope);
      if (own === undefined) byScope.set(one.definition.scope, [one]);
      else own.push(one);
    }
    return [...byScope.values()].flatMap((own) =>
      own
        .sort((a, b) => (a.definition.id < b.definition.id ? -1 : 1))
        .slice(0, this.#limits.scope_max_definitions),
    );
  }

  add(batch: RowBatch): void {
    if (this.live.length === 0) return;
    if (this.#matcher?.texts !== batch.dictionary)
      this.#matcher = new RowMatcher(this.live, batch.dictionary);
    if (!this.#matcher.isEmpty) this.#matcher.add(batch, false);
  }

  /** Inside a commit, when the log has its rows: goes on building, and writes what came. */
  commit(): void {
    this.#isHistoryFresh = false;
    if (this.live.length > 0 && this.#commits++ % COMMITS_A_LOOK === 0) this.#forget();
    this.#backfill.step();
    this.#write();
    if (this.live.some(({ slot, full }) => slot.full !== full)) this.#leaveOut();
    this.#slots.flush();
  }

  #forget(): void {
    for (const table of this.live) table.forgetBefore(this.#startOf(table.slot.scope));
  }

  #startOf(scope: string): number {
    if (!this.#isHistoryFresh) this.#history.refresh();
    this.#isHistoryFresh = true;
    return this.#history.start_ms(scope);
  }

  #write(): void {
    let hasBuilt = false;
    for (const table of this.live) {
      const builds: boolean = !hasBuilt && table.isBuilding;
      if (table.pending === 0 && !builds) continue;
      // The one that was written last is the last of them.
      this.#open.delete(table);
      table.commit();
      // One definition a commit.
      if (builds) table.build();
      hasBuilt ||= builds;
      this.#open.add(table);
      for (const oldest of this.#open) {
        if (this.#open.size <= this.#limits.open_max_definitions) break;
        oldest.close();
        this.#open.delete(oldest);
      }
    }
  }

  #leaveOut(): void {
    for (const { slot, full } of this.live) {
      if (slot.full === full || full === undefined) continue;
      const detail = { definition: slot.name, limit: full, allowed: this.#limits[full] };
      this.#notice({ kind: 'definition_not_kept', scope: slot.scope, sequence: 0, detail });
    }
    this.#isStale = true;
    this.settle();
  }

  #read(building: readonly KeptTable[], range: HistoryRange): number {
    let rows = 0;
    let matcher: RowMatcher | undefined;
    this.#history.read(range, this.#textsOf(building), (batch) => {
      rows += batch.length;
      if (matcher?.texts !== batch.dictionary) matcher = new RowMatcher(building, batch.dictionary);
      matcher.add(batch, true);
    });
    this.#built.add(rows);
    return rows * Math.max(1, building.length / TABLES_A_READ);
  }

  /** Names of the text columns that the tests of definitions look at, or that are carried. */
  #textsOf(building: readonly KeptTable[]): readonly string[] {
    const { columns, items } = this.#config.schema;
    const namesOf = (specs: LogSchema['columns'], places: readonly number[]): readonly string[] => {
      const codes = specs.filter(({ kind }) => kind === 'code');
      return places.flatMap((place) => codes[place]?.name ?? []);
    };
    const names = building.flatMap(({ spec }) => {
      const conditions = spec?.tests(new Dictionary()).flat() ?? [];
      const tested = conditions.flatMap((condition) => ('code' in condition ? [condition] : []));
      return [
        ...namesOf(columns, [...tested.map(({ code }) => code), ...(spec?.codes ?? [])]),
        ...namesOf(
          items,
          tested.map(({ item = -1 }) => item),
        ),
      ];
    });
    return [...new Set(names)];
  }

  /** What is taken back must be there, unless the log has forgotten it, too. */
  #requireForgotten(scope: string, time_ms: number): void {
    invariant(time_ms < this.#startOf(scope), 'a retraction takes back an event that is kept');
  }
}
