import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { JetStreamPublisher, jetstream } from '../../connectors/index.ts';
import { currentGeneration, makeCurrent, topology } from '../../engine/index.ts';
import { json, tableOf, toTable, watermark } from '../../operators/index.ts';
import { startTestNats, type TestNats } from '../../test/nats.ts';
import { openState } from './open-state.ts';
import { run } from './run.ts';

interface Price {
  readonly sku: string;
  readonly cents: number;
}

const prices = (version = 1, table = 'price') =>
  topology('prices', (t) => {
    t.source(jetstream('PRICES', { subjects: ['prices.>'] })).pipe(
      json('parse', { parse: (value) => value as Price }),
      watermark('time', { timeOf: () => 1, outOfOrderness_ms: 0, idle_ms: 1_000 }),
      toTable<Price, number>(table, {
        keyOf: ({ sku }) => sku,
        timeOf: () => 1,
        value: ({ cents }) => cents,
        version,
      }),
    );
  });

let nats: TestNats;
let dataDir = '';
beforeAll(async () => {
  nats = await startTestNats();
  dataDir = await mkdtemp(join(tmpdir(), 'millrace-test-open-state-'));
});
afterAll(async () => {
  await nats.stop();
  await rm(dataDir, { recursive: true, force: true });
});

/** Asks as another process does, which only knows the folder and the name. */
async function askElsewhere(key: string): Promise<unknown> {
  const script = `
    import { openState } from ${JSON.stringify(new URL('../../dist/bundle/index.js', import.meta.url).href)};
    const state = openState(${JSON.stringify(dataDir)}, 'prices');
    const answer = state.query('price', { kind: 'key', key: ${JSON.stringify(key)} });
    console.log(JSON.stringify({ ...answer, generation: state.generation, tables: state.tables() }));
    await state.close();`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  return JSON.parse(stdout) as unknown;
}

it('reads the state of a running topology, here and in another process, and follows its generation', async () => {
  const empty = await mkdtemp(join(tmpdir(), 'millrace-test-open-state-'));
  expect(() => openState(empty, 'prices')).toThrow(expect.objectContaining({ code: 'no_state' }));
  expect(await readdir(empty)).toEqual([]);
  await rm(empty, { recursive: true });

  const app = await run(prices(), { dataDir, natsUrl: nats.url });
  const publish = async (id: string, cents: number): Promise<void> => {
    const payload = Buffer.from(JSON.stringify({ sku: 'pen', cents }));
    await new JetStreamPublisher(app.link).publish({ id, subject: 'prices.x', headers: {}, payload });
    await app.caughtUp(60_000);
  };
  await publish('1', 120);
  const price = tableOf<number>('price');
  const state = openState(dataDir, prices());
  const ask = () => state.query(price, { kind: 'key', key: 'pen' });
  expect([state.generation, ask()]).toEqual([1, expect.objectContaining({ ok: true, value: 120 })]);
  expect(await askElsewhere('pen')).toMatchObject({ ok: true, value: 120, generation: 1 });
  await publish('2', 130);
  expect(ask()).toMatchObject({ ok: true, value: 130, position: { PRICES: { '0': 2 } } });
  expect(await askElsewhere('pen')).toMatchObject({
    value: 130,
    tables: expect.arrayContaining(['price/rows']),
  });
  await app.stop();

  // The next generation goes on from a copy; whoever has the state open finds it with the next question.
  const root = join(dataDir, 'state');
  const { path } = currentGeneration(root, 'prices');
  await cp(path, join(root, 'prices', 'g2'), { recursive: true });
  makeCurrent(root, 'prices', 2);
  const next = await run(prices(), { dataDir, natsUrl: nats.url });
  const payload = Buffer.from(JSON.stringify({ sku: 'pen', cents: 140 }));
  await new JetStreamPublisher(next.link).publish({ id: '3', subject: 'prices.x', headers: {}, payload });
  await next.caughtUp(60_000);
  expect([ask(), state.generation]).toEqual([expect.objectContaining({ value: 140 }), 2]);
  await next.stop();
  await state.close();
  expect(ask).toThrow(expect.objectContaining({ code: 'state_closed' }));
});

it('says what does not fit: no such topology, another one, another version', () => {
  const refused = (of: Parameters<typeof openState>[1]): unknown => {
    try {
      return openState(dataDir, of);
    } catch (error) {
      return error;
    }
  };
  expect(refused('price')).toMatchObject({ code: 'no_state', message: expect.stringContaining('"prices"') });
  expect(refused(prices(1, 'other'))).toMatchObject({ code: 'topology_changed' });
  // The program is older than the state, or newer without a migration.
  expect(refused(prices(0))).toMatchObject({ code: 'state_schema_mismatch' });
});
