import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  asMillraceError,
  defineOperator,
  EventPublisher,
  jetstream,
  MillraceError,
  run,
  type Stream,
  type Topology,
} from '../../index.ts';
import { DEFAULT_GENERATOR, disordered, NexmarkGenerator } from './generator.ts';
import { encodeEvent } from './messages.ts';
import type { NexmarkEvent } from './model.ts';
import { QUERIES } from './queries/index.ts';
import { type NexmarkQuery, OUT_OF_ORDERNESS_MS, queryTopology } from './query.ts';

const HELP = `Nexmark: one query of the benchmark over generated events.

  node dist/examples/nexmark/run.js QUERY [options]

  QUERY          q0 to q22
  --events N     how many events (default: 200,000)
  --rate N       events in a second of event time (default: 1,000)
  --seed N       other events (default: 1)
  --disorder MS  how far behind newer ones an event may come, 0 to 4,000 (default: 2,000)
  --rows N       rows of the result that are printed (default: 20)
  --draw         prints the topology as a Mermaid flowchart, and runs nothing
  --help         this text

The events are published as JSON messages to a stream of a NATS server that is started for it, and read from there
with state in a scratch folder; both are removed at the end. Windows that the events do not close stay open, as in a
stream that goes on.
`;

interface Options {
  readonly query: NexmarkQuery<object>;
  readonly events: number;
  readonly rate: number;
  readonly seed: number;
  readonly disorder_ms: number;
  readonly rows: number;
  readonly draw: boolean;
}

function numberOf(
  name: string,
  text: string | undefined,
  fallback: number,
  min: number,
  max: number,
): number {
  const value = text === undefined ? fallback : Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new MillraceError(
    'bad_option',
    `--${name} is "${text}"; it is a whole number from ${min} to ${max}.`,
  );
}

/** undefined when the help is asked for. */
function readOptions(args: readonly string[]): Options | undefined {
  const number = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...{ events: number, rate: number, seed: number, disorder: number, rows: number },
      ...{ draw: flag, help: { ...flag, short: 'h' } },
    },
  });
  if (values.help === true) return undefined;
  const [name = ''] = positionals;
  const query = QUERIES[name];
  if (query === undefined || positionals.length > 1) {
    const known = Object.keys(QUERIES).join(', ');
    throw new MillraceError('unknown_query', `Name one query: ${known}. Ask for --help.`);
  }
  return {
    query,
    events: numberOf('events', values.events, 200_000, 1, 10_000_000),
    rate: numberOf('rate', values.rate, 1_000, 1, 1_000_000),
    seed: numberOf('seed', values.seed, DEFAULT_GENERATOR.seed, 0, 2 ** 31),
    disorder_ms: numberOf('disorder', values.disorder, 2_000, 0, OUT_OF_ORDERNESS_MS),
    rows: numberOf('rows', values.rows, 20, 0, 1_000_000),
    draw: values.draw === true,
  };
}

/** The result so far: all rows, or the last one of each key. */
class Result {
  total = 0;
  readonly #rows = new Map<string, object>();
  readonly #query: NexmarkQuery<object>;
  readonly #max: number;

  constructor(query: NexmarkQuery<object>, max: number) {
    this.#query = query;
    this.#max = max;
  }

  add(row: object): void {
    const key = this.#query.keyOf?.(row) ?? String(this.total);
    this.total++;
    if (this.#rows.has(key) || this.#rows.size < this.#max) this.#rows.set(key, row);
  }

  get rows(): readonly object[] {
    return [...this.#rows.values()];
  }
}

const PUBLISHED_AT_ONCE = 5_000;
const CATCH_UP_MS = 3_600_000;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

interface Ran {
  readonly elapsed_ms: number;
  readonly state_bytes: number;
}

/** Published and read at once, as a topology of one's own is run: what a query takes includes both. */
async function publishAndRead(
  topology: Topology,
  events: readonly NexmarkEvent[],
  folder: string,
): Promise<Ran> {
  const app = await run(topology, { dataDir: join(folder, 'data') });
  try {
    const publisher = new EventPublisher(app.link);
    const started_ms = performance.now();
    for (let from = 0; from < events.length; from += PUBLISHED_AT_ONCE) {
      const messages = events.slice(from, from + PUBLISHED_AT_ONCE).map((event) => ({
        subject: `nexmark.${event.kind}`,
        payload: Buffer.from(encodeEvent(event)),
      }));
      await publisher.publishAll(messages);
    }
    await app.caughtUp(CATCH_UP_MS);
    const elapsed_ms = performance.now() - started_ms;
    const size = app.metrics().find(({ name }) => name === 'millrace.state.size');
    return { elapsed_ms, state_bytes: size?.value ?? 0 };
  } finally {
    await app.stop();
  }
}

async function answer(options: Options, folder: string): Promise<void> {
  const { query, events, rate, seed, disorder_ms } = options;
  const result = new Result(query, options.rows);
  const collect = defineOperator<object, never>({
    kind: 'collect',
    summary: 'Keeps rows for the end',
    start: () => ({
      onBatch: (rows) => {
        for (const row of rows) result.add(row);
      },
    }),
  });
  const files = join(folder, 'files');
  const topology = queryTopology(
    query,
    { folder: files },
    (rows: Stream<object>) => {
      rows.pipe(collect('result', undefined));
    },
    jetstream('NEXMARK', { subjects: ['nexmark.>'] }),
  );
  if (options.draw) return say(topology.draw());
  const generator = new NexmarkGenerator({ seed, events_per_s: rate });
  const arriving = disordered([...generator.events(events)], seed, disorder_ms);
  const { elapsed_ms, state_bytes } = await publishAndRead(topology, arriving, folder);
  for (const row of result.rows) say(JSON.stringify(row));
  const rows = query.keyOf === undefined ? 'rows' : 'changes of rows';
  say(
    `${query.title}: ${events} events, ${result.total} ${rows}, ${Math.round((events * 1_000) / elapsed_ms)} ` +
      `events/s, ${Math.round(state_bytes / 1_024)} KiB of state`,
  );
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) say(HELP);
  else {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-nexmark-'));
    try {
      await answer(options, folder);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
} catch (error) {
  process.stderr.write(`${asMillraceError(error).message}\n`);
  process.exitCode = 1;
}
