import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { codeOf, orderEvent, PATIENTLY, startTestApi, type TestApi } from '../fixture-api.ts';

let test: TestApi;
let key: string;

beforeEach(async () => {
  test = await startTestApi();
  key = await test.key('ingest');
});
afterEach(() => test.close());

function ingest(idempotency: string, json: unknown, by = key): Promise<Response> {
  return test.send('/ingest', { key: by, json, headers: { 'idempotency-key': idempotency } });
}

describe('Idempotency-Key', () => {
  it('gives the first answer again, and does nothing', async () => {
    const first = await ingest('k1', orderEvent('e1'));
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    const again = await ingest('k1', orderEvent('e1'));
    expect(again.status).toBe(202);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(await again.text()).toBe(await first.text());
  });

  it('outlives a restart, and lasts a day', async () => {
    const first = await (await ingest('k1', orderEvent('e1'))).text();
    test = await test.restart();
    expect(await (await ingest('k1', orderEvent('e1'))).text()).toBe(first);
    test.clock.advance(24 * 3_600_000);
    expect(await (await ingest('k1', orderEvent('e1'))).text()).not.toBe(first);
  });

  it('refuses another body under the same key', async () => {
    await ingest('k1', orderEvent('e1'));
    const response = await ingest('k1', orderEvent('e2'));
    expect([response.status, await codeOf(response)]).toEqual([422, 'idempotency_key_reused']);
    expect(test.stream.messages).toHaveLength(1);
  });

  it('refuses a repeat while the first is running, here and in other processes', async () => {
    let release = (): void => {};
    test.stream.gate = new Promise((resolve) => {
      release = resolve;
    });
    const first = ingest('k1', orderEvent('e1'));
    await vi.waitFor(() => expect(test.stream.waiting).toBe(1), PATIENTLY);
    const second = await ingest('k1', orderEvent('e1'));
    expect([second.status, await codeOf(second)]).toEqual([409, 'idempotency_in_flight']);
    const other = await test.restart();
    const elsewhere = await other.send('/ingest', {
      key,
      json: orderEvent('e1'),
      headers: { 'idempotency-key': 'k1' },
    });
    expect([elsewhere.status, await codeOf(elsewhere)]).toEqual([409, 'idempotency_in_flight']);
    release();
    expect((await first).status).toBe(202);
    expect((await ingest('k1', orderEvent('e1'))).headers.get('idempotency-replayed')).toBe('true');
    await other.close();
  });

  it('is released by a failure', async () => {
    expect((await ingest('k1', { event_id: 'x' })).status).toBe(422);
    test.stream.away = true;
    expect((await ingest('k1', orderEvent('e1'))).status).toBe(503);
    test.stream.away = false;
    expect((await ingest('k1', orderEvent('e1'))).status).toBe(202);
  });

  it('belongs to its tenant', async () => {
    await ingest('k1', orderEvent('e1'));
    const other = await test.key('ingest', { tenant: 'acme' });
    const response = await ingest('k1', orderEvent('e2'), other);
    expect([response.status, response.headers.get('idempotency-replayed')]).toEqual([202, null]);
  });

  it.each(['', ' ', 'a b', 'x'.repeat(256)])('must be well formed: %j', async (idempotency) => {
    const response = await ingest(idempotency, orderEvent('e1'));
    expect([response.status, await codeOf(response)]).toEqual([422, 'validation_failed']);
  });

  it('answers 503 while its bucket is away', async () => {
    test.idempotency.away = true;
    const response = await ingest('k1', orderEvent('e1'));
    expect([response.status, await codeOf(response)]).toEqual([503, 'kv_unavailable']);
  });
});
