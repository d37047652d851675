import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  connectNats,
  EventPublisher,
  embeddedServer,
  type NatsLink,
  openKeyValueStore,
  openManager,
  streamFacts,
} from '../connectors/index.ts';
import { DEFINITIONS_BUCKET } from '../runtime/index.ts';
import { intrude } from './door-intruder.ts';
import { ADMIN_KEY, Millrace } from './process.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 240_000 });

let parent = '';
let dataDir = '';
let service: Millrace;
let nats: { readonly service: NatsLink; readonly publisher: NatsLink; readonly reader: NatsLink };

/** Everything under a folder, itself included. */
async function under(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  return [folder, ...names.map((name) => join(folder, name))];
}

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'millrace-door-'));
  await chmod(parent, 0o755);
  dataDir = join(parent, 'data');
  // As an older version left it, with the modes of an ordinary umask.
  await mkdir(join(dataDir, 'jobs'), { recursive: true });
  await writeFile(join(dataDir, 'jobs', 'old.json.gone'), '{}');
  await writeFile(join(dataDir, 'nats.conf'), '');
  await writeFile(join(dataDir, 'notes.txt'), 'mine');
  for (const path of await under(dataDir)) await chmod(path, path.includes('.') ? 0o666 : 0o777);
  service = new Millrace({ dataDir, env: { ADMIN_KEY, LOG_LEVEL: 'info' } });
  await service.untilOk();
  const linkOf = async (user: 'service' | 'publisher' | 'reader'): Promise<NatsLink> => {
    const server = await embeddedServer(dataDir, user);
    if (server === undefined) throw new Error('no server');
    return await connectNats({ ...server, name: 'door' });
  };
  nats = {
    service: await linkOf('service'),
    publisher: await linkOf('publisher'),
    reader: await linkOf('reader'),
  };
});

afterAll(async () => {
  for (const link of Object.values(nats ?? {})) await link.close();
  if (service?.isRunning) await service.terminate();
  await rm(parent, { recursive: true, force: true });
});

/** The violations that the server told a client of, until it has answered all before this. */
async function violationsOf({ connection }: NatsLink, work: () => void): Promise<string[]> {
  const heard: string[] = [];
  const statuses = connection.status();
  const listening = (async () => {
    for await (const status of statuses) if (status.type === 'error') heard.push(status.error.message);
  })();
  work();
  await connection.flush();
  // What was heard is told in the next turns.
  await new Promise((resolve) => setTimeout(resolve, 50));
  (statuses as { stop?: () => void }).stop?.();
  void listening;
  return heard;
}

const ignore = { callback: () => undefined };

describe('a running installation', () => {
  it('keeps what it writes to its owner, and what it found', async () => {
    const loose: string[] = [];
    for (const path of await under(dataDir)) {
      const { mode } = await stat(path);
      if ((mode & 0o077) !== 0) loose.push(`${path} ${(mode & 0o777).toString(8)}`);
    }
    // What is not of millrace is left as it is; nobody gets to it.
    expect(loose).toEqual([`${join(dataDir, 'notes.txt')} 666`]);
    expect(service.output).toContain('other users of this machine could reach');
  });

  it.skipIf(process.getuid?.() !== 0)('gives nothing to another user of the machine', async () => {
    const { service: link } = nats;
    const before = await streamFacts(await openManager(link), 'EVENTS');
    const pids = [service.pid, service.natsPid ?? 0];
    const watchdog = /^PPid:\t(\d+)$/m.exec(await readFile(`/proc/${pids[1]}/status`, 'utf8'))?.[1];
    const loot = await intrude({
      dataDir,
      paths: await under(dataDir),
      port: Number(link.url.split(':').at(-1)),
      pids: [...pids, Number(watchdog)],
      secrets: [ADMIN_KEY, 'SU', 'mr_'],
    });
    expect(loot).toEqual({
      uid: 65_534,
      paths: [],
      processes: [],
      nats: Object.fromEntries(
        ['connect', 'publish', 'subscribe', 'keys', 'guessed'].map((name) => [
          name,
          "-ERR 'Authorization Violation'",
        ]),
      ),
    });
    expect(await streamFacts(await openManager(link), 'EVENTS')).toEqual(before);
  });

  it('gives the server none of its secrets', async () => {
    const environment = await readFile(`/proc/${service.natsPid}/environ`, 'utf8').catch(() => '');
    expect(environment).not.toContain(ADMIN_KEY);
  });
});

describe('a publisher', () => {
  const event = (id: string) => ({
    subject: 'events.default.c1',
    payload: Buffer.from(
      JSON.stringify({
        event_id: id,
        type: 'order.created',
        time: '2025-03-10T10:00:00Z',
        order_id: id,
        amount: 1,
      }),
    ),
  });

  it('publishes events, with answers', async () => {
    const published = await new EventPublisher(nats.publisher).publishAll([event('a'), event('b')]);
    expect(published.sequences).toHaveLength(2);
    nats.publisher.connection.publish('events.default.c1', event('c').payload);
    await nats.publisher.connection.flush();
    await vi.waitFor(async () => {
      const { lastSequence } = await streamFacts(await openManager(nats.service), 'EVENTS');
      expect(lastSequence).toBe(published.lastSequence + 1);
    }, 10_000);
  });

  it('and nothing else', async () => {
    const { publisher } = nats;
    const publishing = [
      'deadletter.x',
      'anomalies.x',
      'x',
      '_INBOX.x',
      '_INBOX_publisher.x',
      '$KV.millrace-definitions.def.api_key.default.x',
      '$KV.millrace-keys.key.x',
    ];
    const asking = [
      'STREAM.INFO.EVENTS',
      'STREAM.PURGE.EVENTS',
      'DIRECT.GET.EVENTS',
      'CONSUMER.CREATE.EVENTS.x',
    ];
    const subjects = [...publishing, '$SYS.REQ.USER.INFO', ...asking.map((name) => `$JS.API.${name}`)];
    for (const subject of subjects) {
      const heard = await violationsOf(publisher, () => publisher.connection.publish(subject, ''));
      expect([subject, heard]).toEqual([subject, [expect.stringContaining('ermissions Violation')]]);
    }
    for (const subject of [
      '>',
      'events.>',
      'anomalies.>',
      '_INBOX.>',
      '_INBOX_publisher_other.>',
      '$KV.>',
      '_R_.>',
    ]) {
      const heard = await violationsOf(publisher, () => publisher.connection.subscribe(subject, ignore));
      expect([subject, heard]).toEqual([subject, [expect.stringContaining('ermissions Violation')]]);
    }
  });

  it('cannot have the answers sent to where it may not publish', async () => {
    const { publisher, service: link } = nats;
    const manager = await openManager(link);
    const before = await streamFacts(manager, 'EVENTS');
    const keys = await openKeyValueStore(link, DEFINITIONS_BUCKET);
    const preset = 'def.api_key.default.preset';
    const targets = [
      '$JS.API.STREAM.PURGE.EVENTS',
      `$KV.${DEFINITIONS_BUCKET}.${preset}`,
      '$JS.API.STREAM.DELETE.EVENTS',
    ];
    const known = await keys.get(preset);
    expect(known).toBeDefined();
    for (const reply of targets)
      publisher.connection.publish('events.default.c1', event(reply).payload, { reply });
    await publisher.connection.flush();
    await vi.waitFor(async () => {
      const after = await streamFacts(manager, 'EVENTS');
      expect(after.lastSequence).toBe(before.lastSequence + targets.length);
    }, 10_000);
    // An answer is sent when the message is stored; a request behind it is answered after it.
    const { firstSequence } = await streamFacts(manager, 'EVENTS');
    expect(firstSequence).toBe(before.firstSequence);
    expect(await keys.get(preset)).toEqual(known);
  });
});

it('a reader hears of anomalies and nothing else', async () => {
  const { reader, service: link } = nats;
  const heard: string[] = [];
  reader.connection.subscribe('anomalies.>', { callback: (_, message) => void heard.push(message.subject) });
  await reader.connection.flush();
  link.connection.publish('anomalies.default.a', '{}');
  await vi.waitFor(() => expect(heard).toEqual(['anomalies.default.a']), 10_000);
  for (const subject of ['>', 'events.>', '_INBOX.>', '$KV.>', 'deadletter.>']) {
    const violations = await violationsOf(reader, () => reader.connection.subscribe(subject, ignore));
    expect([subject, violations]).toEqual([subject, [expect.stringContaining('ermissions Violation')]]);
  }
  for (const subject of ['events.default.x', 'anomalies.x', '$JS.API.INFO', '$KV.millrace-definitions.x']) {
    const violations = await violationsOf(reader, () => reader.connection.publish(subject, ''));
    expect([subject, violations]).toEqual([subject, [expect.stringContaining('ermissions Violation')]]);
  }
});

it('a record written into the bucket of the keys, even as the service, makes nobody an admin', async () => {
  const keys = await openKeyValueStore(nats.service, DEFINITIONS_BUCKET);
  const place = (id: string): string => `def.api_key.default.${id}`;
  const preset = (await keys.get(place('preset')))?.value as Record<string, unknown>;
  const id = '0123456789abcdef';
  // The salt and hash of a key that is known: its token under another id.
  await keys.create(place(id), { ...preset, id });
  const { signature: _, ...unsigned } = preset;
  await keys.create(place('fedcba9876543210'), { ...unsigned, id: 'fedcba9876543210' });
  const metric = async (): Promise<string> => {
    const { url } = await service.listening;
    const headers = { Authorization: `Bearer ${ADMIN_KEY}` };
    return await (await fetch(`${url}/v1/order-analytics/metrics`, { headers })).text();
  };
  await vi.waitFor(async () => expect(await metric()).toMatch(/^millrace_keys_refused\S* 2$/m), 10_000);
  const { status, json } = await service.request('GET', '/keys');
  expect(status).toBe(200);
  expect(JSON.stringify(json)).not.toContain(id);
});
