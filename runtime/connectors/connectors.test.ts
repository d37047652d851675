import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import {
  type ConnectorType,
  connectorType,
  type JsonValue,
  MemoryKeyValueStore,
  type SourceBatch,
} from '../../connectors/index.ts';
import { MillraceError, type OutMessage, systemClock } from '../../engine/index.ts';
import { type Definition, Definitions, type KindDefinitions } from '../definitions/index.ts';
import type { ConnectorBody } from './connector-kind.ts';
import { Connectors } from './connectors.ts';
import type { EventDoor } from './event-door.ts';

const PATIENTLY = { timeout: 60_000, interval: 10 };
const HOUR_MS = 3_600_000;
/** Leases pass so much faster. */
const HASTE = 25;

/** The outside system: a list of records, read two at a time. */
class Peer {
  records: string[] = [];
  problem: MillraceError | undefined;
  /** Positions that reads began at. */
  readonly begun: (JsonValue | undefined)[] = [];
  readonly committed: JsonValue[] = [];
  reading = 0;
  readonly seen: string[] = [];

  type(): ConnectorType {
    return connectorType({
      type: 'peer',
      configSchema: z.strictObject({
        place: z.string(),
        password: z.string().optional(),
        pace: z.int().optional(),
      }),
      secrets: ['password'],
      tuning: ['pace'],
      open: ({ password = '' }) => {
        this.seen.push(password);
        return {
          read: (position, signal) => this.#read(position, signal),
          committed: async (position) => void this.committed.push(position),
          lag: async () => this.records.length,
          close: async () => undefined,
        };
      },
    });
  }

  async *#read(position: JsonValue | undefined, signal: AbortSignal): AsyncGenerator<SourceBatch> {
    this.begun.push(position);
    this.reading++;
    try {
      for (let at = Number(position ?? 0); !signal.aborted; ) {
        if (this.problem !== undefined) throw this.problem;
        const some = this.records.slice(at, at + 2);
        if (some.length === 0) {
          await sleep(5, undefined, { signal }).catch(() => undefined);
          continue;
        }
        const records = some.map((value, more) => ({
          value: Buffer.from(value),
          place: `peer#${at + more}`,
        }));
        at += some.length;
        yield { records, position: at };
      }
    } finally {
      this.reading--;
    }
  }
}

interface Process {
  readonly connectors: Connectors;
  readonly definitions: KindDefinitions<ConnectorBody>;
  close(): Promise<void>;
}

let peer: Peer;
let stores: { readonly definitions: MemoryKeyValueStore; readonly records: MemoryKeyValueStore };
let stored: string[];
let letters: OutMessage[];
let streamIsAway: boolean;
let processes: Process[];

beforeEach(() => {
  peer = new Peer();
  stores = { definitions: new MemoryKeyValueStore(), records: new MemoryKeyValueStore() };
  [stored, letters, streamIsAway, processes] = [[], [], false, []];
});
afterEach(async () => {
  for (const process of processes) await process.close();
});

const secret = randomBytes(32);

const door: EventDoor = {
  check: async (_, events) =>
    events.map((payload) => {
      const message = { subject: 'events.default.x', payload };
      return { ok: true, event_id: '', type: '', message };
    }),
  publish: async (messages) => {
    if (streamIsAway) throw new MillraceError('stream_unavailable', 'It is away.', { retriable: true });
    stored.push(
      ...messages.map(
        ({ payload }) => (JSON.parse(Buffer.from(payload).toString()) as { event_id: string }).event_id,
      ),
    );
  },
};

async function start(frozen: { until: Promise<void> } = { until: Promise.resolve() }): Promise<Process> {
  const parts = { clock: systemClock, log: pino({ level: 'silent' }) };
  const all = new Definitions({ store: stores.definitions, ...parts });
  const records: MemoryKeyValueStore = new Proxy(stores.records, {
    // A process that stands still writes nothing.
    get: (store, name) => {
      const member: unknown = Reflect.get(store, name, store);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) => {
        if (['create', 'update'].includes(String(name)))
          return frozen.until.then(() => Reflect.apply(member, store, args) as unknown);
        return Reflect.apply(member, store, args) as unknown;
      };
    },
  });
  const connectors = new Connectors({
    ...{ records, letters: { publish: async (letter) => void letters.push(letter) }, door, secret, ...parts },
    surroundings: {
      allowPrivate: false,
      dropFolder: undefined,
      http: { check: async () => undefined, get: () => Promise.reject(new Error('none')) },
    },
    types: [peer.type()],
    times: { tick_ms: 20, retry_min_ms: 10, retry_max_ms: 40, again_ms: HOUR_MS, lag_ms: 20 },
    monotonic: () => performance.now() * HASTE,
  });
  const definitions = all.kind(connectors.kind);
  await all.open();
  await connectors.start(definitions);
  const process = {
    connectors,
    definitions,
    close: async () => {
      await connectors.close();
      await all.close();
    },
  };
  processes.push(process);
  return process;
}

const order = (id: number): string =>
  JSON.stringify({ event_id: `e${id}`, type: 'order.created', time: '2025-03-10T10:00:00Z' });

const make = (
  { definitions }: Process,
  config: object = { place: 'a' },
): Promise<Definition<ConnectorBody>> =>
  definitions.create('default', { name: 'one', body: { type: 'peer', config }, created_by: 'test' });

const untilStored = (count: number): Promise<void> =>
  vi.waitFor(() => expect(new Set(stored).size).toBe(count), PATIENTLY);

describe('a connector that pulls', () => {
  it('stores what there is, keeps its position behind it, and tells the peer', async () => {
    peer.records = [0, 1, 2, 3, 4].map(order);
    peer.records[3] = 'no JSON';
    const process = await start();
    const connector = await make(process);
    await untilStored(4);
    const state = await vi.waitFor(() => {
      const now = process.connectors.state(connector);
      expect(now.counts).toEqual({ in: 5, accepted: 4, dropped: 0, dead: 1 });
      return now;
    }, PATIENTLY);
    expect([state.position, state.health]).toEqual([5, 'ok']);
    await vi.waitFor(() => expect(peer.committed).toEqual([2, 4, 5]), PATIENTLY);
    expect(letters.map(({ headers }) => [headers.Reason, headers['Original-Place']])).toEqual([
      ['malformed_json', 'peer#3'],
    ]);
    await vi.waitFor(() => expect(process.connectors.state(connector).lag).toBe(5), PATIENTLY);
  });

  it('is read for by one process, and by another one when that is gone or stands still', async () => {
    const frozen = { until: Promise.resolve() };
    const first = await start(frozen);
    const connector = await make(first);
    peer.records = [0, 1].map(order);
    await untilStored(2);
    const second = await start();
    expect(peer.reading).toBe(1);
    const { owner } = first.connectors.state(connector);
    let thaw = (): void => undefined;
    frozen.until = new Promise((resolve) => {
      thaw = resolve;
    });
    const third = await start();
    await vi.waitFor(() => expect(third.connectors.state(connector).owner).not.toBe(owner), PATIENTLY);
    peer.records.push(order(2), order(3));
    await untilStored(4);
    // The one that stood still finds that it is not the owner any more.
    thaw();
    await second.close();
    await third.close();
    peer.records.push(order(4));
    await untilStored(5);
    await vi.waitFor(() => expect(first.connectors.state(connector).position).toBe(5), PATIENTLY);
  });

  it('reads all again, each once, where its bucket was emptied', async () => {
    peer.records = [0, 1].map(order);
    const process = await start();
    const connector = await make(process);
    await untilStored(2);
    await vi.waitFor(() => expect(process.connectors.state(connector).position).toBe(2), PATIENTLY);
    for (const { key } of await stores.records.list()) await stores.records.delete(key);
    peer.records.push(order(2));
    await untilStored(3);
    await vi.waitFor(() => expect(process.connectors.state(connector).position).toBe(3), PATIENTLY);
  });

  it('waits for a stream or a peer that is away, says so, and goes on where it was', async () => {
    const process = await start();
    const connector = await make(process);
    peer.records = [order(0)];
    await untilStored(1);
    const health = (): unknown => {
      const { health: now, error } = process.connectors.state(connector);
      return [now, error?.code];
    };
    streamIsAway = true;
    peer.records.push(order(1));
    await vi.waitFor(() => expect(health()).toEqual(['waiting', 'stream_unavailable']), PATIENTLY);
    expect(process.connectors.unwell).toBe(1);
    streamIsAway = false;
    await untilStored(2);
    peer.problem = new MillraceError('peer_away', 'The peer is away.', { retriable: true });
    await vi.waitFor(() => expect(health()).toEqual(['waiting', 'peer_away']), PATIENTLY);
    peer.problem = undefined;
    peer.records.push(order(2));
    await untilStored(3);
    await vi.waitFor(() => expect(health()).toEqual(['ok', 'peer_away']), PATIENTLY);
    expect(peer.begun.at(-1)).toBe(2);
  });

  it('stops where another try changes nothing, until it is run or changed', async () => {
    peer.problem = new MillraceError('peer_refused', 'The password "hidden-one" is wrong.');
    const process = await start();
    const connector = await make(process, { place: 'a', password: 'hidden-one' });
    const error = await vi.waitFor(() => {
      const state = process.connectors.state(connector);
      expect(state.health).toBe('failed');
      return state.error;
    }, PATIENTLY);
    expect(error).toMatchObject({ code: 'peer_refused', message: 'The password "<password>" is wrong.' });
    const tries = peer.begun.length;
    await process.connectors.run(connector, 'now');
    await vi.waitFor(() => expect(peer.begun.length).toBe(tries + 1), PATIENTLY);
    peer.problem = undefined;
    peer.records = [order(0)];
    await process.definitions.patch('default', connector.id, { config: { password: 'hidden-two' } });
    await untilStored(1);
    expect(peer.seen).toContain('hidden-two');
    expect(JSON.stringify([await stores.definitions.list(), await stores.records.list()])).not.toMatch(
      /hidden/,
    );
  });

  it('begins anew at another place or when asked to, and keeps its position for another pace', async () => {
    const process = await start();
    const connector = await make(process);
    peer.records = [order(0), order(1)];
    await untilStored(2);
    const began = async (count: number): Promise<JsonValue | undefined> => {
      await vi.waitFor(() => expect(peer.begun.length).toBe(count), PATIENTLY);
      return peer.begun.at(-1);
    };
    await process.definitions.patch('default', connector.id, { config: { pace: 2 } });
    expect(await began(2)).toBe(2);
    await process.definitions.patch('default', connector.id, { config: { place: 'b' } });
    expect(await began(3)).toBeUndefined();
    await vi.waitFor(() => expect(process.connectors.state(connector).position).toBe(2), PATIENTLY);
    await process.connectors.run(connector, 'all');
    expect(await began(4)).toBeUndefined();
    await process.definitions.patch('default', connector.id, { enabled: false });
    await vi.waitFor(() => expect(peer.reading).toBe(0), PATIENTLY);
    await process.definitions.delete('default', connector.id);
    await vi.waitFor(
      async () =>
        expect(
          (await stores.records.list()).map(({ key }) => key).filter((key) => !key.startsWith('member.')),
        ).toEqual([]),
      PATIENTLY,
    );
  });
});
