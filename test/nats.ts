import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveNatsServer, startNatsServer } from '../connectors/index.ts';
import { freePort } from './ports.ts';

export interface TestNats {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly storeDir: string;
  /** Ends the server and removes its store. */
  stop(): Promise<void>;
  /** SIGKILL. The store stays: start again with its `port` and `storeDir`. */
  kill(): Promise<void>;
}

/**
 * A nats-server with JetStream for one test file, found as the product finds its own, on a scratch store. It
 * stands for one that `NATS_URL` names, and lets in whoever connects.
 */
export async function startTestNats(options: { port?: number; storeDir?: string } = {}): Promise<TestNats> {
  const storeDir = options.storeDir ?? (await mkdtemp(join(tmpdir(), 'millrace-test-nats-')));
  const lines: string[] = [];
  const start = async () => {
    const { path } = await resolveNatsServer({ progress: (line) => void lines.push(line) });
    return await startNatsServer({
      binary: path,
      storeDir: join(storeDir, 'nats'),
      port: options.port ?? (await freePort()),
    });
  };
  const server = await start().catch((error: unknown) => {
    throw new Error(`No NATS server for the test. ${lines.join(' ')}`, { cause: error });
  });
  return {
    url: server.url,
    port: server.port,
    pid: server.pid,
    storeDir,
    stop: async () => {
      await server.stop();
      await rm(storeDir, { recursive: true, force: true });
    },
    kill: async () => {
      process.kill(server.pid, 'SIGKILL');
      await server.exited;
    },
  };
}
