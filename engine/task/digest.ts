import { createHash } from 'node:crypto';
import { ByteReader, ByteWriter } from '../base/index.ts';
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
    return { digest: whole.digest('hex'), tables };
  });
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
    yield* rows(view, watermark_ms, (name) => table(`${operator}/${name}`));
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
