import { execFile } from 'node:child_process';
import { getPriority } from 'node:os';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const MODULE = new URL('../../dist/engine/base/step-back.js', import.meta.url).href;

/** What a thread has that steps back twice, and its process, which was started with less than the usual priority. */
async function nicenessIn(started: number, niceness: number): Promise<unknown> {
  const own = `require('node:os').getPriority(0)`;
  const thread = `
    const { parentPort } = require('node:worker_threads');
    import(${JSON.stringify(MODULE)}).then(({ stepBack }) => {
      const seen = [${own}];
      for (let turn = 0; turn < 2; turn++) {
        stepBack(${niceness});
        seen.push(${own});
      }
      parentPort.postMessage(seen);
    });`;
  const main = `
    const { Worker } = require('node:worker_threads');
    new Worker(${JSON.stringify(thread)}, { eval: true }).once('message', (seen) => {
      console.log(JSON.stringify([seen, ${own}]));
    });`;
  const { stdout } = await promisify(execFile)('nice', ['-n', String(started), process.execPath, '-e', main]);
  return JSON.parse(stdout);
}

it.runIf(process.platform === 'linux')('steps back from the priority that its process has', async () => {
  const from = (niceness: number): number => Math.min(19, niceness);
  const low = from(getPriority() + 12);
  expect(await nicenessIn(12, 5)).toEqual([[low, from(low + 5), from(low + 10)], low]);
});
