import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { asMillraceError, MillraceError } from '../../engine/index.ts';
import { packageRoot, type RunningApp, startApp } from './app.ts';
import { progressBar, rateOf } from './progress.ts';
import { type Prepared, prepare, publish } from './publish.ts';
import {
  askKpis,
  curlOf,
  metaLines,
  moneyFormat,
  revenueQuery,
  revenueTable,
  totalNet,
  untilApplied,
} from './report.ts';

const HELP = `Online Retail: a shop's orders and refunds through NATS, and its revenue from the API.

  npm run example [-- options]

  --file PATH  the whole data set, or any CSV with its columns, plain or gzipped
               (default: the sample of August and September 2011 beside this program)
  --keep       stays up afterwards, so that the curl command can be used; Ctrl-C ends it
  --help       this text

Everything runs on a scratch folder and on free ports, and is removed at the end.
`;

const CURRENCY = 'GBP';
const MIB = 1_048_576;
const MS_PER_SECOND = 1_000;
const numbers = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 1 });
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const seconds = (ms: number): string => `${numbers.format(ms / MS_PER_SECOND)} s`;

interface Options {
  readonly file: string;
  readonly keep: boolean;
  readonly help: boolean;
}

function readOptions(args: readonly string[]): Options {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { file: { type: 'string' }, keep: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    });
    const file = values.file ?? join(packageRoot(), 'examples', 'online-retail', 'sample.csv.gz');
    return { file, keep: values.keep === true, help: values.help === true };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new MillraceError('bad_option', `${reason} Ask for --help.`, { cause: error });
  }
}

async function load(file: string): Promise<Prepared> {
  const started_ms = performance.now();
  const prepared = await prepare(file);
  if (prepared.messages.length === 0) throw new MillraceError('empty_file', `"${file}" has no lines.`);
  const { lines, bytes, types, net, first, last } = prepared;
  const kinds = Object.entries(types).map(([type, count]) => `${numbers.format(count)} ${type}`);
  say(`Read ${relative('', file)} in ${seconds(performance.now() - started_ms)}`);
  say(`  ${numbers.format(lines)} lines from ${first} to ${last}`);
  say(`  ${kinds.join(', ')}; ${numbers.format(bytes / MIB)} MiB of JSON`);
  say(`  Σ quantity × price: ${moneyFormat(CURRENCY)(net)}`);
  return prepared;
}

/** Publishes, waits until everything is applied, and shows the answer; whether it is the file's sum. */
async function show(app: RunningApp, { messages, lines, net, first, last }: Prepared): Promise<boolean> {
  const { length } = messages;
  say(`\nPublishing to ${app.nats.url}, subject events.default.<customer or order>`);
  const started_ms = performance.now();
  await publish(app.nats, messages, progressBar(length, process.stdout));
  const published_ms = performance.now();
  say('Applied by the engine, since the first was published');
  await untilApplied(app, length, progressBar(length, process.stdout, started_ms));
  const applied_ms = performance.now();
  const query = revenueQuery(first, last);
  const reply = await askKpis(app, query);
  const answered_ms = performance.now();
  const rate = (count: number): string => numbers.format(Math.round(rateOf(count, applied_ms - started_ms)));
  say(
    `  stored in ${seconds(published_ms - started_ms)}, applied in ${seconds(applied_ms - started_ms)} ` +
      `(${rate(length)} events/s, ${rate(lines)} lines/s), answered in ` +
      `${numbers.format(answered_ms - applied_ms)} ms`,
  );
  say(
    `\nNet revenue (orders − refunds) by month and country\n\n${revenueTable(reply)}\n\n${metaLines(reply)}`,
  );
  const money = moneyFormat(reply.currency ?? CURRENCY);
  const answered = totalNet(reply);
  const equal = answered === net;
  say(
    `Σ over all months and countries: ${money(answered)}, ${equal ? 'the same as' : `but ${money(net)} is`} the file's to the penny`,
  );
  say(`\nThe same from a shell:\n\n${curlOf(app, query)}\n`);
  return equal;
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  const prepared = await load(options.file);
  let interrupt: () => void = () => {};
  const interrupted = new Promise<void>((resolve) => {
    interrupt = resolve;
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt);
  // Whoever reads the output may go away, as `head` does: what runs here must still be ended.
  process.stdout.on('error', interrupt);
  say('\nStarting NATS, the engine and the API on a scratch folder');
  const app = await startApp({ log: (line) => process.stderr.write(`  ${line}\n`) });
  try {
    say(`  API ${app.url} (documentation ${app.url}/docs), data in ${app.dataDir}`);
    const shown = show(app, prepared);
    // Whoever interrupts wants the end: what is still being asked then fails, and nobody cares.
    const equal = await Promise.race([shown, interrupted.then(() => undefined)]);
    if (equal === undefined) shown.catch(() => {});
    if (equal === false) process.exitCode = 1;
    if (options.keep && equal !== undefined) {
      say(`It stays up: use the command above, or open ${app.url}/docs. Ctrl-C ends it.`);
      await interrupted;
    } else if (equal !== undefined) {
      say('Everything stops now; add "-- --keep" to leave it up and use the command above.');
    }
  } finally {
    await app.stop();
  }
}

main().then(
  () => process.exit(),
  (thrown: unknown) => {
    const error = asMillraceError(thrown);
    process.stderr.write(`example: ${error.message} [${error.code}]\n`);
    process.exit(1);
  },
);
