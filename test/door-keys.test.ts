import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestNats, type TestNats } from './nats.ts';
import { ADMIN_KEY, type HttpAnswer, type Millrace, until } from './process.ts';
import { Scratch } from './scratch.ts';

const PATIENTLY_MS = 120_000;
const OTHER_KEY = 'another-admin-key-9876543210';
const THIRD_KEY = 'a-third-admin-key-1122334455';
const SIGNED = { KEY_SIGNING_SECRET: 'the-same-secret-for-all-processes-0123' };

const scratch = new Scratch();
let nats: TestNats;

beforeAll(async () => {
  nats = await startTestNats();
});
afterAll(async () => {
  await scratch.clean();
  await nats.stop();
});

const start = async (name: string, env: Readonly<Record<string, string>>): Promise<Millrace> =>
  await scratch.start({
    dataDir: await scratch.dir(name),
    env: { NATS_URL: nats.url, ...SIGNED, ...env },
  });

const as = (key: string): { readonly Authorization: string } => ({ Authorization: `Bearer ${key}` });

const asked = (service: Millrace, key: string): Promise<HttpAnswer> =>
  service.request('GET', '/keys', { headers: as(key) });

/** Until the watches of the bucket have told a service of it. */
const untilStatus = (service: Millrace, key: string, status: number): Promise<true> =>
  until(
    async () => ((await asked(service, key)).status === status ? true : undefined),
    () => `${key} is answered ${status}: ${service.output}`,
    PATIENTLY_MS,
  );

const idsOf = ({ json }: HttpAnswer): readonly string[] =>
  (json.keys as readonly { readonly id: string }[]).map(({ id }) => id);

describe('the key of an installation', () => {
  let first: Millrace;

  it('is neither seen nor revoked by an admin of the tenant that it is in', async () => {
    first = await start('door-first', {});
    const made = await first.request('POST', '/keys', { body: { name: 'shop', role: 'admin' } });
    const own = String(made.json.key);
    expect(idsOf(await asked(first, ADMIN_KEY))).toContain('preset');
    const seen = await asked(first, own);
    expect([seen.status, idsOf(seen).includes('preset')]).toEqual([200, false]);
    const everyKey = await first.request('POST', '/keys', {
      body: { name: 'all', role: 'admin', tenants: '*' },
    });
    expect(everyKey.status).toBe(201);
    for (const id of ['preset', String(everyKey.json.id)]) {
      const refused = await first.request('DELETE', `/keys/${id}`, { headers: as(own) });
      expect([id, refused.status]).toEqual([id, 404]);
    }
    const wide = await first.request('POST', '/keys', {
      headers: as(own),
      body: { name: 'wide', role: 'admin', tenants: '*' },
    });
    expect([wide.status, wide.json.code]).toEqual([403, 'tenant_forbidden']);
    expect((await asked(first, ADMIN_KEY)).status).toBe(200);
    expect((await asked(first, String(everyKey.json.key))).status).toBe(200);
  }, 300_000);

  it('is another one when a second service with another ADMIN_KEY starts: both say so', async () => {
    const second = await start('door-second', { ADMIN_KEY: OTHER_KEY });
    await untilStatus(first, ADMIN_KEY, 401);
    expect(second.output).toContain('takes the place of the one that was preset before');
    expect(first.output).toContain('another process on this NATS has preset another one');
    // The same key opens both, and nothing but the preset key has changed.
    for (const service of [first, second]) await untilStatus(service, OTHER_KEY, 200);
    expect((await asked(second, ADMIN_KEY)).status).toBe(401);
    await second.terminate();
  }, 300_000);

  it('stays revoked, and the start says how to come back', async () => {
    expect((await first.request('DELETE', '/keys/preset', { headers: as(OTHER_KEY) })).status).toBeLessThan(
      300,
    );
    await untilStatus(first, OTHER_KEY, 401);
    await first.terminate();
    const again = await start('door-again', { ADMIN_KEY: OTHER_KEY });
    expect(again.output).toContain('was revoked and does not work');
    expect(again.output).toContain('start with another ADMIN_KEY');
    expect((await asked(again, OTHER_KEY)).status).toBe(401);
    await again.terminate();
    const back = await start('door-back', { ADMIN_KEY: THIRD_KEY });
    await untilStatus(back, THIRD_KEY, 200);
    await back.terminate();
  }, 300_000);

  it('of a service with another KEY_SIGNING_SECRET is none of the others: each refuses what the other wrote', async () => {
    const one = await start('door-one', { ADMIN_KEY: THIRD_KEY });
    await untilStatus(one, THIRD_KEY, 200);
    const other = await start('door-foreign', {
      ADMIN_KEY: OTHER_KEY,
      KEY_SIGNING_SECRET: 'a-secret-of-its-own-that-nobody-shares',
    });
    await untilStatus(other, OTHER_KEY, 200);
    await until(
      () => (one.output.includes('give both the same KEY_SIGNING_SECRET') ? true : undefined),
      () => `the first one says that it does not know the record: ${one.output}`,
      PATIENTLY_MS,
    );
    // What one has in force stays in force there, and opens nothing in the other.
    expect((await asked(one, THIRD_KEY)).status).toBe(200);
    expect((await asked(one, OTHER_KEY)).status).toBe(401);
    expect((await asked(other, THIRD_KEY)).status).toBe(401);
  }, 300_000);
});
