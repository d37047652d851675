import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect } from 'vitest';
import { EventPublisher } from '../connectors/index.ts';
import { ContractService } from './contract-service.ts';
import { itLong } from './it-long.ts';
import { ADMIN_KEY, until } from './process.ts';
import { Scratch } from './scratch.ts';

const IDLE = 2_000;
const FAST = 20;
const MESSAGES = 300;
/** With these a connection that takes nothing is soon full, bytes. */
const MESSAGE_BYTES = 60_000;
/** Resident memory that a client may cost the service, bytes. */
const CLIENT_MAX_BYTES = 60_000;
const TEST_MS = 600_000;

const scratch = new Scratch();
afterAll(() => scratch.clean());

interface Client {
  readonly socket: Socket;
  heard: number;
  last: number;
}

async function client(port: number, tenant: string): Promise<Client> {
  const socket = connect(port, '127.0.0.1');
  const opened: Client = { socket, heard: 0, last: 0 };
  const begun = new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.on('data', (bytes) => {
      const text = bytes.toString('latin1');
      if (text.includes('retry: ')) resolve();
      for (const [, id] of text.matchAll(/(?:^|\n)id: (\d+)\n/g)) {
        opened.heard++;
        opened.last = Number(id);
      }
    });
  });
  socket.write(
    `GET /v1/order-analytics/anomalies/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ADMIN_KEY}\r\n` +
      `X-Tenant-ID: ${tenant}\r\n\r\n`,
  );
  await begun;
  return opened;
}

const residentBytes = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024;

itLong(
  'two thousand idle clients cost little, and one that takes nothing keeps nothing from others',
  async () => {
    const service = await ContractService.start(scratch, {});
    const { url } = await service.instance.listening;
    const port = Number(new URL(url).port);
    const clients: Client[] = [await client(port, 'warm')];
    await sleep(5_000);
    const before = residentBytes(service.instance.pid);
    for (let at = 0; at < IDLE; at += 50)
      clients.push(
        ...(await Promise.all(
          Array.from({ length: Math.min(50, IDLE - 1 - at) }, () => client(port, 'idle')),
        )),
      );
    await sleep(5_000);
    const each = (residentBytes(service.instance.pid) - before) / (clients.length - 1);
    process.stdout.write(`${clients.length} clients, ${Math.round(each)} bytes of resident memory each\n`);
    expect(each).toBeLessThan(CLIENT_MAX_BYTES);
    // Those of one key are full; its idle ones are closed for others.
    for (const { socket } of clients.splice(0, FAST + 2)) socket.destroy();
    await sleep(2_000);
    const slow = await client(port, 'busy');
    slow.socket.pause();
    const fast = await Promise.all(Array.from({ length: FAST }, () => client(port, 'busy')));
    const publisher = new EventPublisher(service.link);
    const body = { id: 'a', kind: 'metric', metric: 'revenue', severity: 'high', type: 'anomaly.detected' };
    const text = JSON.stringify({ ...body, text: 'x'.repeat(MESSAGE_BYTES), group: {} });
    const began_ms = performance.now();
    const payload = Buffer.from(text);
    for (let at = 0; at < MESSAGES; at++)
      await publisher.publishAll([{ subject: 'anomalies.busy.revenue.high', payload }]);
    await until(
      async () => (fast.every(({ heard }) => heard === MESSAGES) ? true : undefined),
      () => `all have ${MESSAGES}: ${fast.map(({ heard }) => heard).join()}`,
      120_000,
    );
    process.stdout.write(
      `${MESSAGES} messages to ${FAST} clients in ${Math.round(performance.now() - began_ms)} ms\n`,
    );
    // It takes what waits for it, or is dropped: none of it is kept here for it.
    const dropped = async (): Promise<true | undefined> => {
      const metrics = await (
        await fetch(`${url}/v1/order-analytics/metrics`, {
          headers: { Authorization: `Bearer ${ADMIN_KEY}` },
        })
      ).text();
      return /^millrace_http_event_streams_dropped_total(?:\{[^}]*\})? 1$/m.test(metrics) ? true : undefined;
    };
    await until(dropped, () => 'the one that takes nothing is dropped', 150_000);
    expect((await service.instance.health()).status).toBe('ok');
    for (const { socket } of [...clients, ...fast, slow]) socket.destroy();
    await service.stop();
  },
  TEST_MS,
);
