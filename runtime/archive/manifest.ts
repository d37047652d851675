import { z } from 'zod';
import { MillraceError } from '../../engine/index.ts';

/** Digits of a sequence in a name, so that names lie in the order of sequences. */
const SEQUENCE_DIGITS = 16;
const MANIFESTS = 'manifests/';
const NAME = /^manifests\/(\d{16})-(\d{16})(?:-(\d+)\.(\d+))?\.json$/;
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

/** Which write of which owner of the archive a name is of; names of versions without owners have none. */
export interface WriteId {
  /** Of the owner: each has one more than the one before it. */
  readonly epoch: number;
  /** Of the owner's writes, this one. */
  readonly write: number;
}

/** A segment of the archive, by the sequences that it covers. */
export interface SegmentRef {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

const pad = (sequence: number): string => String(sequence).padStart(SEQUENCE_DIGITS, '0');

export const spanName = (from: number, to: number): string => `${pad(from)}-${pad(to)}`;

/** What `spanName` is in the name of a manifest. */
export const spanOf = (name: string): string => /\d+-\d+/.exec(name)?.[0] ?? '';

/** Ends the names of what a write makes: no other write has it, of whatever process. */
export const writeSuffix = ({ epoch, write }: WriteId): string => `-${epoch}.${write}`;

export const manifestName = (from: number, to: number, id: WriteId): string =>
  `${MANIFESTS}${spanName(from, to)}${writeSuffix(id)}.json`;

/** What the owner of an epoch found when it began: manifests of owners before it that it does not name do not count. */
const fenceSchema = z.object({ epoch: z.int(), manifests: z.array(z.string()) });
export type Fence = z.infer<typeof fenceSchema>;

const FENCE = /^manifests\/fence-(\d{16})\.json$/;

export const fenceName = (epoch: number): string => `${MANIFESTS}fence-${pad(epoch)}.json`;

/** Names the files of a segment that an owner is writing or replacing. */
export const pendingName = (epoch: number): string => `${MANIFESTS}pending-${pad(epoch)}.json`;

export const isPending = (name: string): boolean => name.startsWith(`${MANIFESTS}pending-`);

/** Of the names in the folder of manifests those that are fences, the one that holds last. */
export const fencesOf = (names: readonly string[]): readonly string[] =>
  names.filter((name) => FENCE.test(name)).sort();

export function readFence(name: string, bytes: Uint8Array | undefined): Fence {
  if (bytes === undefined) throw damaged(name, 'it is gone');
  try {
    return fenceSchema.parse(JSON.parse(Buffer.from(bytes).toString()));
  } catch (error) {
    throw damaged(name, 'it cannot be read', error);
  }
}

/** The manifests of a folder. */
export interface Segments {
  /** Those that count, in the order of their sequences. */
  readonly refs: readonly NamedRef[];
  /** Those that do not: of owners that had lost the archive, or replaced. */
  readonly stale: readonly NamedRef[];
}

/**
 * Of the names in the folder of manifests those that are some. Of an owner that was replaced while it stood still only
 * those count that the fence names; of several of the same sequences the last one. One of a version without owners
 * counts as well where it has sequences that no other one has: that version may have written on behind the fence, and
 * the stream has them no more. Throws `archive_damaged` where two cover some sequences twice.
 */
export function segmentsOf(names: readonly string[], fence: Fence | undefined): Segments {
  const named = new Set(fence?.manifests);
  const all = names.flatMap((name) => {
    const ref = refOf(name);
    return ref === undefined ? [] : [ref];
  });
  const counts = ({ name, id }: NamedRef): boolean =>
    fence === undefined || id.epoch === fence.epoch || named.has(name);
  const counted = all.filter(counts).sort(byPlace);
  const refs: NamedRef[] = [];
  for (const ref of all.filter((one) => counts(one) || isNeeded(one, counted)).sort(byPlace)) {
    const before = refs.at(-1);
    if (before?.from === ref.from && before.to === ref.to) refs.pop();
    else if (before !== undefined && ref.from <= before.to)
      throw damaged(ref.name, `it covers sequences of ${before.name} again; keep one of them with its files`);
    refs.push(ref);
  }
  return { refs, stale: all.filter((ref) => !refs.includes(ref)) };
}

export type NamedRef = SegmentRef & { readonly id: WriteId };

/** Whether a name is of a version without owners. */
export const isWithoutOwner = ({ id }: NamedRef): boolean => id.epoch === 0;

/** Of a version without owners, with sequences that none of `counted` has: they lie in order. */
function isNeeded(ref: NamedRef, counted: readonly NamedRef[]): boolean {
  if (!isWithoutOwner(ref)) return false;
  let next = ref.from;
  for (const { from, to } of counted) if (from <= next && to >= next) next = to + 1;
  return next <= ref.to;
}

const byPlace = (a: NamedRef, b: NamedRef): number =>
  a.from - b.from || a.to - b.to || a.id.epoch - b.id.epoch || a.id.write - b.id.write;

function refOf(name: string): NamedRef | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  const [, from, to, epoch = 0, write = 0] = match;
  return { name, from: Number(from), to: Number(to), id: { epoch: Number(epoch), write: Number(write) } };
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
