import { spawnSync } from 'node:child_process';
import { nkeys } from 'nats';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { configured } from '../../test/configured-nats.ts';
import { freePort } from '../../test/ports.ts';
import { certificates, fileOf, operatorMode, seedOf } from './client/fixture-credentials.ts';
import { connectNats, ensureStreams, type NatsServer, openManager } from './client/index.ts';
import { openKeyValueStore } from './kv/index.ts';
import { StreamPayloads } from './payloads/index.ts';
import { EventPublisher } from './publish/index.ts';
import { JetStreamSource } from './source/index.ts';

// Real processes, which a busy machine starts slowly.
vi.setConfig({ testTimeout: 60_000 });

const HAS_OPENSSL = spawnSync('openssl', ['version']).status === 0;

/** Everything that a service does with a server: streams, buckets, events in and out. */
async function useAll(server: NatsServer): Promise<void> {
  const link = await connectNats({ ...server, name: 'test' });
  try {
    expect((await ensureStreams(link)).warnings).toEqual([]);
    const payload = Buffer.from('x');
    const { lastSequence } = await new EventPublisher(link).publishAll([{ subject: 'events.t.k', payload }]);
    const source = new JetStreamSource({ link, stream: 'EVENTS' });
    await source.start(0);
    await vi.waitFor(async () => expect(await source.take({ max: 1, wait_ms: 100 })).toHaveLength(1), 10_000);
    await source.stop();
    const payloads = new StreamPayloads({ link, stream: 'EVENTS', subjectOf: () => 'events.>' });
    const found = await payloads.fetch([lastSequence], new AbortController().signal);
    expect(found.get(lastSequence)).toBeDefined();
    const store = await openKeyValueStore(link, 'test-bucket');
    const created = await store.create('k', 1);
    expect(created.ok && (await store.update('k', 2, created.revision)).ok).toBe(true);
    expect((await store.list()).map(({ value }) => value)).toEqual([2]);
    await store.delete('k');
    expect(await store.get('k')).toBeUndefined();
  } finally {
    await link.close();
  }
}

const refused = async (server: NatsServer, code: string): Promise<void> => {
  const connecting = connectNats({ ...server, name: 'test', connect_timeout_ms: 5_000 });
  await expect(connecting).rejects.toMatchObject({ code });
};

describe('a server with', () => {
  it('user and password', async () => {
    const url = await configured('authorization { user: u, password: "p w" }');
    await useAll({ url, credentials: { kind: 'user', user: 'u', password: 'p w' } });
    await useAll({ url: url.replace('//', '//u:p%20w@') });
    await refused({ url, credentials: { kind: 'user', user: 'u', password: 'x' } }, 'nats_unauthorized');
    await refused({ url }, 'nats_unauthorized');
  });

  it('a token', async () => {
    const url = await configured('authorization { token: "secret" }');
    await useAll({ url, credentials: { kind: 'token', token: 'secret' } });
    await refused({ url, credentials: { kind: 'token', token: 'x' } }, 'nats_unauthorized');
  });

  it('an NKey', async () => {
    const user = nkeys.createUser();
    const url = await configured(`authorization { users: [{ nkey: ${user.getPublicKey()} }] }`);
    await useAll({ url, credentials: { kind: 'nkey', file: await fileOf(`${seedOf(user)}\n`) } });
    const other = await fileOf(seedOf(nkeys.createUser()));
    await refused({ url, credentials: { kind: 'nkey', file: other } }, 'nats_unauthorized');
    for (const file of [await fileOf('nothing'), `${other}-missing`]) {
      await refused({ url, credentials: { kind: 'nkey', file } }, 'nats_credentials_unreadable');
      await refused({ url, credentials: { kind: 'creds', file } }, 'nats_credentials_unreadable');
    }
  });

  it('an operator, accounts and users, and so credentials files', async () => {
    const { text, credsFile } = await operatorMode();
    const url = await configured(text);
    await useAll({ url, credentials: { kind: 'creds', file: credsFile } });
    await refused({ url }, 'nats_unauthorized');
  });

  it.skipIf(!HAS_OPENSSL)('TLS that asks for certificates', async () => {
    const { ca_file, cert_file, key_file } = await certificates();
    const files = `cert_file: "${cert_file}", key_file: "${key_file}", ca_file: "${ca_file}"`;
    const url = await configured(`tls { ${files}, verify: true }`);
    await useAll({ url, tls: { ca_file, cert_file, key_file } });
    await useAll({ url: url.replace('nats:', 'tls:'), tls: { ca_file, cert_file, key_file } });
    await refused({ url }, 'nats_tls_failed');
    await refused({ url, tls: { ca_file: `${ca_file}-missing` } }, 'nats_tls_unreadable');
    await refused({ url: await configured(''), tls: { ca_file } }, 'nats_tls_failed');
  });

  it('a domain of its own', async () => {
    const url = await configured('', 'domain: here');
    await useAll({ url, domain: 'here' });
    await useAll({ url });
  });

  it('its streams in the domain of another server that it is a leaf of', async () => {
    const leafPort = await freePort();
    const hub = await configured(`leafnodes { host: 127.0.0.1, port: ${leafPort} }`, 'domain: hub');
    const leaf = await configured(
      `leafnodes { remotes: [{ url: "nats://127.0.0.1:${leafPort}" }] }`,
      'domain: leaf',
    );
    await vi.waitFor(() => useAll({ url: leaf, domain: 'hub', inboxPrefix: '_INBOX_here' }), 20_000);
    const [link, other] = await Promise.all([hub, leaf].map((url) => connectNats({ url, name: 'test' })));
    onTestFinished(async () => {
      await link?.close();
      await other?.close();
    });
    if (link === undefined || other === undefined) throw new Error('no links');
    const names = async (of: typeof link): Promise<string[]> =>
      (await (await openManager(of)).streams.list().next()).map(({ config }) => config.name).sort();
    expect(await names(link)).toEqual(['DEADLETTER', 'EVENTS', 'KV_test-bucket']);
    expect(await names(other)).toEqual([]);
  });

  it('permission for an inbox prefix only', async () => {
    const user = '{ user: u, password: p, permissions: { publish: ">", subscribe: "_INBOX_u.>" } }';
    const url = await configured(`authorization { users: [${user}] }`);
    const credentials = { kind: 'user', user: 'u', password: 'p' } as const;
    await useAll({ url, credentials, inboxPrefix: '_INBOX_u' });
  });

  it('tags: streams and buckets are placed where they are asked for', async () => {
    const url = await configured('server_tags: ["ssd"]');
    await useAll({ url, streams: { placement: { tags: ['ssd'] } } });
    const link = await connectNats({ url, name: 'test', streams: { replicas: 3 } });
    onTestFinished(() => link.close());
    expect((await ensureStreams(link)).warnings.join()).toContain('has 1 replicas, and 3 are asked for');
  });
});
