import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  type AnswerTo,
  changesFrom,
  existingGeneration,
  isRefused,
  type KvReader,
  META_TABLE,
  MillraceError,
  openLmdbReader,
  type QueryableTable,
  type QueryOptions,
  queryTable,
  readTopology,
  type TableQuery,
  type Topology,
} from '../../engine/index.ts';
import { hasState, isHostedHere, stateRoot, WHOLE_STREAM } from '../host/index.ts';

/** The committed state of a topology that runs, or ran, in another process. */
export interface OpenState {
  /** Of the topology. */
  readonly name: string;
  /** The one that answers now. */
  readonly generation: number;
  /** The ids of its tables, `<operator>/<table>`. */
  tables(): readonly string[];
  /** As `queryTable`, on the state that is current at this moment. */
  query<V, const Q extends TableQuery>(
    table: string | QueryableTable<V>,
    query: Q,
    options?: QueryOptions,
  ): AnswerTo<Q, V>;
  /** The current generation, for other readers. Ask anew each time: the one before is closed. */
  reader(): KvReader;
  close(): Promise<void>;
}

/**
 * Opens the state of a topology in a data folder for reading, beside the process that runs it or after it: nothing
 * is written, and no word goes to the pipeline. When a new generation becomes current, the next call reads that. Of
 * a topology that is given by name alone nothing is known to compare the state with.
 *
 * Throws, here and with every call that finds another generation: `no_state`; `topology_changed` where another
 * topology than the given one wrote the state; `state_schema_mismatch` where it is of a newer version, or of an older
 * one that has to be migrated by a start first.
 */
export function openState(dataDir: string, topology: Topology | string): OpenState {
  return new FollowedState(dataDir, topology);
}

interface Opened {
  readonly generation: number;
  readonly reader: KvReader;
}

class FollowedState implements OpenState {
  readonly name: string;
  readonly #dataDir: string;
  readonly #topology: Topology | undefined;
  #opened: Opened | undefined;
  #isClosed = false;

  constructor(dataDir: string, topology: Topology | string) {
    this.#dataDir = dataDir;
    this.name = typeof topology === 'string' ? topology : topology.name;
    this.#topology = typeof topology === 'string' ? undefined : topology;
    this.#current();
  }

  get generation(): number {
    return this.#current().generation;
  }

  tables(): readonly string[] {
    const reader = this.reader();
    const names = new Set(reader.tableNames());
    const nodes = reader.snapshot((table) => readTopology(table(META_TABLE))?.nodes ?? []);
    return nodes
      .flatMap(({ name, state }) => Object.keys(state).map((table) => `${name}/${table}`))
      .filter((id) => names.has(id))
      .sort();
  }

  query<V, const Q extends TableQuery>(
    table: string | QueryableTable<V>,
    query: Q,
    options: QueryOptions = {},
  ): AnswerTo<Q, V> {
    return queryTable(this.reader(), table, query, options);
  }

  reader(): KvReader {
    return this.#current().reader;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#opened?.reader.close();
    this.#opened = undefined;
  }

  /** The pointer is read each time: a file of a few bytes. */
  #current(): Opened {
    if (this.#isClosed) throw new MillraceError('state_closed', `The state of "${this.name}" was closed.`);
    const layout = existingGeneration(stateRoot(this.#dataDir), this.name);
    const before = this.#opened;
    if (before !== undefined && layout?.generation === before.generation) return before;
    const path = layout === undefined ? '' : join(layout.path, `p${WHOLE_STREAM}`);
    if (layout === undefined || !hasState(path)) throw noState(this.#dataDir, this.name);
    const reader = openLmdbReader(path, { sharedWithWriter: isHostedHere(path) });
    try {
      this.#check(reader);
    } catch (error) {
      void reader.close();
      throw error;
    }
    this.#opened = { generation: layout.generation, reader };
    // Nothing of it is in use: snapshots are synchronous.
    void before?.reader.close();
    return this.#opened;
  }

  #check(reader: KvReader): void {
    const described = this.#topology?.describe();
    if (described === undefined) return;
    const refused = reader.snapshot((table) => changesFrom(table, described))?.filter(isRefused) ?? [];
    const [first] = refused;
    if (first === undefined) return;
    const code = first.isUnreadable === true ? 'state_schema_mismatch' : 'topology_changed';
    const texts = refused.map(({ text }) => text).join(' ');
    throw new MillraceError(
      code,
      `${texts} Open the state with the topology that wrote it, of the same version of the program, or by its ` +
        `name alone: openState(dataDir, "${this.name}").`,
    );
  }
}

function noState(dataDir: string, name: string): MillraceError {
  const root = stateRoot(dataDir);
  const others = existsSync(root) ? readdirSync(root).filter((other) => other !== name) : [];
  const found =
    others.length === 0 ? '' : ` There is state of ${others.map((other) => `"${other}"`).join(', ')} there.`;
  return new MillraceError(
    'no_state',
    `There is no state of "${name}" in ${root}.${found} Give the folder that the topology runs with, and open ` +
      'it once something was committed.',
  );
}
