import { describe, expect, it } from 'vitest';
import { connectNats, type NatsLink } from '../connectors/index.ts';
import {
  type HeldPart,
  MapTable,
  META_TABLE,
  MemoryDisk,
  mapTable,
  openTables,
  type PartRole,
  stringKey,
  tableRowCodec,
  trustedJsonCodec,
  writeProgress,
} from '../engine/index.ts';
import { AskService, askSubject } from '../runtime/index.ts';
import { startTestNats } from './nats.ts';

const TOPOLOGY = 'shop';
const PARTITIONS = ['0', '1', '2', '3'];
const ROWS = mapTable({
  key: stringKey,
  value: tableRowCodec(trustedJsonCodec<{ amount: number; note?: string }>()),
  version: 1,
});

/** Copies of one state a partition, each with a row of its own and one that all have. */
function copyOf(partition: string, role: PartRole): HeldPart {
  const disk = new MemoryDisk();
  const store = disk.open();
  const { rows } = openTables(store, 'totals', { rows: ROWS });
  const sequence = 100 + Number(partition);
  store.transaction(() => {
    rows.scope('').set(`order-${partition}`, { time_ms: 1, value: { amount: sequence } });
    rows.scope('').set('note', { time_ms: 1, value: { amount: 0, note: `<é "${partition}">` } });
    if (rows instanceof MapTable) rows.flush(0);
    writeProgress(store.table(META_TABLE), {
      ...{ commit: 1, stream: 'EV', incarnation: 'i', partition, sequence, head: sequence },
      ...{ watermark_ms: sequence, committed_at_ms: 0, outbox_next: 0, notices: {} },
    });
  });
  const reader = disk.reader();
  return {
    ...{ partition, role, epoch: 3, isSure: role === 'owner', staleness_ms: 10 },
    reader: () => reader,
    codecOf: () => undefined,
  };
}

interface Member {
  readonly service: AskService;
  readonly link: NatsLink;
}

/** Three processes: each owns some partitions and stands by for others. */
async function startMembers(url: string): Promise<ReadonlyMap<string, Member>> {
  const owned: Readonly<Record<string, readonly string[]>> = { a: ['0', '1'], b: ['2'], c: ['3'] };
  const standby: Readonly<Record<string, readonly string[]>> = { a: ['3'], b: ['0', '1'], c: ['2'] };
  const members = new Map<string, Member>();
  for (const id of Object.keys(owned)) {
    const link = await connectNats({ url, name: `member-${id}` });
    const held = [
      ...(owned[id] ?? []).map((partition) => copyOf(partition, 'owner')),
      ...(standby[id] ?? []).map((partition) => copyOf(partition, 'standby')),
    ];
    const having = (of: Readonly<Record<string, readonly string[]>>, partition: string): readonly string[] =>
      Object.keys(of).filter((member) => of[member]?.includes(partition));
    const service = new AskService({
      ...{ link, topology: TOPOLOGY, member: id, limits: { hedge_ms: 1_500 } },
      places: {
        stageOf: (table) => (table.split('/')[0] === 'totals' ? 'main' : undefined),
        partitionsOf: () => PARTITIONS,
      },
      held: () => held,
      holders: () => (partition) => [...having(owned, partition), ...having(standby, partition)],
    });
    members.set(id, { service, link });
  }
  return members;
}

describe('tables of a topology over several processes', () => {
  it('are asked over NATS by any client, whoever is there', async () => {
    const nats = await startTestNats();
    const client = await connectNats({ url: nats.url, name: 'client' });
    const members = await startMembers(nats.url);
    const ask = async (request: unknown): Promise<Record<string, unknown>> => {
      const payload = typeof request === 'string' ? request : JSON.stringify(request);
      const reply = await client.connection.request(askSubject(TOPOLOGY), payload, { timeout: 30_000 });
      const code = reply.headers?.get('Millrace-Error');
      return code === undefined || code === '' ? reply.json() : { code, message: reply.string() };
    };
    try {
      const range = { kind: 'range', limit: 10 };
      const whole = await ask({ table: 'totals', query: range });
      const rowsOf = ({ rows }: Record<string, unknown>) =>
        (rows as { key: string; partition: string; value: { amount: number; note?: string } }[]).map(
          ({ key, partition, value }) => [key, partition, value.note ?? value.amount],
        );
      const notes = PARTITIONS.map((partition) => ['note', partition, `<é "${partition}">`]);
      const orders = PARTITIONS.map((partition) => [
        `order-${partition}`,
        partition,
        100 + Number(partition),
      ]);
      expect(rowsOf(whole)).toEqual([...notes, ...orders]);
      expect(whole).toMatchObject({ ok: true, missing: [], watermark_ms: 100 });
      expect(whole.parts).toHaveLength(PARTITIONS.length);

      // The first page ends before the key that does not fit as a whole.
      const page = await ask({ table: 'totals/rows', query: { ...range, limit: 5 } });
      expect(rowsOf(page)).toEqual([...notes, orders[0]]);
      expect(page.next).toEqual({ key: 'order-1' });

      const owners = await ask({ table: 'totals', query: range, require: 'owner' });
      expect(owners).toMatchObject({ missing: [] });
      const ahead = await ask({
        ...{ table: 'totals', query: { kind: 'key', key: 'order-2' }, timeout_ms: 200 },
        position: { EV: { 2: 103 } },
      });
      expect(ahead).toMatchObject({
        ok: true,
        rows: [],
        missing: [{ partition: '2', reason: 'not_up_to_bound' }],
      });

      expect(await ask({ table: 'nothing', query: range })).toMatchObject({
        ok: false,
        reason: 'no_such_table',
      });
      expect(await ask({ table: 'totals', query: { kind: 'windows' } })).toMatchObject({
        ok: false,
        reason: 'unknown_query',
      });
      expect(await ask({ table: 'totals', query: range, partitions: ['9'] })).toMatchObject({
        ok: false,
        reason: 'bad_query',
      });
      for (const rubbish of ['', '{', '[]', '{"table":1}', { table: 'totals', query: range, more: 1 }]) {
        expect(await ask(rubbish)).toMatchObject({ code: 'bad_query' });
      }

      // One that ends: its partitions are answered by who stands by.
      await members.get('a')?.link.close();
      const without = await ask({ table: 'totals', query: range });
      expect(rowsOf(without)).toEqual([...notes, ...orders]);
      const roles = (without.parts as { role: string }[]).map(({ role }) => role);
      expect(roles).toEqual(['standby', 'standby', 'owner', 'owner']);
      const owned = await ask({ table: 'totals', query: range, require: 'owner', timeout_ms: 200 });
      expect((owned.missing as { partition: string }[]).map(({ partition }) => partition)).toEqual([
        '0',
        '1',
      ]);

      // One that hangs: the other copy is asked, too.
      const b = members.get('b');
      b?.service.stop();
      const hung = b?.link.connection.subscribe(`${askSubject(TOPOLOGY)}.b`, { callback: () => undefined });
      await b?.link.connection.flush();
      const hedged = await ask({ table: 'totals', query: range, partitions: ['2', '3'], timeout_ms: 20_000 });
      expect(hedged).toMatchObject({ missing: [] });
      expect(members.get('c')?.service.counts.hedged).toBeGreaterThan(0);
      hung?.unsubscribe();
    } finally {
      for (const { service, link } of members.values()) {
        service.stop();
        await link.close();
      }
      await client.close();
      await nats.stop();
    }
  });
});
