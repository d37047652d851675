import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const RUN = resolve(import.meta.dirname, '../dist/examples/nexmark/run.js');
const TIMEOUT_MS = 240_000;

/** The rows that a query prints, and how many it says that there are. */
async function rowsOf(
  query: string,
  ...options: readonly string[]
): Promise<readonly [string[], string | undefined]> {
  const args = [RUN, query, '--events', '3000', '--rate', '20', '--rows', '100000', ...options];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: TIMEOUT_MS });
  const lines = stdout.trim().split('\n');
  return [lines.slice(0, -1).sort(), /3000 events, (\d+) /.exec(lines.at(-1) ?? '')?.[1]];
}

it.each(['q7', 'q9'])(
  '%s gives from a stream what it gives from memory',
  async (query) => {
    const [rows, count] = await rowsOf(query);
    expect(rows.length).toBeGreaterThan(0);
    expect(await rowsOf(query, '--stream')).toEqual([rows, count]);
  },
  TIMEOUT_MS,
);
