import {
  ByteReader,
  type Counter,
  defineOperator,
  MAIN_OUTPUT,
  MillraceError,
  mapTable,
  type NameOf,
  type OperatorContext,
  type OperatorDoc,
  stringKey,
  trustedJsonCodec,
} from '../../engine/index.ts';
import { byKey } from '../windows/index.ts';
import {
  compileFunnel,
  type FunnelDefinition,
  type FunnelEvent,
  type FunnelRules,
  funnelInWords,
} from './funnel-definition.ts';
import { type FunnelResult, resultOf } from './funnel-evaluate.ts';
import {
  admit,
  closeAttempts,
  currentAttempt,
  type FunnelLife,
  type FunnelRow,
  nextWake_ms,
  trim,
} from './funnel-row.ts';
import { Sequences } from './sequence.ts';

/** An entity's state came (`insert`) or is taken back (`retract`): the sum over all changes is the funnel. */
export interface FunnelChange extends FunnelResult {
  readonly key: string;
  readonly kind: 'insert' | 'retract';
}

/** Configuration of `funnel`: a definition, and whose events they are. */
export interface FunnelConfig<E> extends FunnelDefinition<E> {
  /** The entity; '' for an event that belongs to none. */
  readonly keyOf: (event: E) => string;
  /** How far behind the watermark an event may still come and correct its entity, ms; by default a day. */
  readonly allowed_lateness_ms?: number;
  /** Events kept of one entity, at most; by default 1,000. */
  readonly max_events_per_key?: number;
  /**
   * An entity that is silent for longer than this in event time is forgotten, ms: its record stands, and when it
   * comes back it counts anew. (A late event between the two makes them one again.)
   * Without it, and without a `range`, every entity that ever entered keeps a row.
   */
  readonly retain_ms?: number;
  /** Entities kept in memory, in rows. */
  readonly cacheRows?: number;
}

type FunnelSides<E> = {
  /** The changes of `dropped` entities only: sequences that ran out of time. */
  readonly timeout: FunnelChange;
  /** Events that came too late to be taken. */
  readonly late: E;
};

const DAY_MS = 86_400_000;
const DEFAULT_MAX_EVENTS_PER_KEY = 1_000;
/** A table has one scope: the keys are the entities. */
const SCOPE = '';

/**
 * A conversion funnel, incrementally: who came how far through a sequence of steps within a window. The
 * semantics are those of `FunnelDefinition`. Each entity counts once, at its furthest attempt. When that
 * changes, by an event in or out of order or by the watermark passing the end of a window, the old record is
 * retracted and the new one inserted; so a count over the changes is a function of the set of events.
 * Within a batch or a move of the watermark each record changes at most once, in the order of the keys.
 *
 * State: for each entity the steps (not the events) that an attempt still open can use, in one row, and
 * one timer. An attempt is closed when watermark − allowed lateness has passed the end of its window; then only its
 * result is kept. After the end of `range`, or `retain_ms`, the row goes: a silence of more than `retain_ms` in event
 * time parts an entity into lives that count each by itself, however their events arrive.
 * Limit: beyond `max_events_per_key` the oldest events go (with `entry: 'first'` the newest): counted, and noted.
 */
export function funnel<E>(name: string, config: FunnelConfig<E>) {
  return make<E>()(name, config);
}

export const funnelDoc: OperatorDoc = {
  kind: 'funnel',
  summary: 'How far each entity came through a sequence of steps within a window, with retractions',
};

function tablesOf<E>({ cacheRows }: FunnelConfig<E>) {
  return {
    entities: mapTable<string, FunnelRow>({
      changesInPlace: true,
      key: stringKey,
      value: trustedJsonCodec(),
      version: 2,
      migrate: rowOfOneLife,
      // When it is looked at again, and what is older than all that may come, is a matter of the way.
      logical: ({ lives }) => ({ lives: lives.map((life) => ({ ...life, first_ms: 0 })) }),
      ...(cacheRows === undefined ? {} : { cacheRows }),
    }),
  };
}

/** Rows of version 1 were what is a life now. */
function rowOfOneLife(bytes: Uint8Array): FunnelRow {
  const { wake_ms, ...life } = trustedJsonCodec<Omit<FunnelLife, 'first_ms'> & { wake_ms?: number }>().read(
    new ByteReader(bytes),
  );
  const first_ms = Math.min(life.last_ms, ...life.events.map(({ time_ms }) => time_ms));
  return { lives: [{ ...life, first_ms }], ...(wake_ms === undefined ? {} : { wake_ms }) };
}

type Tables<E> = ReturnType<typeof tablesOf<E>>;
type Context<E> = OperatorContext<FunnelConfig<E>, Tables<E>, FunnelChange, FunnelSides<E>>;

const make = <E>() =>
  defineOperator<E, FunnelChange, FunnelConfig<E>, Tables<E>, FunnelSides<E>>({
    kind: funnelDoc.kind,
    summary: funnelDoc.summary,
    needsWatermark: () => true,
    state: tablesOf,
    sides: ['timeout', 'late'],
    definition: funnelInWords,
    retractions: () => 'refuses',
    changes: () => [MAIN_OUTPUT, 'timeout'].map((output) => ({ output, takesBack: true, givesAgain: false })),
    start: (context) => new Entities(context),
  });

/** What time changes of an entity it changes once: an attempt ends, or leaves with its entity. */
const nameOf = ({ kind, status, group, furthest, times_ms, key }: FunnelChange): string =>
  JSON.stringify([kind, status, group, furthest, times_ms, key]);

class Entities<E> extends Sequences<E, FunnelEvent, FunnelRow> {
  readonly #context: Context<E>;
  readonly #rules: FunnelRules;
  readonly #read: ReturnType<typeof compileFunnel<E>>['read'];
  readonly #lateness_ms: number;
  readonly #retain_ms: number;
  readonly #maxEvents: number;
  readonly #duplicates: Counter;
  readonly #overflowed: Counter;
  /** Of the batch at work. */
  #touched = new Map<string, FunnelRow>();

  constructor(context: Context<E>) {
    const { name, config, state, timers, metrics, initialWatermark_ms } = context;
    const { rules, read } = compileFunnel(config, name);
    const lateness_ms = config.allowed_lateness_ms ?? DAY_MS;
    const maxEvents = config.max_events_per_key ?? DEFAULT_MAX_EVENTS_PER_KEY;
    checkLimits(lateness_ms, maxEvents, config.retain_ms);
    super({
      name,
      kind: funnelDoc.kind,
      keyOf: config.keyOf,
      lateness_ms,
      rows: state.entities.scope(SCOPE),
      timers,
      metrics,
      initialWatermark_ms,
      late: (events) => context.emitTo('late', events),
    });
    this.#context = context;
    this.#rules = rules;
    this.#read = read;
    this.#lateness_ms = lateness_ms;
    this.#retain_ms = config.retain_ms ?? Number.POSITIVE_INFINITY;
    this.#maxEvents = maxEvents;
    const labels = { operator: name };
    this.#duplicates = metrics.counter('millrace.funnel.duplicates', 'Events that were kept already', labels);
    this.#overflowed = metrics.counter(
      'millrace.funnel.overflowed',
      'Events dropped because their entity had too many',
      labels,
    );
    metrics.gauge('millrace.funnel.cached', 'Entities in memory', () => state.entities.cachedRows, labels);
  }

  protected override read(event: E): FunnelEvent | undefined {
    return this.#read(event);
  }

  protected override offer(key: string, event: FunnelEvent): void {
    const row = this.rows.get(key) ?? { lives: [] };
    if (!admit(row, event, this.#context.config.idOf !== undefined, this.#retain_ms)) {
      this.#duplicates.add();
      return;
    }
    this.rows.set(key, row);
    this.#touched.set(key, row);
  }

  protected override offered(): void {
    const touched = this.#touched;
    this.#touched = new Map();
    this.#tell(this.#changesOf([...touched].sort(byKey)));
  }

  protected override look(rows: readonly (readonly [string, FunnelRow])[]): void {
    this.#tell(this.#changesOf(rows), nameOf);
  }

  #changesOf(rows: readonly (readonly [string, FunnelRow])[]): FunnelChange[] {
    const changes: FunnelChange[] = [];
    for (const [key, row] of rows) {
      for (const said of row.merged ?? []) changes.push({ key, ...said, kind: 'retract' });
      delete row.merged;
      for (const life of row.lives) closeAttempts(life, this.#rules, this.horizon_ms);
      this.#limit(key, row);
      for (const life of row.lives) this.#say(key, life, changes);
      this.#keep(key, row);
    }
    return changes;
  }

  #tell(changes: readonly FunnelChange[], name?: NameOf<FunnelChange>): void {
    this.#context.emit(changes, name);
    this.#context.emitTo(
      'timeout',
      changes.filter(({ status }) => status === 'dropped'),
      name,
    );
  }

  #limit(key: string, row: FunnelRow): void {
    const dropped = trim(row, this.#rules, this.#maxEvents);
    if (dropped === 0) return;
    this.#overflowed.add(dropped);
    this.#context.notice({ kind: 'funnel_overflowed', scope: key, sequence: 0, detail: { dropped } });
  }

  #say(key: string, life: FunnelLife, changes: FunnelChange[]): void {
    const attempt = currentAttempt(life, this.#rules);
    const result = attempt && resultOf(attempt, this.#rules, this.watermark_ms);
    if (isSame(life.said, result)) return;
    if (life.said !== undefined) changes.push({ key, ...life.said, kind: 'retract' });
    if (result !== undefined) changes.push({ key, ...result, kind: 'insert' });
    if (result === undefined) delete life.said;
    else life.said = result;
  }

  /** Writes the row and sees to it that it is looked at again in time; or lets it go. */
  #keep(key: string, row: FunnelRow): void {
    let wake_ms = Number.POSITIVE_INFINITY;
    row.lives = row.lives.filter((life) => {
      const next_ms = nextWake_ms(life, this.#rules, this.#lateness_ms, this.#retain_ms);
      const isNothing = life.said === undefined && life.isClosed !== true;
      if (life.events.length === 0 && (isNothing || next_ms <= this.watermark_ms)) return false;
      wake_ms = Math.min(wake_ms, next_ms);
      return true;
    });
    if (row.lives.length === 0) {
      this.letGo(key, row);
      return;
    }
    if (wake_ms < Number.POSITIVE_INFINITY) this.wakeAt(wake_ms, key, row);
    this.rows.set(key, row);
  }
}

function isSame(a: FunnelResult | undefined, b: FunnelResult | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.status === b.status &&
    a.group === b.group &&
    a.furthest === b.furthest &&
    a.times_ms.every((time_ms, step) => time_ms === b.times_ms[step])
  );
}

function checkLimits(lateness_ms: number, maxEvents: number, retain_ms: number | undefined): void {
  const isWhole = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
  if (isWhole(lateness_ms) && isWhole(maxEvents) && maxEvents > 0 && isWhole(retain_ms ?? 0)) return;
  throw new MillraceError(
    'bad_funnel',
    'The funnel cannot be run: allowed_lateness_ms, retain_ms and max_events_per_key are whole numbers, the last one above 0.',
  );
}
