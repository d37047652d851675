import { type Members, own } from './cloud-event.ts';
import { T, typeCode } from './event-types.ts';
import { eventCode, hashId } from './identity.ts';

/** Ids that one `event.retracted` names at most. */
export const RETRACTED_IDS_MAX = 100;
const MAX_ID_CHARS = 128;
const RETRACTED = 'event.retracted';

/** An event that is named by its id. */
export interface AmendTarget {
  /** Words of the id's hash, as `EventBatch` has them. */
  readonly id0: number;
  readonly id1: number;
  readonly id2: number;
  /** Its column `event`. */
  readonly event: number;
  /** UTF-8. */
  readonly id: Uint8Array;
  /** Set by dedup: it was not known before an event that erases it. */
  isNew?: boolean;
}

/** An event of a batch that says something of earlier ones. */
export interface Amendment {
  /** Of the event in the batch. */
  readonly row: number;
  /** It stands in the place of its one target; else it takes its targets back. */
  readonly supersedes: boolean;
  /** It supersedes an event whose message is erased: what it was is not kept, and it counts as known. */
  readonly erases: boolean;
  /** It only says that an event was there, and never counts. */
  readonly isGone: boolean;
  /** Of a correction whose message was erased: the hash of what it said, by which it is known and ranks. */
  readonly erased_payload: number | undefined;
  /** Where the message of an event was erased that was no correction: the hash of what that said. */
  readonly first_payload: number | undefined;
  /** Of several corrections of one event the one with the highest version holds. */
  readonly version: number;
  /** UTF-8 of its own id. */
  readonly id: Uint8Array;
  readonly targets: readonly AmendTarget[];
}

type AmendMembers = Members & { readonly type?: unknown };

const encoder = new TextEncoder();
const words = new Uint32Array(4);

/** Whether the members of an event say that it corrects others. */
export function isAmendment(members: AmendMembers): boolean {
  if (own(members, 'supersedes') === true) return true;
  const type = own(members, 'type');
  return typeof type === 'string' && typeCode(type) === T[RETRACTED];
}

/**
 * Whether it stands in the place of an event that was erased, or moved by an erasure: that one was accepted, and what a
 * rule asks for in `data` may be gone. Anybody can say so of an event: it excuses from rules of custom fields alone.
 */
export function isOfErasure(members: Members): boolean {
  const erased = own(members, 'erased');
  // In the archive it stays where it was, and supersedes nothing.
  if (erased === 'archived') return true;
  return own(members, 'supersedes') === true && (erased === true || erased === 'gone');
}

/**
 * The hash of what an event said that is no correction and of which something was erased: what is left of it is the same
 * one to whoever knows it. undefined where nothing was.
 */
export function payloadBeforeErasure(members: Members, amendment: Amendment | undefined): number | undefined {
  if (amendment !== undefined) return amendment.supersedes ? undefined : amendment.erased_payload;
  return own(members, 'erased') === 'archived' ? hashIn(members, 'first_payload') : undefined;
}

/** What is wrong with a correction; undefined where nothing is. */
export function amendmentProblem(
  members: AmendMembers,
): { readonly path: string; readonly message: string } | undefined {
  if (!isAmendment(members)) return undefined;
  const type = typeCode(String(own(members, 'type')));
  const version = own(members, 'version');
  if (version != null && !(typeof version === 'number' && Number.isSafeInteger(version) && version >= 0))
    return { path: 'version', message: 'of a correction must be an integer from 0 on' };
  if (type !== T[RETRACTED]) return undefined;
  if (own(members, 'supersedes') === true)
    return { path: 'supersedes', message: 'a retraction is corrected by a retraction that names it' };
  const ids = retractedIds(members);
  if (ids.length > 0 && ids.length <= RETRACTED_IDS_MAX && ids.every(isId)) return undefined;
  return {
    path: 'retracts',
    message: `must be the event_id, or a list of 1 to ${RETRACTED_IDS_MAX} of them`,
  };
}

/** Of an event without a problem; its row is `row`, `seed` its tenant's. */
export function amendmentOf(members: Members, row: number, seed: number): Amendment | undefined {
  if (!isAmendment(members)) return undefined;
  const supersedes = own(members, 'supersedes') === true;
  const own_id = String(own(members, 'event_id'));
  const ids = supersedes ? [own_id] : [...new Set(retractedIds(members) as readonly string[])];
  const version = own(members, 'version');
  return {
    row,
    supersedes,
    ...erasureOf(members, supersedes),
    version: typeof version === 'number' ? version : 1,
    id: encoder.encode(own_id),
    targets: ids.map((id) => targetOf(id, seed)),
  };
}

function erasureOf(
  members: Members,
  supersedes: boolean,
): Pick<Amendment, 'erases' | 'isGone' | 'erased_payload' | 'first_payload'> {
  const erased = supersedes ? own(members, 'erased') : undefined;
  const isGone = erased === 'gone';
  return {
    erases: erased === true || isGone,
    isGone,
    erased_payload: hashIn(members, 'erased_payload'),
    first_payload: hashIn(members, 'first_payload'),
  };
}

function hashIn(members: Members, name: string): number | undefined {
  const value = own(members, name);
  return typeof value === 'number' && Number.isSafeInteger(value) ? value | 0 : undefined;
}

function targetOf(id: string, seed: number): AmendTarget {
  hashId(id, seed, words);
  const [id0, id1, id2] = [(words[0] as number) | 0, (words[1] as number) | 0, (words[2] as number) | 0];
  return { id0, id1, id2, event: eventCode(id0), id: encoder.encode(id) };
}

function retractedIds(members: Members): readonly unknown[] {
  const data = own(members, 'data');
  const inData = typeof data === 'object' && data !== null ? own(data as Members, 'retracts') : undefined;
  const value = own(members, 'retracts') ?? inData;
  return Array.isArray(value) ? value : value == null ? [] : [value];
}

function isId(value: unknown): boolean {
  return typeof value === 'string' && value.length > 0 && value.length <= MAX_ID_CHARS;
}
