import { mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Settings } from '../api/index.ts';
import { openManager, resolveNatsServer } from '../connectors/index.ts';
import { asMillraceError } from '../engine/index.ts';
import { settingsOf } from './app.ts';
import { type Command, type CommandContext, JSON_OPTION, PLACE_OPTIONS } from './command.ts';
import { connect, embeddedUrl } from './nats.ts';

interface Finding {
  readonly check: string;
  readonly ok: boolean;
  /** What was found, or what is wrong and what to do. */
  readonly text: string;
}

const MIN_NODE = [20, 19] as const;
const MIN_FREE_BYTES = 1024 ** 3;

const ok = (check: string, text: string): Finding => ({ check, ok: true, text });
const failed = (check: string, text: string): Finding => ({ check, ok: false, text });

function nodeVersion(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isNew = major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1]);
  const text = `node ${process.versions.node}`;
  return isNew ? ok('node', text) : failed('node', `${text}: install ${MIN_NODE.join('.')} or newer.`);
}

async function natsServer(settings: Settings, { env, note }: CommandContext): Promise<Finding> {
  if (settings.natsUrl !== undefined) return ok('nats-server', 'not needed: NATS_URL is set');
  try {
    const found = await resolveNatsServer({ env, progress: note });
    return ok('nats-server', `${found.version} at ${found.path} (${found.from})`);
  } catch (error) {
    return failed('nats-server', asMillraceError(error).message);
  }
}

/** The server of NATS_URL, or the embedded one where millrace runs. */
async function jetStream({ natsUrl, dataDir }: Settings): Promise<Finding> {
  const url = natsUrl ?? (await embeddedUrl(dataDir));
  if (url === undefined)
    return ok('jetstream', 'the embedded server does not run now; it starts with millrace');
  try {
    const link = await connect(url);
    try {
      await openManager(link);
      return ok('jetstream', `${link.url} answers, version ${link.connection.info?.version}`);
    } finally {
      await link.close();
    }
  } catch (thrown) {
    const { code, message } = asMillraceError(thrown);
    // The file of an embedded server that ended says where it was.
    if (natsUrl === undefined && code === 'nats_unreachable') {
      return ok('jetstream', 'the embedded server does not run now; it starts with millrace');
    }
    return failed('jetstream', message);
  }
}

async function dataFolder({ dataDir }: Settings): Promise<Finding> {
  const probe = join(dataDir, `.doctor-${process.pid}`);
  try {
    await mkdir(dataDir, { recursive: true });
    await writeFile(probe, '');
    await rm(probe);
    return ok('data', `${dataDir} can be written`);
  } catch (error) {
    return failed(
      'data',
      `${dataDir} cannot be written (${asMillraceError(error).message}): correct its owner and permissions, or set DATA_DIR.`,
    );
  }
}

async function freeDisk({ dataDir }: Settings): Promise<Finding> {
  try {
    const { bavail, bsize } = await statfs(dataDir);
    const free_bytes = bavail * bsize;
    const text = `${(free_bytes / 1024 ** 3).toFixed(1)} GiB free in ${dataDir}`;
    return free_bytes >= MIN_FREE_BYTES
      ? ok('disk', text)
      : failed('disk', `${text}: free some, a full disk stops the pipeline.`);
  } catch (error) {
    return failed('disk', `The free space of ${dataDir} is not known: ${asMillraceError(error).message}.`);
  }
}

function port({ host, port: number }: Settings): Promise<Finding> {
  if (number === 0) return Promise.resolve(ok('port', 'any free one (PORT=0)'));
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) =>
      resolve(
        failed(
          'port',
          `${host}:${number} cannot be listened on (${error.message}): end what uses it (a millrace that runs?), or set PORT or HOST.`,
        ),
      ),
    );
    server.listen(number, host, () => server.close(() => resolve(ok('port', `${host}:${number} is free`))));
  });
}

export const doctorCommand: Command = {
  name: 'doctor',
  summary: 'Checks what millrace needs: node, nats-server, JetStream, the data folder, disk and port',
  details: ['Fetches a nats-server where none is found, as a start would. Exit code 1: something failed.'],
  options: { ...PLACE_OPTIONS, ...JSON_OPTION },
  run: async (args, context) => {
    const settings = await settingsOf(context.env);
    const findings = [
      nodeVersion(),
      await natsServer(settings, context),
      await jetStream(settings),
      await dataFolder(settings),
      await freeDisk(settings),
      await port(settings),
    ];
    if (args.flag('json')) context.print(JSON.stringify(findings, null, 2));
    else {
      for (const finding of findings) {
        context.print(`${finding.ok ? 'ok    ' : 'failed'}  ${finding.check.padEnd(12)} ${finding.text}`);
      }
    }
    return findings.every((finding) => finding.ok) ? 0 : 1;
  },
};
