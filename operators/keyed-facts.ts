import {
  type ByteReader,
  type ByteWriter,
  type Codec,
  defineOperator,
  mapTable,
  type ScopedMap,
  stringKey,
} from '../engine/index.ts';

/** The earliest event that claimed a slot of an entity. */
export interface Fact<P> {
  readonly time_ms: number;
  /** Breaks ties on time the same way whatever the order of arrival, e.g. a hash of the event id. */
  readonly tie: number;
  readonly payload: P;
}

export type FactRecord<P> = (Fact<P> | undefined)[];

export interface EntityDefinition<E> {
  /** Keys the entity's table. */
  readonly name: string;
  readonly slots: readonly string[];
  /** The slots an event claims, as indexes; empty for events that say nothing of the entity. */
  readonly slotsOf: (event: E) => readonly number[];
  /** The entity's key; '' when the event has none. */
  readonly keyOf: (event: E) => string;
}

/** A slot's fact became another: `before` is to be taken back, `after` to be counted. */
export interface FactChange<P> {
  readonly entity: number;
  readonly slot: number;
  readonly before: Fact<P> | undefined;
  readonly after: Fact<P>;
  /** The entity's facts just after this change. */
  readonly record: Readonly<FactRecord<P>>;
}

export interface WithFacts<E, P> {
  readonly event: E;
  readonly changes: readonly FactChange<P>[];
}

export interface KeyedFactsConfig<E, P> {
  readonly entities: readonly EntityDefinition<E>[];
  readonly scopeOf: (event: E) => string;
  readonly timeOf: (event: E) => number;
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

/**
 * Firsts: for each entity (an order, a customer, a session) and slot (its payment, its first visit) the
 * earliest event by time. An earlier-timed event that arrives later displaces the fact, and the change
 * carries both: so what is counted downstream is a function of the set of events.
 * State: a row an entity, written once a commit however often it changes.
 */
export function keyedFacts<E, P>(name: string, config: KeyedFactsConfig<E, P>) {
  return make<E, P>()(name, config);
}

function tablesOf<E, P>(config: KeyedFactsConfig<E, P>) {
  return Object.fromEntries(
    config.entities.map(({ name, slots }) => [
      name,
      mapTable<string, FactRecord<P>>({
        key: stringKey,
        value: recordCodec(slots.length, config.payloadCodec),
        version: config.version,
        ttl: { retain_ms: config.retain_ms },
        cacheRows: config.cacheRows,
      }),
    ]),
  );
}

const make = <E, P>() =>
  defineOperator<E, WithFacts<E, P>, KeyedFactsConfig<E, P>, ReturnType<typeof tablesOf<E, P>>>({
    kind: 'keyed-facts',
    summary: 'The earliest event of each kind for each entity, with retractions',
    state: tablesOf,
    start: ({ config, state, metrics, emit }) => {
      const { entities, scopeOf, timeOf, tieOf, payloadOf } = config;
      const tables = entities.map(({ name }) => {
        const table = state[name];
        if (table === undefined) throw new Error(`no table for entity ${name}`);
        metrics.gauge('millrace.facts.cached', 'Entities in memory', () => table.cachedRows, {
          entity: name,
        });
        return table;
      });
      const displaced = metrics.counter('millrace.facts.displaced', 'Facts displaced by an earlier event');
      const unknown = entities.map(({ slots }) =>
        new Array<Fact<P> | undefined>(slots.length).fill(undefined),
      );
      let scopeName: string | undefined;
      let scoped: ScopedMap<string, FactRecord<P>>[] = [];
      const changesOf = (event: E): readonly FactChange<P>[] => {
        let changes: FactChange<P>[] | undefined;
        let fact: Fact<P> | undefined;
        for (let entity = 0; entity < entities.length; entity++) {
          const definition = entities[entity] as EntityDefinition<E>;
          const slots = definition.slotsOf(event);
          if (slots.length === 0) continue;
          const key = definition.keyOf(event);
          if (key === '') continue;
          const table = scoped[entity] as ScopedMap<string, FactRecord<P>>;
          const known = table.get(key);
          const record: FactRecord<P> = known ?? (unknown[entity] as FactRecord<P>).slice();
          const time_ms = timeOf(event);
          let isChanged = false;
          for (const slot of slots) {
            const before = record[slot];
            if (before !== undefined) {
              if (time_ms > before.time_ms) continue;
              const tie = tieOf(event);
              if (time_ms === before.time_ms && tie >= before.tie) continue;
              displaced.add();
            }
            fact ??= { time_ms, tie: tieOf(event), payload: payloadOf(event) };
            record[slot] = fact;
            isChanged = true;
            changes ??= [];
            // A copy: later events of the batch change the record before anybody downstream looks.
            changes.push({ entity, slot, before, after: fact, record: record.slice() });
          }
          if (isChanged) table.set(key, record);
        }
        return changes ?? NO_CHANGES;
      };
      return {
        onBatch: (events) => {
          const out = new Array<WithFacts<E, P>>(events.length);
          for (let index = 0; index < events.length; index++) {
            const event = events[index] as E;
            const scope = scopeOf(event);
            if (scope !== scopeName) {
              scopeName = scope;
              scoped = tables.map((table) => table.scope(scope));
            }
            out[index] = { event, changes: changesOf(event) };
          }
          emit(out);
        },
      };
    },
  });

/** A mask of the slots that are there, then each of them. */
function recordCodec<P>(slots: number, payload: Codec<P>): Codec<FactRecord<P>> {
  return {
    write: (writer: ByteWriter, record: FactRecord<P>) => {
      let mask = 0;
      for (let slot = slots - 1; slot >= 0; slot--) mask = mask * 2 + (record[slot] === undefined ? 0 : 1);
      writer.varint(mask);
      for (const fact of record) {
        if (fact === undefined) continue;
        writer.u48(fact.time_ms).f64(fact.tie);
        payload.write(writer, fact.payload);
      }
    },
    read: (reader: ByteReader) => {
      const record: FactRecord<P> = new Array<Fact<P> | undefined>(slots).fill(undefined);
      let mask = reader.varint();
      for (let slot = 0; mask > 0; slot++, mask = Math.floor(mask / 2)) {
        if (mask % 2 === 1) {
          const time_ms = reader.u48();
          const tie = reader.f64();
          record[slot] = { time_ms, tie, payload: payload.read(reader) };
        }
      }
      return record;
    },
  };
}
