import { openState, windowTableOf } from '../../index.ts';
import { wordCount } from './topology.ts';

/** Prints what another process has counted until now: `node read.js [FOLDER]`. */
const state = openState(process.argv[2] ?? 'data/word-count', wordCount);
const answer = state.query(windowTableOf<number>('by-word'), {
  kind: 'windows',
  start_ms: 0,
  end_ms: Date.now(),
  limit: 100,
});
if (!answer.ok) throw new Error(answer.message);
for (const { key, start_ms, value } of answer.values) {
  process.stdout.write(`${new Date(start_ms).toISOString()} ${key} ${value}\n`);
}
await state.close();
