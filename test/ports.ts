import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below those that the system gives to connections: of these no connection of anybody takes one meanwhile. */
const FIRST = 12_000;
const PORTS = 20_000;

/** Test processes begin apart from each other. */
let next = (process.pid * 97) % PORTS;

/** Ports of this machine that nobody listens on, for servers that are to be found where they were. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const found: number[] = [];
  while (found.length < count) {
    const port = FIRST + next;
    next = (next + 1) % PORTS;
    if (await isFree(port)) found.push(port);
  }
  return found;
}

export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const failed = once(server, 'error').then(() => false);
  const listening = new Promise<boolean>((resolve) => {
    server.listen(port, '127.0.0.1', () => resolve(true));
  });
  const found = await Promise.race([listening, failed]);
  if (found) await new Promise((resolve) => server.close(resolve));
  return found;
}
