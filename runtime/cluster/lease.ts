import type { KeyValueStore, KeyValueWrite } from '../../engine/index.ts';
import { type ClusterTime, REQUEST_MAX_MS, within } from './cluster-time.ts';
import type { ClusterBoard } from './cluster-view.ts';
import { epochOf, OWN_PREFIX, type OwnRecord, type TaskKey } from './records.ts';

/** For so long after it was confirmed nobody else can have taken a task, ms: less than an observer needs. */
export const CONFIRMED_MS = 3_000;

export interface LeasesParts {
  readonly store: KeyValueStore;
  readonly board: ClusterBoard;
  readonly member: string;
  readonly incarnation: string;
  readonly time: ClusterTime;
}

/** Which tasks this process owns: compare-and-set on one key for each, and the epoch that comes of it. */
export class Leases {
  readonly #parts: LeasesParts;
  /** When the request began that confirmed a task, and under which epoch. */
  readonly #confirmed = new Map<TaskKey, { readonly epoch: number; readonly asked_at_ms: number }>();
  /** Releases of a task that were begun: what was confirmed before one is worth nothing behind it. */
  readonly #releases = new Map<TaskKey, number>();
  /** Tasks that were taken from members that were dead. */
  takeovers = 0;

  constructor(parts: LeasesParts) {
    this.#parts = parts;
  }

  /** The epoch under which this process owns a task, as far as it has heard. */
  epoch(task: TaskKey): number | undefined {
    const own = this.#parts.board.ownRecords.get(task);
    return own !== undefined && this.#isMine(own.record) ? epochOf(own.record, own.revision) : undefined;
  }

  #isMine({ member, incarnation, state }: OwnRecord): boolean {
    return state === 'owned' && member === this.#parts.member && incarnation === this.#parts.incarnation;
  }

  /** Another owner, by name; a former process of a name that has another one since is none. */
  holder(task: TaskKey): string | undefined {
    const holder = this.#parts.board.holder(task);
    return holder === this.#parts.member ? undefined : holder;
  }

  /**
   * Takes a task from whoever had it when this process last heard of it. Undefined: somebody was faster. Rejects when
   * the bucket does not answer: it may be taken then, which the bucket's watch tells.
   */
  async acquire(task: TaskKey): Promise<number | undefined> {
    const { member, incarnation, board, time } = this.#parts;
    const known = board.ownRecords.get(task);
    const former = this.holder(task);
    const asked_at_ms = time.monotonic();
    const written = await this.#write(task, { member, incarnation, state: 'owned' }, known?.revision);
    if (!written.ok) return undefined;
    if (former !== undefined) this.takeovers++;
    this.#confirmed.set(task, { epoch: written.revision, asked_at_ms });
    return written.revision;
  }

  /** Says that anybody may take it. False: it was not this process's any more. */
  async release(task: TaskKey): Promise<boolean> {
    const { member, incarnation, board } = this.#parts;
    const own = board.ownRecords.get(task);
    if (own === undefined || !this.#isMine(own.record)) return false;
    this.#confirmed.delete(task);
    this.#releases.set(task, (this.#releases.get(task) ?? 0) + 1);
    return (await this.#write(task, { member, incarnation, state: 'released' }, own.revision)).ok;
  }

  /** Whether it is certain that nobody else has the task now: see `confirm`. */
  isConfirmed(task: TaskKey): boolean {
    const at = this.#confirmed.get(task);
    if (at === undefined || at.epoch !== this.epoch(task)) return false;
    return this.#parts.time.monotonic() - at.asked_at_ms < CONFIRMED_MS;
  }

  /**
   * Makes certain that nobody else has the task, nor can have for `CONFIRMED_MS`: it writes the key anew, so that
   * a take-over under way loses its compare-and-set, and every observer counts from there. For what cannot be fenced: a
   * call that goes out at once afterwards is the owner's. False where it is not; rejects when the bucket does not answer.
   */
  async confirm(task: TaskKey): Promise<boolean> {
    const { member, incarnation, board, time } = this.#parts;
    const own = board.ownRecords.get(task);
    if (own === undefined || !this.#isMine(own.record)) return false;
    const epoch = epochOf(own.record, own.revision);
    const releases = this.#releases.get(task);
    const asked_at_ms = time.monotonic();
    const record: OwnRecord = { member, incarnation, state: 'owned', epoch };
    const written = await this.#write(task, record, own.revision);
    if (this.#releases.get(task) !== releases) return false;
    if (!written.ok) return this.isConfirmed(task);
    this.#confirmed.set(task, { epoch, asked_at_ms });
    return this.isConfirmed(task);
  }

  async #write(task: TaskKey, record: OwnRecord, revision: number | undefined): Promise<KeyValueWrite> {
    const { store, board, time } = this.#parts;
    const key = OWN_PREFIX + task;
    const write = revision === undefined ? store.create(key, record) : store.update(key, record, revision);
    const written = await within(time, REQUEST_MAX_MS, write);
    if (written.ok) board.put(key, record, written.revision);
    else if (written.current !== undefined) board.put(key, written.current.value, written.current.revision);
    else board.change({ kind: 'delete', key });
    return written;
  }
}
