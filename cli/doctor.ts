import { mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { embeddedServer, openManager, resolveNatsServer } from '../connectors/index.ts';
import { asMillraceError } from '../engine/index.ts';
import { nodeProblem } from '../node-version.ts';
import type { CommandArguments, CommandContext, ExitCode } from './command.ts';
import { checkNatsPermissions } from './doctor-permissions.ts';
import { checkTopology } from './doctor-topology.ts';
import { type Finding, failed, ok } from './findings.ts';
import { connect } from './nats.ts';
import { type Folder, folderOf, settingOf } from './place.ts';

const MIN_FREE_BYTES = 1024 ** 3;

function nodeVersion(): Finding {
  const { node } = process.versions;
  const problem = nodeProblem(node);
  return problem === undefined ? ok('node', `node ${node}`) : failed('node', problem);
}

async function natsServer(folder: Folder, { env, note }: CommandContext): Promise<Finding> {
  if (folder.nats !== undefined) return ok('nats-server', 'not needed: NATS_URL is set');
  try {
    const found = await resolveNatsServer({ env, progress: note });
    return ok('nats-server', `${found.version} at ${found.path} (${found.from})`);
  } catch (error) {
    return failed('nats-server', asMillraceError(error).message);
  }
}

/** The server of NATS_URL, or the embedded one where millrace runs. */
async function jetStream({ nats, dataDir }: Folder): Promise<Finding> {
  const server = nats ?? (await embeddedServer(dataDir));
  if (server === undefined)
    return ok('jetstream', 'the embedded server does not run now; it starts with millrace');
  try {
    const link = await connect(server);
    try {
      await openManager(link);
      return ok('jetstream', `${link.url} answers, version ${link.connection.info?.version}`);
    } finally {
      await link.close();
    }
  } catch (thrown) {
    const { code, message } = asMillraceError(thrown);
    // The file of an embedded server that ended says where it was.
    if (nats === undefined && code === 'nats_unreachable') {
      return ok('jetstream', 'the embedded server does not run now; it starts with millrace');
    }
    return failed('jetstream', message);
  }
}

async function dataFolder({ dataDir }: Folder): Promise<Finding> {
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

async function freeDisk({ dataDir }: Folder): Promise<Finding> {
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

function port(host: string, number: number): Promise<Finding> {
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

/** What the order analytics need beside a pipeline. */
async function service(env: CommandContext['env']): Promise<Finding[]> {
  const { readSettings } = await import('../runtime/index.ts');
  const { host, port: number } = readSettings(env);
  return [await port(host, number)];
}

export async function doctor(args: CommandArguments, context: CommandContext): Promise<ExitCode> {
  const folder = folderOf(context.env);
  const hasTopology = settingOf(context.env, 'MILLRACE_TOPOLOGY') !== undefined;
  const findings = [
    nodeVersion(),
    await natsServer(folder, context),
    await jetStream(folder),
    await dataFolder(folder),
    await freeDisk(folder),
    ...(hasTopology ? [] : await checkNatsPermissions(folder, args.text('publisher'))),
    ...(hasTopology ? await checkTopology(args, context) : await service(context.env)),
  ];
  if (args.flag('json')) context.print(JSON.stringify(findings, null, 2));
  else {
    const width = Math.max(...findings.map(({ check }) => check.length));
    for (const { check, ok: isOk, text } of findings) {
      context.print(`${isOk ? 'ok    ' : 'failed'}  ${check.padEnd(width)}  ${text}`);
    }
  }
  return findings.every((finding) => finding.ok) ? 0 : 1;
}
