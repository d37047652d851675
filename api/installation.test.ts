import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { isLong } from '../test/long.ts';
import { startTestApi, type TestApi } from './fixture-api.ts';
import { type Json, type Operation, openApiOf, World } from './fixture-operations.ts';
import { ROLES } from './http/index.ts';

/** What a key of one tenant does, in any role and any operation, leaves other tenants and the installation as they were. */

const GENEROUS = { RATE_LIMIT_RPS: '1000000', RATE_LIMIT_BURST: '1000000' };
const RANGE = { start: '2025-01-01T00:00:00Z', end: '2026-01-01T00:00:00Z' };

/** Every value of every bucket, and every message, that is not of the tenant. */
async function restOf(test: TestApi, tenant: string): Promise<string> {
  const { ports } = test;
  const stores = [test.definitions, ports.idempotency, ports.jobs.records, ports.jobs.errors];
  const entries = (await Promise.all(stores.map((store) => store.list()))).flat();
  const isOther = ({ key, value }: { readonly key: string; readonly value: unknown }): boolean => {
    // A process says that it lives.
    if (key.startsWith('member.')) return false;
    const { tenant: owner, body } = Object(value) as Json;
    // A key of all tenants.
    const isOfAll = (Object(body) as Json).tenants === '*';
    return isOfAll || (owner !== tenant && !key.split('.').includes(tenant));
  };
  const messages = test.stream.messages
    .map(({ subject, id }) => [subject, id])
    .filter(([subject = '']) => subject.split('.')[1] !== tenant);
  return digestOf([entries.filter(isOther), messages]);
}

const digestOf = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);

/** What another tenant's admin, and one of all tenants, read: lists and numbers, without what every answer has anew. */
async function answersOf(test: TestApi, reads: readonly Operation[], key: string): Promise<unknown> {
  const answers: unknown[] = [];
  for (const { id, path } of reads) {
    const response = await test.send(path, { key });
    answers.push([id, response.status, (await response.json()) as unknown]);
  }
  const json = { metrics: ['orders_count', 'revenue'], ...RANGE, group_by: ['channel'] };
  const kpis = (await (await test.send('/kpis/query', { key, json })).json()) as Json;
  return [...answers, kpis.groups];
}

/** Lists of what is defined: an answer is the same until something changes. */
const isList = ({ method, path, route, query }: Operation): boolean =>
  method === 'GET' &&
  !path.includes('{') &&
  route.reach === undefined &&
  query.some(({ name }) => name === 'cursor') &&
  ['definitions:read', 'keys:manage', 'webhooks:manage', 'jobs:read', 'any', 'settings:write'].includes(
    route.permission,
  );

const lastDeletes = (operations: readonly Operation[]): Operation[] =>
  [...operations].sort((one, other) => Number(one.method === 'DELETE') - Number(other.method === 'DELETE'));

it.each(isLong ? ROLES : (['viewer', 'admin'] as const))(
  'the role %s of a tenant changes nothing of another one, and nothing of the installation',
  async (role) => {
    const test = await startTestApi(GENEROUS);
    try {
      const openApi = await openApiOf(test);
      const [a, b] = [await World.of(test, openApi, 'a'), await World.of(test, openApi, 'b')];
      for (const { path, method } of openApi.operations)
        if (method === 'POST' && ['/funnels', '/cubes', '/alerts', '/webhooks', '/roles'].includes(path))
          await b.make(path);
      await b.job();
      await test.key('admin', { tenant: 'b', tenants: '*' });
      const key = await test.key(role, { tenant: 'a' });
      const reads = openApi.operations.filter(isList);
      expect(reads.length).toBeGreaterThan(5);
      const [rest, answers] = [await restOf(test, 'a'), await answersOf(test, reads, b.key)];
      let taken = 0;
      for (const operation of lastDeletes(openApi.operations)) {
        const { path, init } = await a.fill(operation);
        const response = await test.send(path, { ...init, key });
        await response.body?.cancel();
        if (response.status < 400 && operation.method !== 'GET') taken++;
        expect(await restOf(test, 'a'), operation.id).toBe(rest);
      }
      // The role did change what is its own, where it may.
      if (role === 'admin') expect(taken).toBeGreaterThan(20);
      expect(await answersOf(test, reads, b.key)).toEqual(answers);
    } finally {
      await test.close();
    }
  },
);
