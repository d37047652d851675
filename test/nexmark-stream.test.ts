import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { defineOperator, TopologyTestDriver } from '../engine/index.ts';
import { DEFAULT_GENERATOR, disordered, NexmarkGenerator } from '../examples/nexmark/generator.ts';
import { encodeEvent } from '../examples/nexmark/messages.ts';
import { QUERIES } from '../examples/nexmark/queries/index.ts';
import { type NexmarkQuery, queryTopology } from '../examples/nexmark/query.ts';

const RUN = resolve(import.meta.dirname, '../dist/examples/nexmark/run.js');
const TIMEOUT_MS = 240_000;
const [EVENTS, RATE, DISORDER_MS] = [3_000, 20, 2_000];

/** The rows that the example prints, sorted, and how many it says that there are. */
async function printed(query: string): Promise<readonly [string[], number]> {
  const args = [RUN, query, '--events', `${EVENTS}`, '--rate', `${RATE}`, '--rows', '100000'];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: TIMEOUT_MS });
  const lines = stdout.trim().split('\n');
  return [lines.slice(0, -1).sort(), Number(/3000 events, (\d+) /.exec(lines.at(-1) ?? '')?.[1])];
}

/** What the query gives without a broker. */
async function driven(query: NexmarkQuery<object>): Promise<readonly [string[], number]> {
  const rows: object[] = [];
  const collect = defineOperator<object, never>({
    kind: 'collect',
    summary: 'Keeps rows',
    start: () => ({ onBatch: (batch) => void rows.push(...batch) }),
  });
  const sink = 'result';
  const driver = await TopologyTestDriver.start(
    queryTopology(query, { folder: '' }, (stream) => void stream.pipe(collect(sink, undefined))),
  );
  const { seed } = DEFAULT_GENERATOR;
  const events = [...new NexmarkGenerator({ seed, events_per_s: RATE }).events(EVENTS)];
  for (const event of disordered(events, seed, DISORDER_MS))
    await driver.push({ subject: `nexmark.${event.kind}`, data: Buffer.from(encodeEvent(event)) });
  driver.commit();
  return [rows.map((row) => JSON.stringify(row)).sort(), rows.length];
}

it.each(['q7', 'q9'])(
  '%s gives, as the example runs it, what it gives without a broker',
  async (name) => {
    const query = QUERIES[name] as NexmarkQuery<object>;
    const wanted = await driven(query);
    expect(wanted[1]).toBeGreaterThan(0);
    expect(await printed(name)).toEqual(wanted);
  },
  TIMEOUT_MS,
);
