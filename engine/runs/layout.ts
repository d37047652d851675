import { ByteReader, ByteWriter, MillraceError } from '../base/index.ts';
import type { KvView } from '../state/index.ts';

/** Rows of a filter have so many bytes at most. */
export const FILTER_PAGE_BYTES = 1 << 20;
const FORMAT = 1;
const MANIFEST_KEY = Uint8Array.of(0);
const BLOCK = 1;
const FENCES = 2;
const FILTER = 3;

/** One run as the manifest has it. A run of one block has neither fences nor filter stored. */
export interface RunMeta {
  /** Never used again: what is known of a number stays true. */
  readonly number: number;
  /** With tombstones. */
  readonly records: number;
  readonly tombstones: number;
  readonly bytes: number;
  readonly blocks: number;
  readonly filterPages: number;
}

/** A run whose rows are being removed, or were left behind by a merge that a restart cut short. */
export interface Leftover {
  readonly number: number;
  readonly blocks: number;
  readonly filterPages: number;
  /** Rows that are gone. */
  removed: number;
}

export interface Manifest {
  /** The number of the next run. */
  readonly next: number;
  /** Of the runs' bytes, about so many are of records that a newer run has, and of tombstones. */
  readonly superseded_bytes: number;
  /** Newest first. */
  readonly runs: readonly RunMeta[];
  /** Outputs of merges under way: how many blocks of each are written. */
  readonly building: readonly { readonly number: number; readonly blocks: number }[];
  readonly leftovers: readonly Leftover[];
}

export const EMPTY_MANIFEST: Manifest = {
  next: 0,
  superseded_bytes: 0,
  runs: [],
  building: [],
  leftovers: [],
};

const writer = new ByteWriter();

/** Valid until the next key; stores copy it. */
export function blockKey(run: number, block: number): Uint8Array {
  return writer.reset().u8(BLOCK).u32(run).u32(block).view();
}

export function fencesKey(run: number): Uint8Array {
  return writer.reset().u8(FENCES).u32(run).view();
}

export function filterKey(run: number, page: number): Uint8Array {
  return writer.reset().u8(FILTER).u32(run).u32(page).view();
}

/** Rows of a run, so that they can be gone through: blocks, fences, filter pages. */
export function rowsOf({ blocks, filterPages }: { blocks: number; filterPages: number }): number {
  return blocks + 1 + filterPages;
}

export function rowKey({ number, blocks }: { number: number; blocks: number }, row: number): Uint8Array {
  if (row < blocks) return blockKey(number, row);
  return row === blocks ? fencesKey(number) : filterKey(number, row - blocks - 1);
}

export const manifestKey = MANIFEST_KEY;

export function manifestBytes({ next, superseded_bytes, runs, building, leftovers }: Manifest): Uint8Array {
  const out = new ByteWriter().varint(FORMAT).varint(next).varint(superseded_bytes).varint(runs.length);
  for (const { number, records, tombstones, bytes, blocks, filterPages } of runs)
    out.varint(number).varint(records).varint(tombstones).varint(bytes).varint(blocks).varint(filterPages);
  out.varint(building.length);
  for (const { number, blocks } of building) out.varint(number).varint(blocks);
  out.varint(leftovers.length);
  for (const { number, blocks, filterPages, removed } of leftovers)
    out.varint(number).varint(blocks).varint(filterPages).varint(removed);
  return out.view();
}

/** Throws `runs_format` for a manifest of another version. */
export function readManifest(table: KvView): Manifest {
  const bytes = table.get(MANIFEST_KEY);
  if (bytes === undefined) return EMPTY_MANIFEST;
  const reader = new ByteReader(bytes);
  const format = reader.varint();
  if (format !== FORMAT) {
    throw new MillraceError(
      'runs_format',
      `The records were written in format ${format}, and this program reads ${FORMAT}. Run the version that wrote them, or rebuild the state from the stream.`,
    );
  }
  const list = <T>(read: () => T): T[] => Array.from({ length: reader.varint() }, read);
  const next = reader.varint();
  const superseded_bytes = reader.varint();
  const runs = list(() => ({
    number: reader.varint(),
    records: reader.varint(),
    tombstones: reader.varint(),
    bytes: reader.varint(),
    blocks: reader.varint(),
    filterPages: reader.varint(),
  }));
  const building = list(() => ({ number: reader.varint(), blocks: reader.varint() }));
  const leftovers = list(() => ({
    number: reader.varint(),
    blocks: reader.varint(),
    filterPages: reader.varint(),
    removed: reader.varint(),
  }));
  return { next, superseded_bytes, runs, building, leftovers };
}
