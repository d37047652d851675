import {
  ByteReader,
  changesFrom,
  type KvReader,
  type KvView,
  META_TABLE,
  OUTBOX_TABLE,
  type Progress,
  type RawSpec,
  readProgress,
  schemaKey,
  type Topology,
} from '../../engine/index.ts';
import { decodeRow, shapesOf, type TableShape } from './rows.ts';

export interface VerifyReport {
  readonly tables: readonly { readonly table: string; readonly rows: number }[];
  /** Sentences; empty when the state is sound. */
  readonly problems: readonly string[];
}

/** Broken rows of one table that are named one by one. */
const MAX_NAMED_ROWS = 5;

/** Reads one committed state as a whole: every row through its codec, and what ties tables together. */
export function verifyState(reader: KvReader, topology: Topology): VerifyReport {
  const names = reader.tableNames();
  const shapeOf = shapesOf(topology);
  return reader.snapshot((table) => {
    const meta = table(META_TABLE);
    const read = names.map((name) => ({ table: name, ...readTable(name, shapeOf(name), table(name)) }));
    return {
      tables: read.map(({ table: name, rows }) => ({ table: name, rows })),
      problems: [
        ...named('The position', () => progressProblems(readProgress(meta), table(OUTBOX_TABLE))),
        ...named('The topology', () => topologyProblems(table, topology)),
        ...named('The versions', () => versionProblems(meta, topology, names)),
        ...read.flatMap(({ problems }) => problems),
        ...contentProblems(table, topology, names),
      ],
    };
  });
}

/** What a check finds, or why it could not be made. */
function named(what: string, check: () => readonly string[]): readonly string[] {
  try {
    return check();
  } catch (error) {
    return [`${what}: ${messageOf(error)}`];
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function readTable(name: string, shape: TableShape, view: KvView): { rows: number; problems: string[] } {
  const problems: string[] = [];
  let rows = 0;
  let broken = 0;
  let last: Uint8Array | undefined;
  if (shape.kind === 'unknown') problems.push(`Table ${name} has no reader in the topology.`);
  try {
    for (const entry of view.scan()) {
      rows++;
      if (last !== undefined && Buffer.compare(last, entry.key) >= 0) {
        problems.push(`Table ${name} is not in key order at row ${rows}.`);
      }
      last = Uint8Array.from(entry.key);
      try {
        decodeRow(shape, entry);
      } catch (error) {
        if (++broken <= MAX_NAMED_ROWS) {
          problems.push(`Table ${name}, key ${Buffer.from(entry.key).toString('hex')}: ${messageOf(error)}.`);
        }
      }
    }
  } catch (error) {
    // A row that is not what was written ends the reading of its table.
    problems.push(`Table ${name}, after ${rows} rows: ${messageOf(error)}`);
  }
  if (broken > MAX_NAMED_ROWS) problems.push(`Table ${name}: ${broken} rows in all cannot be read.`);
  return { rows, problems };
}

/** What tables find wrong with themselves: a row may be readable and not be what its neighbours say. */
function contentProblems(
  table: (name: string) => KvView,
  topology: Topology,
  names: readonly string[],
): string[] {
  return topology.tables().flatMap(({ id, spec }) => {
    const { verify } = spec as RawSpec;
    if (verify === undefined || !names.includes(id)) return [];
    const operator = id.slice(0, id.indexOf('/'));
    try {
      verify(table(id), (name) => table(name.includes('/') ? name : `${operator}/${name}`));
      return [];
    } catch (error) {
      return [`Table ${id}: ${messageOf(error)}`];
    }
  });
}

function progressProblems(progress: Progress | undefined, outbox: KvView): string[] {
  if (progress === undefined) return ['There is no position: nothing was ever committed.'];
  const problems: string[] = [];
  const require = (holds: boolean, what: string): void => {
    if (!holds) problems.push(what);
  };
  const { commit, sequence, head, watermark_ms, committed_at_ms, outbox_next } = progress;
  const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
  require(isCount(commit) && commit > 0, `The commit number is ${commit}.`);
  require(isCount(sequence), `The position is ${sequence}.`);
  require(head >= sequence, `The position ${sequence} is beyond the stream's end ${head} at that time.`);
  require(watermark_ms === null || Number.isFinite(watermark_ms), `The watermark is ${watermark_ms}.`);
  require(Number.isFinite(committed_at_ms), `The time of the commit is ${committed_at_ms}.`);
  for (const { key } of outbox.scan({ reverse: true, limit: 1 })) {
    const row = new ByteReader(key).u48();
    require(row < outbox_next, `The outbox has row ${row}, though the next one would be ${outbox_next}.`);
  }
  return problems;
}

function topologyProblems(table: (name: string) => KvView, topology: Topology): string[] {
  return (changesFrom(table, topology.describe()) ?? [])
    .filter(({ losesState }) => losesState)
    .map(({ text }) => text);
}

function versionProblems(meta: KvView, topology: Topology, names: readonly string[]): string[] {
  return topology.tables().flatMap(({ id, spec }) => {
    if (!names.includes(id)) return [];
    const stored = meta.get(schemaKey(id));
    if (stored === undefined) return [`Table ${id} has no schema version.`];
    const version = new ByteReader(stored).varint();
    return version === spec.version
      ? []
      : [`Table ${id} has schema version ${version}, not ${spec.version}.`];
  });
}
