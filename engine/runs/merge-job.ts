import { invariant } from '../base/index.ts';
import type { KvTable } from '../state/index.ts';
import { Merged } from './merged.ts';
import type { Run } from './run.ts';
import { RunWriter } from './run-writer.ts';

/** Whether the record that begins at `start` is no longer wanted; if it is not, no older one of its key is. */
export type IsForgotten = (bytes: Uint8Array, start: number) => boolean;

/** Neighbouring runs on their way to become one, over as many transactions as it takes. */
export class MergeJob {
  /** Newest first. */
  readonly inputs: readonly Run[];
  readonly writer: RunWriter;
  readonly #merged: Merged;
  readonly #table: KvTable;
  /** Nothing older can have what a tombstone stands for. */
  readonly #dropsTombstones: boolean;
  readonly #isForgotten: IsForgotten;
  readonly bytes: number;

  constructor(
    inputs: readonly Run[],
    table: KvTable,
    number: number,
    isOldest: boolean,
    isForgotten: IsForgotten,
  ) {
    let records = 0;
    let bytes = 0;
    for (const { meta } of inputs) {
      records += meta.records;
      bytes += meta.bytes;
    }
    invariant(inputs.length > 0, 'a merge has runs');
    this.inputs = inputs;
    this.bytes = bytes;
    this.#table = table;
    this.#dropsTombstones = isOldest;
    this.#isForgotten = isForgotten;
    this.writer = new RunWriter(table, number, records);
    this.#merged = new Merged(inputs, table);
  }

  get remaining_bytes(): number {
    return this.bytes - this.#merged.bytesRead;
  }

  /** Goes on until it has read so many bytes more; true when all is merged. */
  advance(budget_bytes: number): boolean {
    const merged = this.#merged;
    const writer = this.writer;
    const until = merged.bytesRead + budget_bytes;
    while (merged.bytesRead < until) {
      if (!merged.next(this.#table)) return true;
      const { isTombstone, start, end } = merged;
      const { area } = merged.reader;
      if (isTombstone ? this.#dropsTombstones : this.#isForgotten(area.bytes, start)) continue;
      writer.add(merged.hi, merged.lo, area, start, end, isTombstone);
    }
    return false;
  }

  get bytesRead(): number {
    return this.#merged.bytesRead;
  }
}
