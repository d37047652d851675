import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { SeededRandom } from '../random.ts';
import { openLmdbStore } from '../store-lmdb.ts';
import { ToyWriter } from './fixture-state.ts';

/** Commits and merges at full speed, with short rests, until it is told to stop; then says how many commits it made. */
const store = openLmdbStore(workerData as string, { durable: false });
const writer = new ToyWriter(store);
const random = new SeededRandom(7);
let stopped = false;
parentPort?.once('message', () => {
  stopped = true;
});
while (!stopped) {
  for (let commits = random.int(1, 20); commits > 0; commits--) writer.commit({ merge: random.chance(0.2) });
  await sleep(random.chance(0.3) ? random.int(1, 15) : 0);
}
await store.close();
parentPort?.postMessage(writer.commits);
