import { z } from 'zod';
import { MillraceError } from '../../engine/index.ts';

/** Digits of a sequence in a name, so that names lie in the order of sequences. */
const SEQUENCE_DIGITS = 16;
const MANIFESTS = 'manifests/';
const NAME = /^manifests\/(\d{16})-(\d{16})\.json$/;
export const MANIFEST_VERSION = 1;

const fileSchema = z.object({
  /** Below the archive's folder. */
  name: z.string(),
  tenant: z.string(),
  /** UTC day of the events in it. */
  day: z.string(),
  rows: z.int(),
  bytes: z.int(),
  sha256: z.string(),
  /** Sequences of its first and last row. */
  first: z.int(),
  last: z.int(),
});
export type ArchivedFile = z.infer<typeof fileSchema>;

const manifestSchema = z.object({
  version: z.literal(MANIFEST_VERSION),
  stream: z.string(),
  /** Of the stream: its sequences mean nothing in another one. */
  incarnation: z.string(),
  /** Sequences, inclusive: every message that the stream had of them is in the files. */
  from: z.int(),
  to: z.int(),
  messages: z.int(),
  rows: z.int(),
  /** Times of storing of the first and the last message, ms. */
  stored_from_ms: z.number(),
  stored_to_ms: z.number(),
  written_at: z.string(),
  /** Sequences whose message is not as it was stored: something of it was erased. */
  erased: z.array(z.int()),
  files: z.array(fileSchema),
});
export type SegmentManifest = z.infer<typeof manifestSchema>;

/** A segment of the archive, by the sequences that it covers. */
export interface SegmentRef {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

const pad = (sequence: number): string => String(sequence).padStart(SEQUENCE_DIGITS, '0');

export const spanName = (from: number, to: number): string => `${pad(from)}-${pad(to)}`;

export const manifestName = (from: number, to: number): string => `${MANIFESTS}${spanName(from, to)}.json`;

/**
 * Of the names in the folder of manifests those that are some, in the order of their sequences. Throws
 * `archive_damaged` where two of them cover the same sequences.
 */
export function segmentRefs(names: readonly string[]): SegmentRef[] {
  const refs = names
    .flatMap((name) => {
      const match = NAME.exec(name);
      return match === null ? [] : [{ name, from: Number(match[1]), to: Number(match[2]) }];
    })
    .sort((a, b) => a.from - b.from || a.to - b.to);
  for (const [at, ref] of refs.entries()) {
    const before = refs[at - 1];
    if (before !== undefined && ref.from <= before.to)
      throw damaged(ref.name, `it covers sequences of ${before.name} again; keep one of them with its files`);
  }
  return refs;
}

export const MANIFEST_PREFIX = MANIFESTS;

export function readManifest(ref: Pick<SegmentRef, 'name'>, bytes: Uint8Array | undefined): SegmentManifest {
  if (bytes !== undefined) {
    try {
      return manifestSchema.parse(JSON.parse(Buffer.from(bytes).toString()));
    } catch (error) {
      throw damaged(ref.name, 'it cannot be read', error);
    }
  }
  throw damaged(ref.name, 'it is gone');
}

export const damaged = (name: string, why: string, cause?: unknown): MillraceError =>
  new MillraceError(
    'archive_damaged',
    `The archive's file ${name} is not as it was written: ${why}. Restore it from a copy.`,
    { cause },
  );
