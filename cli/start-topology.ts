import { credentialsOf, jetstreamInputs } from '../connectors/index.ts';
import {
  type InputPosition,
  type MetricSample,
  MillraceError,
  type Progress,
  systemClock,
} from '../engine/index.ts';
import {
  type ClusterOptions,
  type RunningTopology,
  type RunOptions,
  readHostSettings,
  run,
} from '../runtime/index.ts';
import { type CommandArguments, type CommandContext, type ExitCode, UsageError } from './command.ts';
import { loadPublisher } from './given/index.ts';
import { keepStatus } from './keep-status.ts';
import { type Place, placeOf, progressOf, withState } from './place.ts';
import { servedOf, serveTopology } from './serve-topology.ts';
import { timeText } from './verify/index.ts';

const PROGRESS_INTERVAL_MS = 5_000;
const MS_PER_SECOND = 1_000;
/** The kind of the operators that call functions. */
const CALLS = 'to-callback';
const STREAM = /^([A-Za-z0-9_-]+)=(.+)$/;

/** Streams by name with their subjects, from `NAME=subject,subject`. */
export function streamsOf(args: CommandArguments): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(
    args.texts('stream').map((text) => {
      const [, name, subjects = ''] = STREAM.exec(text) ?? [];
      const list = subjects.split(',').map((subject) => subject.trim());
      if (name === undefined || list.some((subject) => subject === '' || /\s/.test(subject))) {
        throw new UsageError(`--stream takes NAME=SUBJECT,SUBJECT, e.g. ALERTS=alerts.>, not "${text}".`);
      }
      return [name, list];
    }),
  );
}

/** What `--failing-records` asks for. */
export function failingRecordsOf(args: CommandArguments): 'stop' | 'deadLetter' {
  const given = args.text('failing-records') ?? 'stop';
  if (given === 'stop') return 'stop';
  if (given === 'deadletters') return 'deadLetter';
  throw new UsageError(`--failing-records is "stop" or "deadletters", not "${given}".`);
}

/** Runs a topology of the user's until SIGTERM or SIGINT; throws what ends it for good. */
export async function start(args: CommandArguments, context: CommandContext): Promise<ExitCode> {
  const { env, print, note } = context;
  const streams = streamsOf(args);
  const failingRecords = failingRecordsOf(args);
  const { allowTopologyChange, onGap } = readHostSettings(env);
  const stop = context.interruptible();
  const place = await placeOf(env);
  const { topology, dataDir, nats, natsPort } = place;
  const publisher = await publisherOf(place);
  const served = servedOf(args, env);
  const cluster = clusterOf(args, nats !== undefined);
  const log = served === undefined ? plainLog(note) : served.log;
  const app = await run(topology, {
    dataDir,
    ...(nats === undefined ? { natsPort } : { natsUrl: nats.url, nats }),
    streams,
    ...(cluster === undefined ? {} : { cluster }),
    failingRecords,
    onGap,
    ...(publisher === undefined ? {} : { publisher }),
    allowTopologyChange,
    // How it ends is said below, or by the command's error.
    log: (line) => {
      if (!line.startsWith('stopped') && !line.startsWith('failed: ')) log(line);
    },
  });
  if (app.isPartitioned) {
    print(
      `  member  ${cluster?.member ?? 'alone'} (of the ${topology.partitions} partitions; see millrace cluster plan)`,
    );
  }
  const reads = jetstreamInputs(topology).map(
    ({ stream, subjects, filter }) => `${stream} (${(filter.length > 0 ? filter : subjects).join(', ')})`,
  );
  const writes = Object.entries(streams).map(([name, subjects]) => `${name} (${subjects.join(', ')})`);
  print(`millrace runs the topology "${topology.name}"`);
  print(`  reads   ${reads.join(', ')}`);
  if (writes.length > 0) print(`  writes  ${writes.join(', ')}`);
  print(`  nats    ${app.link.url}`);
  if (nats === undefined) print(publisherHelp(app.link.url, topology, dataDir));
  print(`  data    ${dataDir}`);
  const server = served === undefined ? undefined : await serveTopology(served, topology, app);
  if (server !== undefined)
    print(`  http    ${server.url}  (health, metrics, tables; to look: ${server.url}/app)`);
  const status = keepStatus({
    dataDir,
    topology: topology.name,
    facts: () => app.facts(),
    natsUrl: app.link.url,
    httpUrl: server?.url,
    log,
  });
  const reporter = setInterval(progressReporter(app, log), PROGRESS_INTERVAL_MS);
  try {
    await Promise.race([app.ended, untilAborted(stop)]);
    log('stopping: what was taken is committed');
  } catch (error) {
    if (failingRecords === 'stop' && error instanceof MillraceError && error.operator !== undefined) {
      note('With --failing-records deadletters a record that a function throws on is put aside instead.');
    }
    throw error;
  } finally {
    clearInterval(reporter);
    status.stop();
    await server?.close();
    await app.stop();
  }
  if (app.isPartitioned) {
    log('stopped; its tasks are given up');
    return 0;
  }
  const end = await withState(place, progressOf);
  log(end === undefined ? 'stopped; nothing was committed' : `stopped at ${positionsOf(end)}`);
  return 0;
}

/** What `--member` and `--standbys` ask for. */
function clusterOf(args: CommandArguments, isGivenServer: boolean): ClusterOptions | undefined {
  const member = args.text('member');
  if (member === undefined) {
    if (args.text('standbys') !== undefined) throw new UsageError('--standbys goes with --member.');
    return undefined;
  }
  if (!isGivenServer)
    throw new UsageError('--member needs a NATS that all members reach: NATS_URL, or --nats-url.');
  return { member, standbys: args.whole('standbys', 1, 0) };
}

/** Null where a task has none yet. */
function leastWatermark(tasks: readonly Progress[]): number | null {
  const least = Math.min(...tasks.map(({ watermark_ms }) => watermark_ms ?? Number.NEGATIVE_INFINITY));
  return Number.isFinite(least) ? least : null;
}

/** How a publisher gets into the embedded server. */
function publisherHelp(url: string, topology: Place['topology'], dataDir: string): string {
  const [{ stream, subjects } = { stream: '', subjects: [] }] = jetstreamInputs(topology);
  const subject = (subjects[0] ?? stream).replaceAll('*', 'x').replace(/>$/, 'x');
  return `  publish nats pub -s ${url} --nkey ${credentialsOf(dataDir).publisher} ${subject} '<a message>'`;
}

/** A line with its time, for a person. */
const plainLog =
  (note: CommandContext['note']) =>
  (line: string): void =>
    note(`${timeText(systemClock.now())}  ${line}`);

/** What calls the callbacks of a topology: messages for one that nobody has registered would wait for ever. */
async function publisherOf({ file, topology }: Place): Promise<RunOptions['publisher']> {
  const publisher = file === undefined ? undefined : await loadPublisher(file);
  const callers = topology.describe().nodes.filter(({ kind }) => kind === CALLS);
  if (publisher !== undefined || callers.length === 0) return publisher;
  const names = callers.map(({ name }) => `"${name}"`).join(', ');
  throw new MillraceError(
    'no_callbacks',
    `The topology "${topology.name}" calls functions (${names}), and its module does not say which. ` +
      'Export from it: export const publisher = (next) => new CallbackPublisher(next).register("name", ' +
      'async (message) => { … });',
  );
}

const inputsOf = (progress: Progress): InputPosition[] => [progress, ...Object.values(progress.others ?? {})];

const positionsOf = (progress: Progress): string =>
  inputsOf(progress)
    .map(({ stream, sequence, head }) => `${stream} ${sequence} of ${head}`)
    .join(', ');

/** What a person wants to hear of: what was not simply processed. */
const NOTABLE = /\.(late|rejected|refused|conflicts|limited|overflow|overflowed|failing_records)$/;
const RECORDS = 'millrace.task.records';

/** Says every time what has happened since the last: how far it is, how fast, and what was put aside. */
function progressReporter(app: RunningTopology, log: (line: string) => void): () => void {
  let told = new Map<string, number>();
  return () => {
    const counters = app.metrics().filter(({ kind }) => kind === 'counter');
    const moved = counters.map((sample) => {
      const before = told.get(keyOf(sample)) ?? 0;
      // A task that was started again counts from 0.
      return { ...sample, by: sample.value < before ? sample.value : sample.value - before };
    });
    told = new Map(counters.map((sample) => [keyOf(sample), sample.value]));
    const notable = moved.filter(({ name, by }) => by > 0 && NOTABLE.test(name));
    const records = moved.reduce((sum, { name, by }) => (name === RECORDS ? sum + by : sum), 0);
    const told_of = app.readers().flatMap((reader) => progressOf(reader) ?? []);
    // Of a partitioned topology each task has a position: "millrace cluster plan" shows them.
    const [progress] = told_of;
    if (progress === undefined || (records === 0 && notable.length === 0)) return;
    const watermark_ms = leastWatermark(told_of);
    const rate = Math.round((records * MS_PER_SECOND) / PROGRESS_INTERVAL_MS);
    const time = watermark_ms === null ? 'no watermark yet' : `watermark ${timeText(watermark_ms)}`;
    const asides = notable.map((sample) => `, ${sample.by} ${keyOf(sample).replace(/^millrace\./, '')}`);
    const where = app.isPartitioned ? `${told_of.length} tasks` : positionsOf(progress);
    log(`${where}, ${rate} records/s, ${time}${asides.join('')}`);
  };
}

/** The name, with what tells counters of one name apart. */
function keyOf({ name, labels }: MetricSample): string {
  const values = Object.values(labels);
  return values.length === 0 ? name : `${name} (${values.join(', ')})`;
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
