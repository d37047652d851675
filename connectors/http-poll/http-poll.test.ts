import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HttpSender } from '../http/index.ts';
import type { JsonValue } from '../intake/index.ts';
import { httpPollConfig } from './http-poll-config.ts';
import { HttpPollSource } from './http-poll-source.ts';
import { elementsOf, scalarAt, valueAt } from './json-slices.ts';

interface Order {
  readonly id: number;
  readonly at: string;
}

let server: Server;
let base: string;
let orders: Order[];
let status = 200;
const asked: string[] = [];

/** Pages of two, in the order of their time. */
beforeEach(async () => {
  orders = Array.from({ length: 5 }, (_, id) => ({ id, at: `2025-03-0${id + 1}` }));
  [status] = [200];
  asked.splice(0);
  server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://x');
    asked.push(`${searchParams} ${request.headers.authorization ?? ''}`.trim());
    const from = Number(searchParams.get('page') ?? 0);
    const found = orders.filter(({ at }) => at >= (searchParams.get('since') ?? ''));
    const page = found.slice(from, from + 2);
    const next = from + 2 < found.length ? from + 2 : null;
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify({ data: { orders: page }, next }));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/orders`;
});
afterEach(() => new Promise((done) => server.close(done)));

const CONFIG = {
  ...{ records: 'data.orders', interval_s: 1, cursor: { path: 'next', param: 'page' } },
  since: { path: 'at', param: 'since', start: '2025-03-02' },
};

/** Reads until so many ids came; the last position. */
async function readIds(
  config: object,
  position: JsonValue | undefined,
  count: number,
): Promise<{ readonly ids: number[]; readonly position: JsonValue | undefined }> {
  const source = new HttpPollSource(
    httpPollConfig.parse({ url: base, ...config }),
    new HttpSender({ allowPrivate: true }),
  );
  const stop = new AbortController();
  const ids: number[] = [];
  let last = position;
  for await (const batch of source.read(position, stop.signal)) {
    ids.push(...batch.records.map(({ value }) => (JSON.parse(Buffer.from(value).toString()) as Order).id));
    last = batch.position;
    if (ids.length >= count && batch.records.length === 0) break;
  }
  stop.abort();
  return { ids, position: last };
}

describe('an HTTP API that is polled', () => {
  it('is read page by page, and then from the greatest mark on', async () => {
    const auth = { value: 'Bearer hidden' };
    const first = await readIds({ ...CONFIG, auth }, undefined, 4);
    expect(first).toEqual({ ids: [1, 2, 3, 4], position: { since: '2025-03-05' } });
    expect(asked).toEqual(['since=2025-03-02 Bearer hidden', 'page=2&since=2025-03-02 Bearer hidden']);
    orders.push({ id: 5, at: '2025-03-06' });
    const second = await readIds(CONFIG, first.position, 2);
    expect(second).toEqual({ ids: [4, 5], position: { since: '2025-03-06' } });
  });

  it('goes on at its page after a crash', async () => {
    const { ids } = await readIds(CONFIG, { cursor: '2', since: '2025-03-01', reached: '2025-03-02' }, 3);
    expect(ids).toEqual([2, 3, 4]);
  });

  it('gives what an answer says again once while it runs', async () => {
    const source = new HttpPollSource(
      httpPollConfig.parse({ url: base, records: 'data.orders', interval_s: 3_600 }),
      new HttpSender({ allowPrivate: true }),
    );
    const stop = new AbortController();
    const ids: number[] = [];
    const looks = async (count: number): Promise<void> => {
      while (asked.length < count) {
        source.wake();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    const reading = (async () => {
      for await (const { records } of source.read(undefined, stop.signal))
        ids.push(...records.map(({ value }) => (JSON.parse(Buffer.from(value).toString()) as Order).id));
    })();
    await looks(3);
    expect(ids).toEqual([0, 1]);
    orders.splice(1, 1, { id: 9, at: '2025-03-09' });
    await looks(6);
    stop.abort();
    // A request that is under way then is aborted, too.
    await reading.catch((error: unknown) => {
      if (!(error instanceof Error) || error.name !== 'AbortError') throw error;
    });
    expect(ids).toEqual([0, 1, 9]);
  });

  it.each([
    [401, {}, 'http_refused'],
    [500, {}, 'http_unavailable'],
    [200, { records: 'data' }, 'http_answer_unreadable'],
  ])('says what is wrong: %i %j', async (says, config, code) => {
    status = says;
    await expect(readIds({ ...CONFIG, ...config }, undefined, 1)).rejects.toMatchObject({
      code,
      retriable: true,
    });
  });

  it('may not be a private address, unless the installation says so', async () => {
    const source = new HttpPollSource(
      httpPollConfig.parse({ url: base }),
      new HttpSender({ allowPrivate: false }),
    );
    const reading = source.read(undefined, new AbortController().signal).next();
    await expect(reading).rejects.toMatchObject({ code: 'target_forbidden', retriable: false });
    expect(asked).toEqual([]);
  });

  it('takes secrets only where they are encrypted', () => {
    const parsed = httpPollConfig.safeParse({ url: base, headers: { 'X-Api-Key': 'secret' } });
    expect(parsed.success).toBe(false);
  });
});

describe('slices of JSON', () => {
  it('are what JSON.parse finds there', () => {
    const value = fc.jsonValue({ maxDepth: 4 });
    const wrapped = fc.record({ a: fc.record({ list: fc.array(value), 'b"\\': value }), c: value });
    fc.assert(
      fc.property(wrapped, fc.integer({ min: 0, max: 3 }), (tree, indent) => {
        const text = JSON.stringify(tree, null, indent);
        const bytes = Buffer.from(text);
        const at = (range: readonly [number, number] | undefined): unknown =>
          range === undefined ? undefined : JSON.parse(bytes.subarray(...range).toString());
        const again = JSON.parse(text) as typeof tree;
        expect(at(valueAt(bytes, ''))).toEqual(again);
        expect(at(valueAt(bytes, 'a.b"\\'))).toEqual(again.a['b"\\']);
        expect(at(valueAt(bytes, 'c'))).toEqual(again.c);
        const list = valueAt(bytes, 'a.list');
        expect(elementsOf(bytes, list ?? [0, 0])?.map(at)).toEqual(again.a.list);
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  it('keep all digits', () => {
    expect(scalarAt(Buffer.from('{"a":{"n":12345678901234567890}}'), 'a.n')).toBe('12345678901234567890');
    expect(scalarAt(Buffer.from('{"a":null}'), 'a')).toBeUndefined();
  });
});
