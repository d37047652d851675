import {
  type Chunk,
  type ChunkCodes,
  type ChunkHashes,
  type ChunkItems,
  type ChunkTimes,
  labelIndexed,
} from '../../engine/index.ts';
import {
  type Filters,
  filtersOf,
  SEGMENT,
  SEGMENT_COLUMN,
  type SegmentName,
  segmentText,
} from '../filters/index.ts';
import { QueryError } from '../query/index.ts';
import { HASH } from '../rows/index.ts';
import type { FamilySources } from './family.ts';

/** The customers of a segment at a time. Goes to threads without being copied: the bytes are shared. */
export interface SegmentMembers extends SegmentName {
  /** The `end` of the queries that it is for. */
  readonly end: string;
  /** Hashes of the customers, ascending, 8 bytes each: low word, high word. */
  readonly hashes: SharedArrayBuffer;
}

/** What the service puts into a query of segments, never a client. */
export interface WithSegments {
  readonly segment_members?: readonly SegmentMembers[];
}

/** Segments of one query: each is a bit of a code. */
export const MAX_SEGMENTS_A_QUERY = 16;

/** Which segments a query speaks of, in filters at any depth. */
export interface AskedSegments {
  /** Names or ids. */
  readonly names: readonly string[];
  /** Groups by segment: by those of its own filter where this names some, else by all of the tenant. */
  readonly groupsByAll: boolean;
}

/** Members of queries that list the dimensions of groups. */
const GROUPING: ReadonlySet<string> = new Set(['group_by', 'drivers']);

/** undefined: the query has nothing to do with segments. */
export function askedSegments(query: object, custom: readonly string[]): AskedSegments | undefined {
  if (custom.includes(SEGMENT)) return undefined;
  const names = new Set<string>();
  let [isAsked, isGrouped] = [false, false];
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) for (const one of value) walk(one);
    if (typeof value !== 'object' || value === null || value instanceof SharedArrayBuffer) return;
    for (const [member, inner] of Object.entries(value)) {
      if (member === 'segment_members') continue;
      if (GROUPING.has(member) && Array.isArray(inner) && inner.includes(SEGMENT)) isGrouped = true;
      if (member === 'filters' && typeof inner === 'object' && inner !== null && SEGMENT in inner) {
        isAsked = true;
        for (const name of namesIn(inner as Filters)) names.add(name);
      } else walk(inner);
    }
  };
  walk(query);
  if (!isAsked && !isGrouped) return undefined;
  const { filters } = query as { readonly filters?: Filters };
  const own =
    filters === undefined ? [] : filtersOf(filters).filter(({ dimension }) => dimension === SEGMENT);
  const isNamed = own.some(({ not, values }) => !not && [...values].some((value) => value !== ''));
  return { names: [...names], groupsByAll: isGrouped && !isNamed };
}

function namesIn(filters: Filters): string[] {
  const { [SEGMENT]: segment } = filters;
  return filtersOf({ [SEGMENT]: segment }).flatMap(({ values }) =>
    [...values].filter((value) => value !== ''),
  );
}

/**
 * The sources with the segments of the query laid over the rows: `SEGMENT_COLUMN` has a code for the segments of the
 * row's customer, whose text is `segmentText`. Throws QueryError `unknown_segment`.
 */
export function ofSegments<S extends FamilySources>(sources: S, query: object, custom: readonly string[]): S {
  const asked = askedSegments(query, custom);
  if (asked === undefined) return sources;
  const { end, segment_members = [] } = query as WithSegments & { readonly end?: string };
  const own = segment_members.filter((segment) => segment.end === end);
  for (const name of asked.names)
    if (!own.some((segment) => segment.id === name || segment.name === name)) throw unknownSegment(name);
  const column = new SegmentColumn(own);
  const { dictionary } = sources;
  return {
    ...sources,
    dictionary: {
      textOf: (code: number) => (code < 0 ? column.textOf(code) : dictionary.textOf(code)),
      find: (text: string) => dictionary.find(text),
      isFull: dictionary.isFull,
      limit: dictionary.limit,
    },
    scan: (plan, take) => sources.scan(plan, (chunk) => take(new SegmentChunk(chunk, column))),
  };
}

function unknownSegment(name: string): QueryError {
  const message = `There is no segment "${name.slice(0, 128)}". GET /segments lists those there are.`;
  return new QueryError('unknown_segment', message, [{ path: `filters.${SEGMENT}`, message }]);
}

/** Tells which segments customers are in: code −mask, bit i for the segment i. */
class SegmentColumn {
  readonly #names: readonly SegmentName[];
  readonly #sets: readonly Uint32Array[];

  constructor(segments: readonly SegmentMembers[]) {
    if (segments.length > MAX_SEGMENTS_A_QUERY) throw new RangeError('more segments than bits');
    this.#names = segments;
    this.#sets = segments.map(({ hashes }) => new Uint32Array(hashes));
  }

  textOf(code: number): string {
    return segmentText(this.#names.filter((_, bit) => ((-code >>> bit) & 1) === 1));
  }

  codes(chunk: Chunk): ChunkCodes {
    const { index, hi, lo } = chunk.hash(HASH.customer);
    const places = new Map<number, number>();
    const local = new Uint32Array(hi.length);
    for (let at = 0; at < hi.length; at++) {
      const code = -this.#maskOf((hi[at] as number) >>> 0, (lo[at] as number) >>> 0);
      let place = places.get(code);
      if (place === undefined) {
        place = places.size;
        places.set(code, place);
      }
      local[at] = place;
    }
    const values = Int32Array.from(places.keys());
    if (index === null || values.length === 1) return { index: null, values };
    const rows = new Uint32Array(chunk.rows);
    for (let row = 0; row < rows.length; row++) rows[row] = local[index[row] as number] as number;
    return { index: rows, values };
  }

  #maskOf(hi: number, lo: number): number {
    let mask = 0;
    if ((hi | lo) === 0) return mask;
    for (const [bit, words] of this.#sets.entries()) if (hasHash(words, hi, lo)) mask |= 1 << bit;
    return mask;
  }
}

/** Whether ascending pairs of words, the low one first, have a hash. */
function hasHash(words: Uint32Array, hi: number, lo: number): boolean {
  let [low, high] = [0, words.length / 2];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const own = words[2 * middle + 1] as number;
    if (own < hi || (own === hi && (words[2 * middle] as number) < lo)) low = middle + 1;
    else high = middle;
  }
  return words[2 * low + 1] === hi && words[2 * low] === lo;
}

/** A chunk with one column more. */
class SegmentChunk implements Chunk {
  readonly #chunk: Chunk;
  readonly #column: SegmentColumn;
  #codes: ChunkCodes | undefined;

  constructor(chunk: Chunk, column: SegmentColumn) {
    this.#chunk = chunk;
    this.#column = column;
  }

  get rows(): number {
    return this.#chunk.rows;
  }
  get isWhole(): boolean {
    return this.#chunk.isWhole;
  }
  get min_ms(): number {
    return this.#chunk.min_ms;
  }
  get max_ms(): number {
    return this.#chunk.max_ms;
  }
  get min_sequence(): number {
    return this.#chunk.min_sequence;
  }
  get max_sequence(): number {
    return this.#chunk.max_sequence;
  }
  get hasItems(): boolean {
    return this.#chunk.hasItems;
  }
  time_ms(): Float64Array {
    return this.#chunk.time_ms();
  }
  times(): ChunkTimes {
    return this.#chunk.times();
  }
  sequence(): Float64Array {
    return this.#chunk.sequence();
  }
  part(): Int32Array {
    return this.#chunk.part();
  }
  code(column: number): ChunkCodes {
    if (column !== SEGMENT_COLUMN) return this.#chunk.code(column);
    this.#codes ??= this.#column.codes(this.#chunk);
    return this.#codes;
  }
  select(column: number, accepts: (code: number) => boolean, rows: Uint32Array): number {
    if (column !== SEGMENT_COLUMN) return this.#chunk.select(column, accepts, rows);
    const { index, values } = this.code(column);
    const accepted = Uint8Array.from(values, (code) => (accepts(code) ? 1 : 0));
    let count = 0;
    for (let row = 0; row < this.rows; row++) {
      rows[count] = row;
      count += accepted[index === null ? 0 : (index[row] as number)] as number;
    }
    return count;
  }
  label(column: number, labelOf: (code: number) => number, target: Uint8Array): boolean {
    if (column !== SEGMENT_COLUMN) return this.#chunk.label(column, labelOf, target);
    return labelIndexed(this.code(column), this.rows, labelOf, target);
  }
  hash(column: number): ChunkHashes {
    return this.#chunk.hash(column);
  }
  number(column: number): Float64Array {
    return this.#chunk.number(column);
  }
  items(): ChunkItems {
    return this.#chunk.items();
  }
}
