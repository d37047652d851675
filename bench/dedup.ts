import { openLmdbStore } from '../engine/index.ts';
import { ID_WORDS, KnownIds, OldIds, RecentIds, TOUCHED_IDS } from '../operators/index.ts';
import { machine, nsEach, withScratch } from './rig.ts';
import { random } from './traffic.ts';

const IDS = Number(process.env.BENCH_IDS ?? 10_000_000);
const LOOKUPS = 1_000_000;
const OLD_IDS = 1_000_000;
const OLD_LOOKUPS = 50_000;
const DAYS = 30;
const CHUNK_IDS = 50_000;
/** What a process knows after a while, for the whole of the operator's state. */
const KNOWN_IDS = Number(process.env.BENCH_KNOWN_IDS ?? 3_000_000);

/** Memory and look-up cost of the dedup operator's two tiers. */
export async function dedupBench(): Promise<object> {
  process.stdout.write(`${machine()}\n`);
  const next = random(1);
  const word = (): number => Math.floor(next() * 2 ** 32);
  const words = new Uint32Array(IDS * 3);
  for (let index = 0; index < words.length; index++) words[index] = word();
  const recent = new RecentIds();
  const id = (index: number): readonly [number, number, number] => [
    words[index * 3] as number,
    words[index * 3 + 1] as number,
    words[index * 3 + 2] as number,
  ];
  const add_ns = nsEach(IDS, () => {
    for (let index = 0; index < IDS; index++) recent.add(...id(index), 1);
  });
  let found = 0;
  const hit_ns = nsEach(LOOKUPS, () => {
    for (let count = 0; count < LOOKUPS; count++) {
      if (recent.find(...id(Math.floor(next() * IDS))) >= 0) found++;
    }
  });
  const miss_ns = nsEach(LOOKUPS, () => {
    for (let count = 0; count < LOOKUPS; count++) if (recent.find(word(), word(), word()) >= 0) found++;
  });
  const old = await oldIds(next);
  return {
    ids: IDS,
    bytes_an_id: Math.round((recent.memory_bytes / IDS) * 10) / 10,
    memory_mb: Math.round(recent.memory_bytes / 1e6),
    add_ns,
    hit_ns,
    miss_ns,
    found,
    ...old,
    ...(await knownIds(next)),
  };
}

/** Ids of a month that left memory out of order, in runs as eviction writes them. */
async function oldIds(next: () => number): Promise<object> {
  return withScratch(async (folder) => {
    const store = openLmdbStore(folder);
    const old = new OldIds(store.table('blocks'), store.table('directory'));
    const entries = new Uint32Array(OLD_IDS * ID_WORDS);
    for (let index = 0; index < OLD_IDS; index++) {
      const at = index * ID_WORDS;
      for (let word = 0; word < 4; word++) entries[at + word] = Math.floor(next() * 2 ** 32);
      entries[at + 4] = Math.floor(next() * DAYS * 86_400);
    }
    const store_ns = nsEach(OLD_IDS, () => {
      for (let from = 0; from < OLD_IDS; from += CHUNK_IDS) {
        const chunk = entries.subarray(from * ID_WORDS, (from + CHUNK_IDS) * ID_WORDS);
        store.transaction(() => old.store(chunk, DAYS * 86_400));
      }
    });
    let found = 0;
    const disk_hit_ns = nsEach(OLD_LOOKUPS, () => {
      for (let count = 0; count < OLD_LOOKUPS; count++) {
        const at = Math.floor(next() * OLD_IDS) * ID_WORDS;
        const [id0, id1, id2, , time_s] = entries.subarray(at, at + ID_WORDS) as unknown as number[];
        if (old.find(id0 as number, id1 as number, id2 as number, time_s as number) >= 0) found++;
      }
    });
    const result = {
      disk_ids: OLD_IDS,
      disk_bytes_an_id: Math.round((store.sizeBytes() / OLD_IDS) * 10) / 10,
      disk_store_ns: store_ns,
      disk_hit_ns,
      disk_found: found,
      disk_runs: old.runCount,
    };
    await store.close();
    return result;
  });
}

/** New ids through memory and log, a commit after so many, and the restart that reads the log. */
async function knownIds(next: () => number): Promise<object> {
  return withScratch(async (folder) => {
    const store = openLmdbStore(folder, { durable: false });
    const [log, blocks, directory] = ['log', 'blocks', 'directory'].map((name) => store.table(name));
    const tables = { log, blocks, directory } as ConstructorParameters<typeof KnownIds>[0];
    const known = new KnownIds(tables, 2 * KNOWN_IDS);
    const columns = Array.from({ length: 4 }, () => new Int32Array(CHUNK_IDS));
    const [id0, id1, id2, payload] = columns as [Int32Array, Int32Array, Int32Array, Int32Array];
    let [meet_ns, commit_ns, meet_ns_1m] = [0, 0, 0];
    for (let done = 0; done < KNOWN_IDS; done += CHUNK_IDS) {
      for (const column of columns) for (let id = 0; id < CHUNK_IDS; id++) column[id] = next() * 2 ** 32;
      meet_ns += nsEach(CHUNK_IDS, () => {
        for (let id = 0; id < CHUNK_IDS; id++) {
          if (id % TOUCHED_IDS === 0) known.touch(id0, id, Math.min(TOUCHED_IDS, CHUNK_IDS - id));
          const time_s = 1_700_000_000 + ((done + id) >>> 2);
          const [word0, word1] = [id0[id] as number, id1[id] as number];
          known.meet(word0, word1, id2[id] as number, payload[id] as number, time_s);
        }
      });
      if (done + CHUNK_IDS === 1_000_000) meet_ns_1m = Math.round(meet_ns / (1_000_000 / CHUNK_IDS));
      commit_ns += nsEach(CHUNK_IDS, () => store.transaction(() => known.commit(0)));
    }
    const commits = KNOWN_IDS / CHUNK_IDS;
    let memoryIds = 0;
    const restart_ns = nsEach(1, () => {
      memoryIds = new KnownIds(tables, 2 * KNOWN_IDS).memoryIds;
    });
    const result = {
      known_ids: memoryIds,
      meet_ns_1m,
      meet_ns: Math.round(meet_ns / commits),
      commit_ns: Math.round(commit_ns / commits),
      known_disk_bytes_an_id: Math.round((store.sizeBytes() / KNOWN_IDS) * 10) / 10,
      known_memory_bytes_an_id: Math.round((known.memory_bytes / KNOWN_IDS) * 10) / 10,
      restart_ms: Math.round(restart_ns / 1e6),
    };
    await store.close();
    return result;
  });
}
