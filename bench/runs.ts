import { openLmdbStore, RecordArena, RunTable, RunView } from '../engine/index.ts';
import { cpu_ms, machine, nsEach, withScratch } from './rig.ts';
import { random } from './traffic.ts';

const RECORDS = Number(process.env.BENCH_RECORDS ?? 1_000_000);
const COMMIT_RECORDS = Number(process.env.BENCH_COMMIT_RECORDS ?? 20_000);
const LOOKUPS = 200_000;
const PRESENT_LOOKUPS = 20_000;
/** Runs that absent keys are looked for in. */
const MANY_RUNS = 24;
const MIN_BYTES = 20;
const MAX_BYTES = 140;

/** Of several rounds the best one counts: others may be busy on the machine. */
const ROUNDS = 5;

function bestNsEach(count: number, work: () => void): number {
  return Math.min(...Array.from({ length: ROUNDS }, () => nsEach(count, work)));
}

/** The keys of all records; the bytes of a record are a part of one random area. */
class Load {
  readonly hi = new Int32Array(RECORDS);
  readonly lo = new Int32Array(RECORDS);
  readonly #bytes = new Uint8Array(1 << 20);
  readonly #next = random(1);
  record_bytes = 0;

  constructor() {
    for (let index = 0; index < RECORDS; index++) {
      this.hi[index] = this.word();
      this.lo[index] = this.word();
    }
    for (let at = 0; at < this.#bytes.length; at++) this.#bytes[at] = this.#next() * 256;
  }

  word(): number {
    return (this.#next() * 2 ** 32) | 0;
  }

  below(count: number): number {
    return Math.floor(this.#next() * count);
  }

  put(arena: RecordArena, index: number): void {
    const length = MIN_BYTES + this.below(MAX_BYTES - MIN_BYTES);
    const start = this.below(this.#bytes.length - length);
    this.record_bytes += length;
    arena.put(this.hi[index] as number, this.lo[index] as number, this.#bytes, start, start + length);
  }
}

/** Cost of records in runs: a commit's part for each changed record, look-ups, size, restart. */
export async function runsBench(): Promise<object> {
  process.stdout.write(`${machine()}\n`);
  return withScratch(async (folder) => {
    const store = openLmdbStore(folder, { durable: false });
    const kv = store.table('records');
    const table = new RunTable(kv);
    const load = new Load();
    const arena = new RecordArena();
    let longest_ms = 0;
    let table_ms = 0;
    const commitOf = (write: () => void): void => {
      arena.clear();
      write();
      store.transaction(() => {
        const started_ms = performance.now();
        const cpuStarted_ms = cpu_ms();
        table.commit(arena);
        table_ms += cpu_ms() - cpuStarted_ms;
        longest_ms = Math.max(longest_ms, performance.now() - started_ms);
      });
    };
    const insert_ns = nsEach(RECORDS, () => {
      for (let from = 0; from < RECORDS; from += COMMIT_RECORDS) {
        const to = Math.min(RECORDS, from + COMMIT_RECORDS);
        commitOf(() => {
          for (let index = from; index < to; index++) load.put(arena, index);
        });
      }
    });
    const commit_ns = Math.round((table_ms * 1e6) / RECORDS);
    const { record_bytes } = load;
    const loaded_file_bytes = store.sizeBytes();
    const restart_ms = nsEach(1, () => void new RunTable(kv).find(1, 1)) / 1e6;
    const reading = lookups(load, table);
    while (!store.transaction(() => table.compact(64 * 1_048_576))) {}
    const compacted = { runs: table.runs, stored_bytes: table.stored_bytes };
    const scan_ns = bestNsEach(RECORDS, () => new RunView(kv).scan(() => {}));
    table_ms = 0;
    const updates = Math.floor(RECORDS / 2);
    for (let done = 0; done < updates; done += COMMIT_RECORDS)
      commitOf(() => {
        for (let count = 0; count < COMMIT_RECORDS; count++) load.put(arena, load.below(RECORDS));
      });
    const update_ns = Math.round((table_ms * 1e6) / updates);
    const many = manyRuns(load, table, store.transaction);
    const result = {
      records: RECORDS,
      insert_ns,
      commit_ns,
      update_ns,
      longest_commit_ms: Math.round(longest_ms),
      ...reading,
      ...many,
      bytes_a_record: Math.round((record_bytes / RECORDS) * 10) / 10,
      compacted_bytes_a_record: Math.round((compacted.stored_bytes / RECORDS) * 10) / 10,
      loaded_file_bytes_a_record: Math.round((loaded_file_bytes / RECORDS) * 10) / 10,
      file_bytes_a_record: Math.round((store.sizeBytes() / RECORDS) * 10) / 10,
      memory_bytes_a_record: Math.round((table.memory_bytes / RECORDS) * 10) / 10,
      restart_ms: Math.round(restart_ms),
      scan_ns,
    };
    await store.close();
    return result;
  });
}

function lookups(load: Load, table: RunTable): object {
  let found = 0;
  const absent_ns = bestNsEach(LOOKUPS, () => {
    for (let count = 0; count < LOOKUPS; count++)
      if (table.find(load.word(), load.word()) !== undefined) found++;
  });
  const present_ns = bestNsEach(PRESENT_LOOKUPS, () => {
    for (let count = 0; count < PRESENT_LOOKUPS; count++) {
      const index = load.below(RECORDS);
      if (table.find(load.hi[index] as number, load.lo[index] as number) !== undefined) found++;
    }
  });
  return { loaded_runs: table.runs, absent_ns, present_ns, found };
}

/** Absent keys again, where the commits since the last merge have left many runs. */
function manyRuns(load: Load, table: RunTable, transaction: (work: () => void) => void): object {
  const arena = new RecordArena();
  for (let round = 0; table.runs < MANY_RUNS && round < 1_000; round++) {
    arena.clear();
    // From large to small, as runs lie.
    const count = Math.max(1, COMMIT_RECORDS >>> (round >> 1));
    for (let index = 0; index < count; index++) load.put(arena, load.below(RECORDS));
    transaction(() => table.commit(arena));
  }
  const before = lookups(load, table) as { absent_ns: number; present_ns: number };
  return { many_runs: table.runs, many_absent_ns: before.absent_ns, many_present_ns: before.present_ns };
}
