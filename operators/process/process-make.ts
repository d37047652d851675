import {
  ByteReader,
  type Codec,
  type DescribedRow,
  decodeRow,
  defineOperator,
  type KvEntry,
  MillraceError,
  mapTable,
  type Operator,
  type OperatorDoc,
  type RetractionRule,
  rawTable,
  type Sides,
  stringKey,
  trustedJsonCodec,
} from '../../engine/index.ts';
import { migrationOf } from '../core/index.ts';
import type { LateEvents, ProcessConfig } from './process.ts';
import { ProcessRun, type ProcessTables, sortedByBytes } from './process-run.ts';

/** `keyedProcess`, and the operators that are composed of it under a name of their own. */
export const makeProcess = <A, B, S, O extends Sides>(
  doc: Pick<OperatorDoc, 'kind' | 'summary'>,
  /** Absent: what becomes of items that take others back is the function's matter. */
  rule?: RetractionRule,
) => {
  type Config = ProcessConfig<A, B, S, O>;
  type Tables = ProcessTables<A, Exclude<S, undefined>>;
  return (name: string, config: Config): Operator<A, B, O & LateEvents<A>> => {
    if (config.order === 'time' && config.timeOf === undefined) {
      throw new MillraceError('bad_config', `"${name}" handles events in the order of time: give it timeOf.`);
    }
    const migratesEvents = config.migrateEvent !== undefined || config.formerEventCodec !== undefined;
    if (migratesEvents && config.eventVersion === undefined) {
      throw new MillraceError(
        'bad_config',
        `"${name}" says what becomes of older waiting events, and not which are older: give it eventVersion.`,
      );
    }
    return defineOperator<A, B, Config, Tables, O & LateEvents<A>>({
      kind: doc.kind,
      summary: doc.summary,
      needsWatermark: ({ order, onTimer }) => order === 'time' || onTimer !== undefined,
      state: tablesOf,
      // In the order of time a timer is kept for the ms after its own.
      definition: ({ order = 'arrival' }) => ({ order }),
      sides: ['late', ...(config.sides ?? [])],
      ...(rule === undefined ? {} : { retractions: () => rule }),
      start: (context) => {
        const run = new ProcessRun<A, B, S, O>(doc.kind, config, context);
        return {
          onBatch: (events) => run.onBatch(events),
          onTimer: (time_ms, id) => run.onDue(time_ms, id),
          onWatermark: (time_ms) => run.onWatermark(time_ms),
          onBarrier: () => run.onBarrier(),
        };
      },
    })(name, config);
  };
};

function tablesOf<A, B, S, O extends Sides>(
  config: ProcessConfig<A, B, S, O>,
): ProcessTables<A, Exclude<S, undefined>> {
  type Stored = Exclude<S, undefined>;
  const { version = 1, eventVersion, cacheRows, codec, eventCodec = trustedJsonCodec<A>() } = config;
  const common = { key: stringKey, ...(cacheRows === undefined ? {} : { cacheRows }) };
  return {
    state: mapTable({
      ...common,
      value: codec ?? trustedJsonCodec<Stored>(),
      version,
      ...migrationOf<Stored, Stored>(config, (value) => value),
    }),
    waiting: mapTable({
      ...common,
      value: listCodec(eventCodec),
      version: eventVersion ?? version,
      ...eventMigrationOf(config, eventCodec),
      // They lie in the order of arrival, and are sorted when they are handled.
      logical: (events) => sortedByBytes(events, eventCodec),
    }),
    // How far the watermark has come is the way, not the content.
    progress: rawTable({ version: 1, logicalRows: () => [], describeRow: describeProgress }),
  };
}

function eventMigrationOf<A, B, S, O extends Sides>(
  { version = 1, eventVersion, migrateEvent, formerEventCodec }: ProcessConfig<A, B, S, O>,
  codec: Codec<A>,
): { readonly migrate?: (bytes: Uint8Array, fromVersion: number) => A[] } {
  if (eventVersion === undefined) {
    // It is the version of the state that rises; events of the first one have none before them.
    return version === 1 ? {} : { migrate: (bytes) => decodeRow(listCodec(codec), bytes) };
  }
  const migration = {
    codec,
    ...(migrateEvent === undefined ? {} : { migrate: migrateEvent }),
    ...(formerEventCodec === undefined ? {} : { formerCodec: formerEventCodec }),
  };
  return migrationOf<A, A[]>(migration, listCodec);
}

/** Its one row. */
function describeProgress({ value }: KvEntry): DescribedRow {
  return { key: 'watermark', value: { watermark_ms: new ByteReader(value).f64() } };
}

function listCodec<T>(item: Codec<T>): Codec<T[]> {
  return {
    write: (writer, list) => {
      writer.varint(list.length);
      for (const one of list) item.write(writer, one);
    },
    read: (reader) => Array.from({ length: reader.varint() }, () => item.read(reader)),
  };
}
