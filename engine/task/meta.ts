import { ByteWriter, MillraceError, type StoredEventTime } from '../base/index.ts';
import { GAP_CHOICE, type StreamFacts, StreamGapError, type StreamMark } from '../edges/index.ts';
import type { Notice } from '../graph/index.ts';
import { type KvStore, type KvTable, type KvView, prefixEnd } from '../state/index.ts';
import type { ControlPosition } from './control-state.ts';
import type { LogTime } from './log-order.ts';

/** The name of the engine's own table, beside those of the operators. */
export const META_TABLE = 'meta';

/** How far one source has been applied. */
export interface InputPosition {
  readonly stream: string;
  readonly incarnation: string;
  readonly partition: string;
  /** Last applied stream sequence. */
  readonly sequence: number;
  /** The newest sequence that the source knew of when it committed. */
  readonly head: number;
  /** Of the message at the position and of some before it, the newest last; absent where the source knows none. */
  readonly marks?: readonly StreamMark[];
  /** Of a partition: how the stream divided keys when it was read. */
  readonly layout?: string;
  /** Nothing was read up to `sequence`: it is where the stream began when the source was opened. */
  readonly isUnread?: true;
}

/** What each commit says of itself, in the same transaction as the state; the position is the first source's. */
export interface Progress extends StoredEventTime, InputPosition {
  readonly commit: number;
  readonly committed_at_ms: number;
  /** Of the other sources, by node. */
  readonly others?: Readonly<Record<string, InputPosition>>;
  /** The definitions that the state is of; absent where a task was given none. */
  readonly control?: ControlPosition;
  /** Of an ordered task. */
  readonly log?: LogTime;
  /** The outbox's next row number. */
  readonly outbox_next: number;
  readonly notices: NoticeCounts;
}

const encode = (name: string): Uint8Array =>
  new ByteWriter().orderedString('engine').orderedString(name).copy();
const PROGRESS_KEY = encode('progress');

function readJson(view: KvView, key: Uint8Array): unknown {
  const bytes = view.get(key);
  return bytes === undefined ? undefined : JSON.parse(Buffer.from(bytes).toString('utf8'));
}

function writeJson(table: KvTable, key: Uint8Array, value: unknown): void {
  table.put(key, Buffer.from(JSON.stringify(value)));
}

export function readProgress(meta: KvView): Progress | undefined {
  return readJson(meta, PROGRESS_KEY) as Progress | undefined;
}

export function writeProgress(meta: KvTable, progress: Progress): void {
  writeJson(meta, PROGRESS_KEY, progress);
}

/** Two tasks on one state would each undo the other's work: the second to commit stops. */
export function requireSoleWriter(store: KvStore, commit: number): void {
  const committed = readProgress(store.table(META_TABLE))?.commit ?? 0;
  if (committed === commit) return;
  throw new MillraceError(
    'state_has_another_writer',
    `The state is at commit ${committed}, this task at ${commit}: another process writes to the ` +
      'same state folder. Stop one of them, or give each its own DATA_DIR.',
  );
}

/** How many notices of each scope and kind can be read back; the counters count all. */
export const NOTICES_PER_KIND = 1_000;

/** Uncommitted notices before those that were overwritten are let go. */
const THIN_AT = 8 * NOTICES_PER_KIND;

/** Counters by scope (tenant) and kind, e.g. `{default: {late: 2}}`. */
export type NoticeCounts = Readonly<Record<string, Readonly<Record<string, number>>>>;

interface Slotted {
  readonly slot: number;
  readonly notice: Notice;
}

/** Counts notices and keeps the newest of each kind, written with the commit that they belong to. */
export class NoticeBoard {
  readonly #counts = new Map<string, Map<string, number>>();
  #fresh: Slotted[] = [];
  #thinAt = THIN_AT;

  constructor(stored: NoticeCounts) {
    for (const [scope, kinds] of Object.entries(stored)) {
      this.#counts.set(scope, new Map(Object.entries(kinds)));
    }
  }

  add(notice: Notice): void {
    let kinds = this.#counts.get(notice.scope);
    if (kinds === undefined) {
      kinds = new Map();
      this.#counts.set(notice.scope, kinds);
    }
    const count = kinds.get(notice.kind) ?? 0;
    kinds.set(notice.kind, count + 1);
    this.#fresh.push({ slot: count % NOTICES_PER_KIND, notice });
    // A flood between two commits overwrites its own slots: only the newest can matter.
    if (this.#fresh.length >= this.#thinAt) {
      this.#fresh = this.#newest();
      // With many scopes and kinds most of them stay: twice as many before the next look keeps it linear.
      this.#thinAt = Math.max(THIN_AT, 2 * this.#fresh.length);
    }
  }

  #newest(): Slotted[] {
    const bySlot = new Map(
      this.#fresh.map((entry) => [`${entry.notice.scope}\0${entry.notice.kind}\0${entry.slot}`, entry]),
    );
    return [...bySlot.values()];
  }

  counts(): NoticeCounts {
    return Object.fromEntries([...this.#counts].map(([scope, kinds]) => [scope, Object.fromEntries(kinds)]));
  }

  flush(meta: KvTable): void {
    if (this.#fresh.length === 0) return;
    for (const { slot, notice } of this.#newest()) {
      const key = new ByteWriter().bytes(noticePrefix(notice.scope, notice.kind)).u32(slot).copy();
      writeJson(meta, key, notice);
    }
    this.#fresh = [];
    this.#thinAt = THIN_AT;
  }
}

function noticePrefix(scope: string, kind: string): Uint8Array {
  return new ByteWriter().orderedString('notice').orderedString(scope).orderedString(kind).copy();
}

/** The newest notices of one kind, newest first. */
export function readNotices(meta: KvView, scope: string, kind: string, limit: number): Notice[] {
  const start = noticePrefix(scope, kind);
  const end = prefixEnd(start);
  const rows = [...meta.scan(end === undefined ? { start } : { start, end })];
  return rows
    .map(({ value }) => JSON.parse(Buffer.from(value).toString('utf8')) as Notice)
    .sort((a, b) => b.sequence - a.sequence)
    .slice(0, limit);
}

/** Messages that the stream has removed before they were read: 0 where nothing was ever read. */
export function gapOf(progress: InputPosition | undefined, { firstSequence }: StreamFacts): number {
  if (progress === undefined || progress.isUnread === true) return 0;
  return Math.max(0, firstSequence - progress.sequence - 1);
}

/**
 * Refuses to go on where the stored position and the stream do not fit together. Silence here would
 * be wrong numbers: each case is a named error that says what can be done.
 */
export function checkPosition(progress: InputPosition | undefined, facts: StreamFacts): void {
  if (progress === undefined) return;
  const { stream, firstSequence, lastSequence } = facts;
  const rebuild =
    'To rebuild the state from what the stream holds now, move the state folder away and start again.';
  if (progress.stream !== stream) {
    throw new MillraceError(
      'stream_mismatch',
      `The state was built from stream "${progress.stream}", the source reads "${stream}". Point the task at its stream, or use another state folder.`,
    );
  }
  if (progress.incarnation !== facts.incarnation) {
    throw new MillraceError(
      'stream_recreated',
      `Stream "${stream}" was deleted and created again (now ${facts.incarnation}, the state knows ` +
        `${progress.incarnation}): its sequence numbers mean other events. Restore the stream from its ` +
        `backup, or keep the state as it is for reading. ${rebuild}`,
    );
  }
  if (progress.layout !== undefined && progress.layout !== facts.layout) {
    throw new MillraceError(
      'layout_changed',
      `Stream "${stream}" divides keys into partitions in another way (${facts.layout ?? 'in none'}) than when the state of ` +
        `partition ${progress.partition} read it (${progress.layout}): keys have moved to other partitions, whose states ` +
        'know nothing of them. Set the subject transform of the stream back to what it was; another number of ' +
        'partitions takes a new stream, and states that are built from it.',
    );
  }
  if (lastSequence < progress.sequence) {
    throw new StreamGapError(
      'position_ahead_of_stream',
      `The state has applied stream "${stream}" up to sequence ${progress.sequence}, but the stream ` +
        `ends at ${lastSequence}: the server lost acknowledged messages (a power cut, a restored backup). ` +
        `Publish the missing events again after restoring the stream. ${rebuild}`,
      { first: lastSequence + 1, last: progress.sequence },
    );
  }
  if (gapOf(progress, facts) > 0 && facts.gaps === undefined) {
    throw new StreamGapError(
      'position_before_stream',
      `The state has applied stream "${stream}" up to sequence ${progress.sequence}, but its oldest ` +
        `message is now ${firstSequence}: ${gapOf(progress, facts)} messages were removed ` +
        `before they were read (retention, a purge). Raise the stream's limits, and restore the messages ` +
        `from a backup. ${GAP_CHOICE} ${rebuild}`,
      { first: progress.sequence + 1, last: firstSequence - 1 },
    );
  }
}
