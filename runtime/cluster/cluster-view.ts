import { type KeyValueChange, type KeyValueStore, MillraceError } from '../../engine/index.ts';
import {
  epochOf,
  MEMBER_PREFIX,
  type MemberRecord,
  OWN_PREFIX,
  type OwnRecord,
  PLAN_KEY,
  type Plan,
  readMember,
  readOwn,
  readPlan,
  type TaskId,
  type TaskKey,
  type TaskReport,
  taskKey,
  taskOf,
} from './records.ts';

/** A task that a member owns. */
export interface OwnedTask extends TaskId {
  readonly epoch: number;
}

/** A task that a member keeps a second state of. */
export interface StandbyTask extends TaskId {
  /** It follows closely: what it answers is about as new as what the owner answers. */
  readonly ready: boolean;
  readonly lag_ms: number | null;
}

export interface ClusterMember {
  readonly id: string;
  readonly incarnation: string;
  readonly host: string;
  readonly version: string;
  readonly owned: readonly OwnedTask[];
  readonly standby: readonly StandbyTask[];
}

/** Who has which task, as the bucket said last. It may be behind by a moment; epochs say what is newer. */
export interface ClusterView {
  /** Those with a record, by id; one that has died is among them until its record goes. */
  members(): readonly ClusterMember[];
  /** Undefined while nobody owns it. */
  owner(task: TaskId): { readonly member: string; readonly epoch: number } | undefined;
  /** What members say of a task, by their ids; a second old, or as old as the record of a member that has died. */
  reports(task: TaskId): ReadonlyMap<string, TaskReport>;
  /** Calls back after each change of who owns or follows what, until the returned function is called. */
  onChange(listener: () => void): () => void;
}

/** An entry with its revision. */
export interface Seen<T> {
  readonly record: T;
  readonly revision: number;
}

export type BucketChange =
  | { readonly kind: 'member'; readonly id: string; readonly now: Seen<MemberRecord> | undefined }
  | { readonly kind: 'own'; readonly task: TaskKey; readonly now: Seen<OwnRecord> | undefined }
  | { readonly kind: 'plan'; readonly now: Seen<Plan> | undefined };

/**
 * The bucket of a cluster as far as this process has heard of it: by its watch, and by what it reads and writes itself.
 * Of two words on a key that of the higher revision stands, in whatever order they come.
 */
export class ClusterBoard implements ClusterView {
  readonly #members = new Map<string, Seen<MemberRecord>>();
  readonly #owns = new Map<TaskKey, Seen<OwnRecord>>();
  #plan: Seen<Plan> | undefined;
  readonly #listeners = new Set<(change: BucketChange) => void>();
  /** Values that are none: of another version, or written by hand. */
  unreadable = 0;

  get plan(): Seen<Plan> | undefined {
    return this.#plan;
  }

  get memberRecords(): ReadonlyMap<string, Seen<MemberRecord>> {
    return this.#members;
  }

  get ownRecords(): ReadonlyMap<TaskKey, Seen<OwnRecord>> {
    return this.#owns;
  }

  /** Takes in what the watch tells. */
  change(change: KeyValueChange): void {
    if (change.kind === 'put') this.put(change.key, change.value, change.revision);
    else this.#forget(change.key);
  }

  /** Takes in an entry; an older one than is known changes nothing. */
  put(key: string, value: unknown, revision: number): void {
    if (key === PLAN_KEY) {
      const record = readPlan(value);
      if (record === undefined) this.unreadable++;
      else if (isNewer(this.#plan, revision)) {
        this.#plan = { record, revision };
        this.#tell({ kind: 'plan', now: this.#plan });
      }
    } else if (key.startsWith(MEMBER_PREFIX)) {
      const [id, record] = [key.slice(MEMBER_PREFIX.length), readMember(value)];
      if (record === undefined) this.unreadable++;
      else if (isNewer(this.#members.get(id), revision)) {
        const now = { record, revision };
        this.#members.set(id, now);
        this.#tell({ kind: 'member', id, now });
      }
    } else if (key.startsWith(OWN_PREFIX)) {
      const [task, record] = [key.slice(OWN_PREFIX.length), readOwn(value)];
      if (record === undefined || taskOf(task) === undefined) this.unreadable++;
      else if (isNewer(this.#owns.get(task), revision)) {
        const now = { record, revision };
        this.#owns.set(task, now);
        this.#tell({ kind: 'own', task, now });
      }
    }
  }

  #forget(key: string): void {
    const now = undefined;
    if (key === PLAN_KEY) {
      this.#plan = now;
      this.#tell({ kind: 'plan', now });
    } else if (key.startsWith(MEMBER_PREFIX)) {
      const id = key.slice(MEMBER_PREFIX.length);
      if (this.#members.delete(id)) this.#tell({ kind: 'member', id, now });
    } else if (key.startsWith(OWN_PREFIX)) {
      const task = key.slice(OWN_PREFIX.length);
      if (this.#owns.delete(task)) this.#tell({ kind: 'own', task, now });
    }
  }

  #tell(change: BucketChange): void {
    for (const listener of [...this.#listeners]) listener(change);
  }

  /** Hears of each change of an entry. */
  onEntry(listener: (change: BucketChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onChange(listener: () => void): () => void {
    let told = this.#said();
    return this.onEntry((change) => {
      // A renewal changes a member's record each second, and mostly nothing in it that is shown here.
      if (change.kind === 'plan') return;
      const now = this.#said();
      if (now === told) return;
      told = now;
      listener();
    });
  }

  /** What `onChange` tells of, as text. */
  #said(): string {
    return JSON.stringify(
      this.members().map(({ id, incarnation, owned, standby }) => [
        ...[id, incarnation],
        owned.map((task) => [taskKey(task), task.epoch]),
        standby.map((task) => [taskKey(task), task.ready]),
      ]),
    );
  }

  owner(task: TaskId): { readonly member: string; readonly epoch: number } | undefined {
    const own = this.#owns.get(taskKey(task));
    if (own === undefined || own.record.state !== 'owned') return undefined;
    return { member: own.record.member, epoch: epochOf(own.record, own.revision) };
  }

  reports(task: TaskId): ReadonlyMap<string, TaskReport> {
    const found = new Map<string, TaskReport>();
    for (const [id, { record }] of this.#members) {
      const report = record.tasks[taskKey(task)];
      if (report !== undefined) found.set(id, report);
    }
    return found;
  }

  /** Up to where the outside has everything of a task, as its owners have said. */
  settled(task: TaskKey): number {
    const said = [...this.memberRecords.values()].map(({ record }) => record.tasks[task]?.settled ?? 0);
    return Math.max(0, ...said);
  }

  /**
   * The member that has a task. Undefined where nobody has it, or a process that ended: its name has said since that
   * it is another one.
   */
  holder(task: TaskKey): string | undefined {
    const own = this.#owns.get(task);
    if (own === undefined || own.record.state !== 'owned') return undefined;
    const member = this.#members.get(own.record.member);
    const isReplaced =
      member !== undefined &&
      member.revision > own.revision &&
      member.record.incarnation !== own.record.incarnation;
    return isReplaced ? undefined : own.record.member;
  }

  members(): readonly ClusterMember[] {
    const owned = new Map<string, OwnedTask[]>();
    for (const key of this.#owns.keys()) {
      const task = taskOf(key);
      const owner = task === undefined ? undefined : this.owner(task);
      if (task === undefined || owner === undefined) continue;
      owned.set(owner.member, [...(owned.get(owner.member) ?? []), { ...task, epoch: owner.epoch }]);
    }
    return [...this.#members]
      .map(([id, { record }]) => ({
        id,
        incarnation: record.incarnation,
        host: record.host,
        version: record.version,
        owned: (owned.get(id) ?? []).sort(byTask),
        standby: this.#standbysOf(id, record),
      }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** The bucket decides who owns a task; the member's own word may be a second old. */
  #standbysOf(id: string, record: MemberRecord): readonly StandbyTask[] {
    return Object.entries(record.tasks)
      .flatMap(([key, { role, state, lag_ms }]) => {
        const task = taskOf(key);
        if (task === undefined || role !== 'standby' || state === 'opening' || state === 'failed') return [];
        if (this.owner(task)?.member === id) return [];
        return [{ ...task, ready: state === 'ready', lag_ms: lag_ms ?? null }];
      })
      .sort(byTask);
  }
}

const isNewer = (known: Seen<unknown> | undefined, revision: number): boolean =>
  known === undefined || revision > known.revision;

export const byTask = (a: TaskId, b: TaskId): number => a.stage - b.stage || a.partition - b.partition;

/** A view that follows the bucket until it is closed. Rejects `kv_unavailable` when it cannot be read now. */
export async function followCluster(
  store: KeyValueStore,
  onError: (error: MillraceError) => void,
): Promise<{ readonly view: ClusterView; close(): Promise<void> }> {
  const board = new ClusterBoard();
  const close = await store.watch(
    (change) => board.change(change),
    (error) =>
      onError(
        error instanceof MillraceError
          ? error
          : new MillraceError('internal', 'The view of the cluster failed on a change.', { cause: error }),
      ),
  );
  return { view: board, close };
}
