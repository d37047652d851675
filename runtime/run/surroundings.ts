import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  DEADLETTER_STREAM,
  EVENTS_STREAM,
  ensureStream,
  type JetStreamInput,
  type openManager,
  startEmbeddedNats,
} from '../../connectors/index.ts';
import { MillraceError } from '../../engine/index.ts';
import type { RunOptions } from './run-options.ts';

export async function makeFolder(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const message = `The data folder ${dataDir} cannot be made (${why}): give another one, or correct the permissions of the folder that it lies in.`;
    throw new MillraceError('data_dir_unusable', message, { cause: error });
  }
}

export async function serverOf(
  { natsUrl, dataDir }: RunOptions,
  log: (line: string) => void,
  fail: (error: MillraceError) => void,
) {
  if (natsUrl !== undefined) return { url: natsUrl, stop: () => Promise.resolve() };
  return await startEmbeddedNats({
    dataDir,
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
    const { warnings } = await ensureStream(manager, spec);
    for (const warning of warnings) log(warning);
  }
}
