import type { AnyQueryKind, QueryKind } from '../engine/index.ts';

export const CHUNK_ROWS = 65_536;
export const CHUNKS_TABLE = 'bench/chunks';
export const CODES = 200;
/** Each thread is busy with one until all is done, as with those of a funnel. */
const PARTS = 2;
/** CPU time of a row: measured by this bench, see `row_ns`. */
const ROW_NS = 8;

export interface GroupQuery {
  readonly chunks: number;
  /** Says that it is too dear for the API's thread, whatever it costs. */
  readonly inThread?: boolean;
}

/** Group-by over chunks of 65,536 rows: amounts by a code of 200. */
export const groupKind: QueryKind<GroupQuery, GroupQuery, readonly number[], number> = {
  name: 'bench.group',
  schema: { parse: (input) => input as GroupQuery },
  plan: (_, query) => {
    const parts = [];
    const size = Math.ceil(query.chunks / PARTS);
    for (let first = 0; first < query.chunks; first += size) {
      const count = Math.min(size, query.chunks - first);
      const work = Array.from({ length: count }, (__, at) => first + at);
      const rows = count * CHUNK_ROWS;
      parts.push({ reads: 'immutable' as const, rows, cost_ms: (rows * ROW_NS) / 1e6, work });
    }
    const rows = query.chunks * CHUNK_ROWS;
    const least_ms = query.inThread === true ? 10 : 0;
    return {
      kind: 'bench.group',
      rows,
      bytes: rows * 12,
      chunks: query.chunks,
      cost_ms: Math.max(least_ms, (rows * ROW_NS) / 1e6),
      source: 'scan',
      explain: {},
      narrow: [],
      shared: query,
      parts,
    };
  },
  partial: ({ table }, _, chunks, cancel) => {
    const sums = new Float64Array(CODES);
    const view = table(CHUNKS_TABLE);
    for (const chunk of chunks) {
      cancel.check();
      const bytes = view.get(chunkKey(chunk));
      if (bytes === undefined) throw new Error(`no chunk ${chunk}`);
      addChunk(Uint8Array.from(bytes), sums);
    }
    return new Uint8Array(sums.buffer);
  },
  merge: (a, b) => {
    const [into, from] = [new Float64Array(a.buffer), new Float64Array(b.buffer)];
    for (let code = 0; code < CODES; code++) into[code] = (into[code] ?? 0) + (from[code] ?? 0);
    return a;
  },
  finish: (_, __, bytes) =>
    bytes === undefined ? 0 : new Float64Array(bytes.buffer).reduce((total, sum) => total + sum, 0),
};

function addChunk(bytes: Uint8Array, sums: Float64Array): void {
  const amounts = new Float64Array(bytes.buffer, 0, CHUNK_ROWS);
  const codes = new Int32Array(bytes.buffer, CHUNK_ROWS * 8, CHUNK_ROWS);
  for (let row = 0; row < CHUNK_ROWS; row++) {
    const code = codes[row] as number;
    sums[code] = (sums[code] as number) + (amounts[row] as number);
  }
}

export function chunkKey(chunk: number): Uint8Array {
  return Uint8Array.of(1, chunk >>> 8, chunk & 0xff);
}

export function queryKinds(): readonly AnyQueryKind[] {
  return [groupKind];
}
