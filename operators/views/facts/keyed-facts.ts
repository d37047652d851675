import {
  ByteWriter,
  type Codec,
  defineOperator,
  type OperatorDoc,
  type RawSpec,
} from '../../../engine/index.ts';
import { checkedKey, checkedTie, checkedTime } from '../../core/index.ts';
import { factDescriber } from './describe-facts.ts';
import { FactKey } from './fact-key.ts';
import { type Fact, FactTable, factTableSpec, MAX_SLOTS } from './fact-table.ts';

export type { Fact } from './fact-table.ts';
/** The facts of an entity by slot; undefined where nothing has said one. */
export type FactRecord<P> = (Fact<P> | undefined)[];

/** A kind of entity of which facts are kept: how many there are of each, and which events say them. */
export interface EntityDefinition<E> {
  /** Keys the entity's table. */
  readonly name: string;
  /** At most 256. */
  readonly slots: readonly string[];
  /** The slots an event claims, as indexes; empty for events that say nothing of the entity. */
  readonly slotsOf: (event: E) => readonly number[];
  /** The entity's key; '' when the event has none. */
  readonly keyOf: (event: E) => string;
  /** By slot: the slots whose facts go along in `record` when it changes; without it all of the entity's. */
  readonly alongWith?: readonly (readonly number[])[];
}

/** A slot's fact became another: `before` is to be taken back, `after` to be counted. */
export interface FactChange<P> {
  readonly entity: number;
  readonly slot: number;
  readonly before: Fact<P> | undefined;
  readonly after: Fact<P>;
  /**
   * By slot, the facts just after this change: this one and those that `alongWith` names; empty when none of
   * these is there.
   */
  readonly record: Readonly<FactRecord<P>>;
}

/** An event with the facts that it changed. */
export interface WithFacts<E, P> {
  readonly event: E;
  readonly changes: readonly FactChange<P>[];
}

/** Configuration of `keyedFacts`. */
export interface KeyedFactsConfig<E, P> {
  readonly entities: readonly EntityDefinition<E>[];
  /**
   * Small integers from 0. Events of one kind claim the same slots, so that `slotsOf` is asked once a kind;
   * without it, once an event.
   */
  readonly kindOf?: (event: E) => number;
  readonly scopeOf: (event: E) => string;
  /** Whole ms from 1970 on. */
  readonly timeOf: (event: E) => number;
  /** Breaks ties on time, the smaller first; not NaN. Events of one time and tie should be one and the same. */
  readonly tieOf: (event: E) => number;
  /** What has to be known of a fact to take it back later. */
  readonly payloadOf: (event: E) => P;
  readonly payloadCodec: Codec<P>;
  readonly version: number;
  /** An entity is forgotten this long after its facts last changed, by the watermark, ms. */
  readonly retain_ms: number;
  /** Entities of each kind kept in memory, in rows. */
  readonly cacheRows: number;
}

const NO_CHANGES: readonly never[] = [];
const NO_RECORD: readonly never[] = [];
/** Facts of one entity kind that wait for a commit before a barrier is asked for. */
const CHANGED_MAX_BYTES = 64 * 1_048_576;

/** The slots of an entity that an event claims. */
interface Claims<E, P> {
  readonly entity: number;
  readonly slots: readonly number[];
  readonly keyOf: (event: E) => string;
  readonly table: FactTable<P>;
  readonly alongWith: readonly (readonly number[])[];
  readonly width: number;
}

export const keyedFactsDoc: OperatorDoc = {
  kind: 'keyed-facts',
  summary: 'The earliest event of each kind for each entity, with retractions',
};

/**
 * Firsts: for each entity (an order, a customer, a session) and slot (its payment, its first visit) the
 * earliest event by time. An earlier-timed event that arrives later displaces the fact, and the change
 * carries both: so what is counted downstream is a function of the set of events.
 * State: a row an entity, written once a commit however often it changes; a bounded number of them in memory.
 */
export function keyedFacts<E, P>(name: string, config: KeyedFactsConfig<E, P>) {
  return make<E, P>()(name, config);
}

function tablesOf<E, P>(config: KeyedFactsConfig<E, P>): Record<string, RawSpec> {
  const { entities, version, retain_ms, payloadCodec } = config;
  return Object.fromEntries(
    entities.map(({ name, slots }) => [
      name,
      { ...factTableSpec(version, retain_ms), describeRow: factDescriber(slots, payloadCodec) },
    ]),
  );
}

const make = <E, P>() =>
  defineOperator<E, WithFacts<E, P>, KeyedFactsConfig<E, P>, Record<string, RawSpec>>({
    kind: 'keyed-facts',
    summary: 'The earliest event of each kind for each entity, with retractions',
    state: tablesOf,
    retractions: () => 'refuses',
    start: ({
      name: operator,
      config,
      state,
      ordered,
      metrics,
      emit,
      requestBarrier,
      initialWatermark_ms,
    }) => {
      const { entities, payloadCodec, retain_ms, cacheRows, scopeOf } = config;
      const tables = entities.map(({ name, slots }) => {
        const stored = state[name];
        if (stored === undefined) throw new Error(`no table for entity ${name}`);
        if (slots.length > MAX_SLOTS) throw new Error(`entity ${name} has more than ${MAX_SLOTS} slots`);
        const table = new FactTable(stored, payloadCodec, { retain_ms, cacheRows, ordered });
        const label = { operator, entity: name };
        metrics.gauge('millrace.facts.cached', 'Entities in memory', () => table.cachedRows, label);
        metrics.gauge('millrace.facts.memory.usage', 'Memory for entities', () => table.memory_bytes, label);
        return table;
      });
      const displaced = metrics.counter('millrace.facts.displaced', 'Facts displaced by an earlier event', {
        operator,
      });
      const key = new FactKey();
      const claimsOf = claimsReader(config, tables);
      const changesOf = changesReader(config, key, operator, () => displaced.add());
      let watermark_ms = Math.max(0, initialWatermark_ms ?? 0);
      for (const table of tables) table.advance(watermark_ms);
      return {
        onWatermark: (time_ms) => {
          // Rows are written with the day of it, counted from 1970.
          watermark_ms = Math.max(0, time_ms);
          for (const table of tables) table.advance(time_ms);
        },
        onBatch: (events) => {
          const out = new Array<WithFacts<E, P>>(events.length);
          for (let index = 0; index < events.length; index++) {
            const event = events[index] as E;
            const claims = claimsOf(event);
            if (claims.length > 0) key.scope(scopeOf(event));
            out[index] = { event, changes: claims.length === 0 ? NO_CHANGES : changesOf(event, claims) };
          }
          if (tables.some(({ changed_bytes }) => changed_bytes > CHANGED_MAX_BYTES)) requestBarrier();
          emit(out);
        },
        onBarrier: () => {
          for (const table of tables) table.flush(watermark_ms);
        },
      };
    },
  });

/** What an event claims, from memory where the configuration says what kind of event it is. */
function claimsReader<E, P>(
  { entities, kindOf }: KeyedFactsConfig<E, P>,
  tables: readonly FactTable<P>[],
): (event: E) => readonly Claims<E, P>[] {
  const all = entities.map(({ slots, keyOf, alongWith }, entity) => {
    const everything = [...slots.keys()];
    return {
      entity,
      keyOf,
      table: tables[entity] as FactTable<P>,
      alongWith: alongWith ?? slots.map(() => everything),
      width: slots.length,
    };
  });
  const read = (event: E): readonly Claims<E, P>[] => {
    const claims: Claims<E, P>[] = [];
    for (const [entity, claim] of all.entries()) {
      const slots = (entities[entity] as EntityDefinition<E>).slotsOf(event);
      if (slots.length > 0) claims.push({ ...claim, slots });
    }
    return claims;
  };
  if (kindOf === undefined) return read;
  const known: (readonly Claims<E, P>[] | undefined)[] = [];
  return (event) => {
    const kind = kindOf(event);
    let claims = known[kind];
    if (claims === undefined) {
      claims = read(event);
      known[kind] = claims;
    }
    return claims;
  };
}

/** Applies what an event claims; gives what changed. */
function changesReader<E, P>(
  { timeOf, tieOf, payloadOf, payloadCodec }: KeyedFactsConfig<E, P>,
  key: FactKey,
  operator: string,
  displaced: () => void,
): (event: E, claims: readonly Claims<E, P>[]) => readonly FactChange<P>[] {
  const payload = new ByteWriter();
  return (event, claims) => {
    const time_ms = timeOf(event);
    const tie = tieOf(event);
    let changes: FactChange<P>[] | undefined;
    let after: Fact<P> | undefined;
    for (let index = 0; index < claims.length; index++) {
      const { entity, slots, keyOf, table, alongWith, width } = claims[index] as Claims<E, P>;
      const name = keyOf(event);
      if (name === '') continue;
      // Also where it changes nothing: whether it does depends on what came before.
      checkedTime(time_ms, operator);
      checkedTie(tie, operator);
      key.set(checkedKey(name));
      table.open(key);
      for (const slot of slots) {
        const claim = table.claim(slot, time_ms, tie);
        if (claim === 'later') continue;
        const before = claim === 'earlier' ? table.read(slot) : undefined;
        if (before !== undefined) displaced();
        if (after === undefined) {
          after = { time_ms, tie, payload: payloadOf(event) };
          payloadCodec.write(payload.reset(), after.payload);
        }
        table.write(slot, time_ms, tie, payload);
        const record = recordOf(table, slot, after, alongWith[slot] ?? NO_RECORD, width);
        const change = { entity, slot, before, after, record };
        if (changes === undefined) changes = [change];
        else changes.push(change);
      }
    }
    return changes ?? NO_CHANGES;
  };
}

function recordOf<P>(
  table: FactTable<P>,
  slot: number,
  fact: Fact<P>,
  others: readonly number[],
  width: number,
): Readonly<FactRecord<P>> {
  let record: FactRecord<P> | undefined;
  for (const other of others) {
    const found = other === slot ? fact : table.read(other);
    if (found === undefined) continue;
    record ??= new Array<Fact<P> | undefined>(width).fill(undefined);
    record[other] = found;
  }
  if (record === undefined) return NO_RECORD;
  record[slot] = fact;
  return record;
}
