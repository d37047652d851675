import { createHash } from 'node:crypto';
import { ByteReader, ByteWriter } from '../base/index.ts';
import { CONTROL_TABLE, listApplied } from '../control/index.ts';
import type { Topology } from '../graph/index.ts';
import {
  expiryOf,
  type KvReader,
  type KvView,
  type MapSpec,
  type RawSpec,
  type TableSpecs,
  TTL_PREFIX_BYTES,
} from '../state/index.ts';
import { META_TABLE, readProgress } from './meta.ts';

/**
 * What a state says, as hashes in hex: equal for equal sets of events, whatever order, batches and restarts they came
 * in.
 */
export interface StateDigest {
  /** SHA-256 over all tables. */
  readonly digest: string;
  readonly tables: Readonly<Record<string, { readonly rows: number; readonly digest: string }>>;
}

/**
 * Hashes the logical content of a state: what the set of events determines. Two states with one digest
 * answer every query alike, whatever the order, duplicates and crashes on the way. Positions, commit
 * numbers and the counters of duplicates and late events are the way, not the content, and stay out.
 */
export function stateDigest(topology: Topology, reader: KvReader): StateDigest {
  return reader.snapshot((table) => {
    const watermark_ms = readProgress(table(META_TABLE))?.watermark_ms ?? 0;
    const whole = createHash('sha256');
    const tables: Record<string, { rows: number; digest: string }> = {};
    for (const { id, spec } of topology.tables().sort((a, b) => (a.id < b.id ? -1 : 1))) {
      const hash = createHash('sha256');
      let rows = 0;
      for (const row of logicalRows(spec, id, table, watermark_ms)) {
        hash.update(`${row.length}:`).update(row);
        rows++;
      }
      const digest = hash.digest('hex');
      tables[id] = { rows, digest };
      whole.update(`${id}=${digest};`);
    }
    const control = controlDigest(table(CONTROL_TABLE));
    if (control !== undefined) {
      tables[CONTROL_TABLE] = control;
      whole.update(`${CONTROL_TABLE}=${control.digest};`);
    }
    return { digest: whole.digest('hex'), tables };
  });
}

/** A state, and the topology that wrote it: of a partitioned one, a stage. */
export interface StatePart {
  readonly topology: Topology;
  readonly reader: KvReader;
}

/**
 * The same over several states together, of the partitions and stages of a topology: by table, over the rows of all of
 * them in the order of their bytes. So it is that of one task which ran all of the topology.
 */
export function jointDigest(parts: readonly StatePart[]): StateDigest {
  const rowsOf = new Map<string, Buffer[]>();
  for (const { topology, reader } of parts) {
    reader.snapshot((table) => {
      const watermark_ms = readProgress(table(META_TABLE))?.watermark_ms ?? 0;
      for (const { id, spec } of topology.tables()) {
        const rows = rowsOf.get(id) ?? [];
        rowsOf.set(id, rows);
        for (const row of logicalRows(spec, id, table, watermark_ms)) rows.push(Buffer.from(row));
      }
    });
  }
  const whole = createHash('sha256');
  const tables: Record<string, { rows: number; digest: string }> = {};
  for (const id of [...rowsOf.keys()].sort()) {
    const rows = rowsOf.get(id) ?? [];
    // Of a table that only says how the state came about nothing counts, and one task has none of it.
    if (rows.length === 0) continue;
    const hash = createHash('sha256');
    for (const row of rows.sort(Buffer.compare)) hash.update(`${row.length}:`).update(row);
    const digest = hash.digest('hex');
    tables[id] = { rows: rows.length, digest };
    whole.update(`${id}=${digest};`);
  }
  return { digest: whole.digest('hex'), tables };
}

/** The definitions that a state is of, without their revisions; undefined where there are none. */
function controlDigest(view: KvView): { rows: number; digest: string } | undefined {
  const applied = listApplied(view);
  if (applied.length === 0) return undefined;
  const hash = createHash('sha256');
  for (const { kind, scope, id, text } of applied) hash.update(JSON.stringify([kind, scope, id, text]));
  return { rows: applied.length, digest: hash.digest('hex') };
}

function* logicalRows(
  spec: TableSpecs[string] | undefined,
  id: string,
  table: (name: string) => KvView,
  watermark_ms: number,
): Iterable<Uint8Array> {
  const view = table(id);
  const { logicalRows: rows } = spec as RawSpec | MapSpec<string, unknown>;
  if (rows !== undefined) {
    const operator = id.slice(0, id.indexOf('/'));
    yield* rows(view, watermark_ms, (name) => table(name.includes('/') ? name : `${operator}/${name}`));
    return;
  }
  const { ttl, logical, value: codec } = spec as MapSpec<string, unknown>;
  const writer = new ByteWriter();
  for (const { key, value } of view.scan()) {
    // Forgotten rows are gone for every reader; when the sweep comes past is a matter of the way.
    if (ttl !== undefined && expiryOf(value, ttl) < watermark_ms) continue;
    let content = ttl === undefined ? value : value.subarray(TTL_PREFIX_BYTES);
    if (logical !== undefined) {
      codec.write(writer.reset(), logical(codec.read(new ByteReader(content))));
      content = writer.view();
    }
    yield Buffer.concat([key, Uint8Array.of(0), content]);
  }
}
