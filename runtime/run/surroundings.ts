import { join } from 'node:path';
import {
  DEADLETTER_STREAM,
  EVENTS_STREAM,
  ensureStream,
  type JetStreamInput,
  type NatsLink,
  type openManager,
  placed,
  startEmbeddedNats,
} from '../../connectors/index.ts';
import { asMillraceError, MillraceError } from '../../engine/index.ts';
import { type EdgeProblem, edgeProblems } from './edge-problems.ts';
import { type EdgePlace, lookAtEdges } from './look-at-edges.ts';
import type { RunOptions } from './run-options.ts';

export async function serverOf(
  { natsUrl, nats, natsPort, dataDir, streams = {} }: RunOptions,
  inputs: readonly JetStreamInput[],
  log: (line: string) => void,
  fail: (error: MillraceError) => void,
) {
  if (natsUrl !== undefined) {
    return { server: { url: natsUrl, ...nats }, stop: () => Promise.resolve() };
  }
  return await startEmbeddedNats({
    dataDir,
    ...(natsPort === undefined ? {} : { port: natsPort }),
    subjects: {
      publish: inputs.flatMap(({ subjects }) => subjects),
      read: Object.values(streams).flat(),
    },
    env: process.env,
    progress: log,
    onExit: ({ code, signal }) => {
      const message =
        `The embedded NATS server ended (${signal ?? `exit code ${code}`}); its log is ` +
        `${join(dataDir, 'nats.log')}. What was committed is safe: start again.`;
      fail(new MillraceError('nats_server_ended', message));
    },
  });
}

export async function makeStreams(
  link: NatsLink,
  manager: Awaited<ReturnType<typeof openManager>>,
  inputs: readonly JetStreamInput[],
  { streams = {} }: RunOptions,
  log: (line: string) => void,
): Promise<void> {
  const read = inputs.map(({ stream, subjects }) => [stream, subjects] as const);
  const wanted = [...read, ...Object.entries(streams)].map(([name, subjects]) => ({
    ...EVENTS_STREAM,
    name,
    subjects,
  }));
  for (const spec of [...wanted, DEADLETTER_STREAM]) {
    const { warnings } = await ensureStream(manager, placed(link, spec));
    for (const warning of warnings) log(warning);
  }
}

/**
 * Throws the first thing that can never work between the topology and its streams (`filter_outside_stream`,
 * `subject_loop`), and logs what only waits. What the server does not say now is not refused.
 */
export async function checkEdges(place: EdgePlace, log: (line: string) => void): Promise<void> {
  let problems: readonly EdgeProblem[];
  try {
    problems = edgeProblems(await lookAtEdges(place));
  } catch (thrown) {
    log(`whether sinks and filters fit the streams is not known: ${asMillraceError(thrown).message}`);
    return;
  }
  for (const { code, place: where, sentence, next, stops } of problems) {
    const text = `${where}: ${sentence} ${next}`;
    if (stops) throw new MillraceError(code, text);
    log(`${text} [${code}]`);
  }
}
