import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { resolveNatsServer } from '../connectors/index.ts';
import { freePorts } from './ports.ts';

export interface ClusterServer {
  readonly url: string;
  readonly process: ChildProcess;
}

/** Three nats-servers that are one cluster, called `three`, in a folder that is there; each with the tag `orders`. */
export async function startNatsCluster(dir: string): Promise<readonly ClusterServer[]> {
  const { path } = await resolveNatsServer();
  const ports = await freePorts(6);
  const routes = ports.slice(3).map((port) => `"nats-route://127.0.0.1:${port}"`);
  const servers: ClusterServer[] = [];
  for (let at = 0; at < 3; at++) {
    const [port, route] = [ports[at], ports[3 + at]];
    const file = join(dir, `server-${at}.conf`);
    await writeFile(
      file,
      `server_name: s${at}
server_tags: [orders]
listen: "127.0.0.1:${port}"
jetstream { store_dir: "${join(dir, `store-${at}`)}" }
cluster { name: three, listen: "127.0.0.1:${route}", routes: [${routes.join(', ')}] }
`,
    );
    servers.push({
      url: `nats://127.0.0.1:${port}`,
      process: spawn(path, ['-c', file], { stdio: 'ignore' }),
    });
  }
  return servers;
}

/** Ends what still runs, also what stands still. */
export async function endProcesses(processes: Iterable<ChildProcess>): Promise<void> {
  await Promise.all(
    [...processes].map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }),
  );
}
