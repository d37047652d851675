import { invariant, MillraceError } from '../base/index.ts';
import type { KvTable } from '../state/index.ts';
import { BlockBuilder } from './block.ts';
import {
  type Leftover,
  type Manifest,
  manifestBytes,
  manifestKey,
  readManifest,
  rowKey,
  rowsOf,
} from './layout.ts';
import { DEFAULT_RUN_LIMITS, type RunLimits } from './limits.ts';
import { type IsForgotten, MergeJob } from './merge-job.ts';
import { planMerge } from './plan.ts';
import { REMOVED, type RecordArena } from './record-arena.ts';
import type { Run } from './run.ts';
import { RunSet, type VisitRecord } from './run-set.ts';
import { RunWriter } from './run-writer.ts';

/** Of so many changed records one is looked up to estimate how many older versions there are. */
const SAMPLED = 16;

/**
 * Records of bytes by 64-bit hash: a log-structured merge tree over one table. A commit appends what changed as one
 * sorted run; runs of a size are merged, a bounded part in each commit. Of a key the newest record counts. In memory:
 * the first key of each block, a filter of each run, and runs of one block. Keys are two signed words, spread evenly.
 *
 * After a transaction that failed, call `restore`: memory has what `commit` did in it.
 */
export class RunTable {
  readonly #table: KvTable;
  readonly #limits: RunLimits;
  readonly #set = new RunSet();
  #next = 0;
  #superseded_bytes = 0;
  #jobs: MergeJob[] = [];
  #leftovers: Leftover[] = [];
  readonly #isForgotten: IsForgotten;
  /** For the runs of commits, which may be small and many. */
  #builder = new BlockBuilder();

  /** Merges leave out what is forgotten; until then it is found. */
  constructor(table: KvTable, limits: Partial<RunLimits> = {}, isForgotten: IsForgotten = () => false) {
    this.#table = table;
    this.#isForgotten = isForgotten;
    this.#limits = { ...DEFAULT_RUN_LIMITS, ...limits };
    const { fanout_runs, merge_bytes, removed_rows } = this.#limits;
    if (!(fanout_runs >= 2 && merge_bytes > 0 && removed_rows > 0)) {
      throw new MillraceError(
        'bad_config',
        `The limits of runs are fanout_runs ${fanout_runs}, merge_bytes ${merge_bytes} and ` +
          `removed_rows ${removed_rows}: give a fanout of 2 or more, and 1 or more of the others.`,
      );
    }
    this.restore();
  }

  /** Takes what is committed for what is. A merge that was under way begins again. */
  restore(): void {
    const { next, superseded_bytes, runs, building, leftovers } = readManifest(this.#table);
    this.#set.runs = [];
    this.#set.letGo();
    this.#set.follow(runs, this.#table);
    this.#next = next;
    this.#superseded_bytes = superseded_bytes;
    this.#jobs = [];
    // What a failed commit has left in it.
    this.#builder = new BlockBuilder();
    this.#leftovers = [
      ...leftovers,
      ...building.map(({ number, blocks }) => ({ number, blocks, filterPages: 0, removed: 0 })),
    ];
  }

  get runs(): number {
    return this.#set.runs.length;
  }

  /** A bound from above: what was changed or removed since the last merge counts for each version. */
  get recordCount(): number {
    return this.#set.recordCount;
  }

  get memory_bytes(): number {
    return this.#set.memory_bytes;
  }

  /** Of all blocks. */
  get stored_bytes(): number {
    return this.#set.stored_bytes;
  }

  /** The bytes of a key's record, valid until the next call; undefined where there is none. */
  find(hi: number, lo: number): Uint8Array | undefined {
    return this.#set.find(hi, lo, this.#table);
  }

  /** Each record whose high word, unsigned, is in [fromHi, toHi), in the order of keys: all, if not said. */
  scan(visit: VisitRecord, fromHi?: number, toHi?: number): void {
    this.#set.scan(this.#table, visit, fromHi, toHi);
  }

  /**
   * Inside the transaction: takes the changed records over and merges a bounded part of the runs. With none it
   * only goes on with merges, and writes nothing where none is due.
   */
  commit(changed: RecordArena): void {
    this.#set.letGo();
    const bytes = changed.count === 0 ? 0 : this.#append(changed);
    const { merge_bytes, merge_ratio, removed_rows } = this.#limits;
    const merged = this.#merge(merge_bytes + merge_ratio * bytes);
    // A merge leaves as many rows behind as it read blocks, about.
    const removed = this.#removeRows(removed_rows + Math.ceil((merge_ratio * bytes) / 8_192));
    if (bytes > 0 || merged || removed) this.#writeManifest();
  }

  /** Inside the transaction: goes on to merge everything into one run; true when that is all there is. */
  compact(budget_bytes: number): boolean {
    const { runs } = this.#set;
    const isOne = runs.length <= 1 && (runs[0]?.meta.tombstones ?? 0) === 0;
    if (this.#jobs.length === 0 && !isOne) this.#begin(0, runs.length);
    this.#advance(budget_bytes);
    this.#removeRows(Math.ceil(budget_bytes / 8_192));
    this.#writeManifest();
    return isOne && this.#jobs.length === 0 && this.#leftovers.length === 0;
  }

  #append(changed: RecordArena): number {
    const order = changed.sorted();
    const { hi, lo, length } = changed;
    const writer = new RunWriter(this.#table, this.#next++, order.length, this.#builder);
    let known = 0;
    for (let place = 0; place < order.length; place++) {
      const index = order[place] as number;
      const start = changed.startOf(index);
      const size = length[index] as number;
      if (size > this.#limits.record_bytes) throw tooLong(size, this.#limits.record_bytes);
      const end = size === REMOVED ? start : start + size;
      writer.add(
        hi[index] as number,
        lo[index] as number,
        changed.areaOf(index),
        start,
        end,
        size === REMOVED,
      );
      if (place % SAMPLED !== 0) continue;
      if (this.#set.mayHave(hi[index] as number, lo[index] as number, this.#table)) known++;
    }
    const run = writer.finish();
    invariant(run !== undefined, 'records make a run');
    this.#set.runs.unshift(run);
    this.#superseded_bytes += Math.round((run.meta.bytes * known) / Math.ceil(order.length / SAMPLED));
    return run.meta.bytes;
  }

  /** Whether anything was merged. */
  #merge(budget_bytes: number): boolean {
    let left = budget_bytes;
    let isAny = false;
    while (left > 0) {
      const busy = new Set(this.#jobs.flatMap(({ inputs }) => inputs));
      const plan = planMerge(
        this.#set.runs.map((run) => ({ bytes: run.meta.bytes, isBusy: busy.has(run) })),
        this.#superseded_bytes,
        this.#limits,
      );
      if (plan !== undefined) this.#begin(plan.from, plan.to);
      if (this.#jobs.length === 0) break;
      isAny = true;
      left -= this.#advance(left);
    }
    return isAny;
  }

  #begin(from: number, to: number): void {
    const { runs } = this.#set;
    const isOldest = to === runs.length;
    const inputs = runs.slice(from, to);
    this.#jobs.push(new MergeJob(inputs, this.#table, this.#next++, isOldest, this.#isForgotten));
  }

  /** Goes on with the shortest merge; what it has read, bytes, 1 at least. */
  #advance(budget_bytes: number): number {
    const jobs = this.#jobs;
    if (jobs.length === 0) return budget_bytes;
    const job = jobs.reduce((best, each) => (each.remaining_bytes < best.remaining_bytes ? each : best));
    const before = job.bytesRead;
    if (job.advance(budget_bytes)) this.#finish(job);
    return Math.max(1, job.bytesRead - before);
  }

  #finish(job: MergeJob): void {
    const { runs } = this.#set;
    const at = runs.indexOf(job.inputs[0] as Run);
    invariant(
      at >= 0 && runs[at + job.inputs.length - 1] === job.inputs.at(-1),
      'merged runs are neighbours',
    );
    const merged = job.writer.finish();
    // Exact where nothing else is left, and kept from drifting where something is.
    const saved_bytes = job.bytes - (merged?.meta.bytes ?? 0);
    const isAll = job.inputs.length === runs.length;
    this.#superseded_bytes = isAll ? 0 : Math.max(0, this.#superseded_bytes - saved_bytes);
    runs.splice(at, job.inputs.length, ...(merged === undefined ? [] : [merged]));
    this.#jobs = this.#jobs.filter((each) => each !== job);
    for (const { meta } of job.inputs) {
      const { number, blocks, filterPages } = meta;
      this.#leftovers.push({ number, blocks, filterPages, removed: 0 });
    }
  }

  /** Whether there was any. */
  #removeRows(limit: number): boolean {
    const isAny = this.#leftovers.length > 0;
    let left = limit;
    for (const run of this.#leftovers) {
      const rows = rowsOf(run);
      for (; run.removed < rows && left > 0; left--) this.#table.remove(rowKey(run, run.removed++));
    }
    this.#leftovers = this.#leftovers.filter((run) => run.removed < rowsOf(run));
    return isAny;
  }

  #writeManifest(): void {
    const manifest: Manifest = {
      next: this.#next,
      superseded_bytes: this.#superseded_bytes,
      runs: this.#set.runs.map(({ meta }) => meta),
      building: this.#jobs.map(({ writer }) => ({ number: writer.number, blocks: writer.blocks })),
      leftovers: this.#leftovers,
    };
    this.#table.put(manifestKey, manifestBytes(manifest));
  }
}

function tooLong(size: number, limit: number): MillraceError {
  return new MillraceError(
    'record_too_long',
    `A record has ${size} bytes; ${limit} are possible. Keep less by this key, or split it.`,
  );
}
