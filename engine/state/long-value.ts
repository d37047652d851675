import { CHECKSUM_BYTES } from './checksum.ts';

const PAGE_BYTES = 4_096;
/** What LMDB, as the package builds it, puts before a value of its own pages (measured: one byte more costs a page). */
const HEAD_BYTES = 24;

/** Bytes of a value that fills so many pages of LMDB, and not a byte of the next. Values above 2 KB have their own pages. */
export function longValueBytes(pages: number): number {
  return pages * PAGE_BYTES - HEAD_BYTES - CHECKSUM_BYTES;
}
