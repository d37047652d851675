import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

/** `npm run soak`: the tests that use fast-check, again and again, each round with a seed of its own. */

const USAGE =
  'Usage: npm run soak -- [--minutes N] [--seed N] [FILE…]   (--seed: one round with this seed; FILE: part of a path)';
const FOLDERS = ['engine', 'operators', 'connectors', 'analytics', 'api', 'cli', 'test', 'examples'];
const ROUND_TIMEOUT_MS = 600_000;

function settings() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string' } },
    });
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    return process.exit(2);
  }
}

async function filesWithProperties(wanted: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const folder of FOLDERS) {
    for (const name of await readdir(folder, { recursive: true })) {
      const path = join(folder, name);
      const isWanted = wanted.length === 0 || wanted.some((part) => path.includes(part));
      if (!isWanted || !name.endsWith('.test.ts')) continue;
      // Also those whose properties are in a module beside them.
      if (/\bfc\.|propert/.test(await readFile(path, 'utf8'))) files.push(path);
    }
  }
  return files.sort();
}

async function round(seed: number, files: readonly string[]): Promise<boolean> {
  const args = ['vitest', 'run', '--reporter=dot', `--testTimeout=${ROUND_TIMEOUT_MS}`, ...files];
  const env = { ...process.env, PROPERTY_SEED: String(seed) };
  const child = spawn('npx', args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) console.error(output);
  return code === 0;
}

const { values, positionals } = settings();
const minutes = Number(values.minutes);
const only = values.seed === undefined ? undefined : Number(values.seed);
if (!(minutes > 0) || (only !== undefined && !Number.isInteger(only))) {
  console.error(USAGE);
  process.exit(2);
}
const files = await filesWithProperties(positionals);
if (files.length === 0) {
  console.error(`No test with properties is named ${positionals.join(', ')}.\n${USAGE}`);
  process.exit(2);
}
const end_ms = Date.now() + minutes * 60_000;
let rounds = 0;
const failed: number[] = [];
do {
  const seed = only ?? Math.floor(Math.random() * 2 ** 31);
  rounds++;
  if (!(await round(seed, files))) {
    failed.push(seed);
    console.error(`The seed ${seed} fails; again: npm run soak -- --seed ${seed}`);
  }
  console.log(
    `${rounds} rounds of ${files.length} files, ${failed.length} failed; the last seed was ${seed}`,
  );
} while (only === undefined && Date.now() < end_ms);
process.exitCode = failed.length === 0 ? 0 : 1;
