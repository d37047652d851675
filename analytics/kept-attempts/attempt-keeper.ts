import type { KvTable } from '../../engine/index.ts';
import { AttemptBlocks, type AttemptForm } from './attempt-blocks.ts';
import { AttemptChanges } from './attempt-changes.ts';
import { AttemptRows } from './attempt-rows.ts';

/**
 * Changes of attempts in memory before they are brought into blocks, bytes. A block is written once for all of them:
 * those of a large commit together lie close in each block.
 */
const CHANGES_MAX_BYTES = 16 * 1_048_576;

/** Appends the attempts of one entity, in the order of their entries; false: they would take too long to find. */
export type AttemptsOf<E> = (events: E, into: AttemptRows) => boolean;

/** Keeps the attempts of entities up to date, by what becomes of each entity's events. */
export class AttemptKeeper<E> {
  readonly #blocks: AttemptBlocks;
  readonly #of: AttemptsOf<E>;
  readonly #changes: AttemptChanges;
  readonly #before: AttemptRows;
  readonly #now: AttemptRows;
  #isTooMuch = false;

  constructor(table: KvTable, id: number, form: AttemptForm, of: AttemptsOf<E>) {
    this.#blocks = new AttemptBlocks(table, id, form);
    this.#of = of;
    this.#changes = new AttemptChanges(form.durations);
    [this.#before, this.#now] = [new AttemptRows(form.durations), new AttemptRows(form.durations)];
  }

  /** An entity has so many events, or a time so many attempts, that they are better asked about than kept up to date. */
  get isTooMuch(): boolean {
    return this.#isTooMuch || this.#blocks.isTooLarge;
  }

  /** An entity's events as they were: undefined where there were none. Then `now`. */
  was(events: E | undefined): void {
    this.#before.clear();
    if (events !== undefined) this.#find(events, this.#before);
  }

  /** The events of the same entity as they are. */
  is(events: E): void {
    this.#now.clear();
    this.#find(events, this.#now);
    this.#changes.add(this.#before, this.#now);
  }

  #find(events: E, into: AttemptRows): void {
    if (!this.#of(events, into)) this.#isTooMuch = true;
  }

  /** Inside a commit: brings the changes into blocks where there are many. */
  applyMany(cut_ms: number): void {
    if (this.#changes.rows.size_bytes >= CHANGES_MAX_BYTES) this.apply(cut_ms);
  }

  /** Inside a commit, at its end. */
  apply(cut_ms: number): void {
    this.#blocks.apply(this.#changes, cut_ms);
  }

  /** Inside a commit: the start of a UTC day. */
  forgetBefore(cut_ms: number): void {
    this.#blocks.forgetBefore(cut_ms);
  }
}
