import { endianness } from 'node:os';
import { invariant } from '../base/index.ts';

// Columns are stored as arrays of the machine, so that a scan copies them and looks at nothing.
invariant(endianness() === 'LE', 'the log is read and written on little-endian machines');

/** Rows of a chunk, at most: a row's number fits 16 bits. */
export const CHUNK_MAX_ROWS = 65_536;

/** Places of a chunk's columns; those of the schema follow, then those of the items. */
export const TIME = 0;
export const SEQUENCE = 1;
export const PART = 2;
/** Number of the row's item list, from 1; 0 is the empty one. */
export const LIST = 3;
/** Items of each list. */
export const LIST_SIZE = 4;
export const FIRST_COLUMN = 5;
