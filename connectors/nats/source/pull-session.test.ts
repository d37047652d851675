import { headers, type Msg, type NatsConnection } from 'nats';
import { describe, expect, it } from 'vitest';
import type { NatsLink } from '../client/index.ts';
import { DEFAULT_PULL_LIMITS, type PullLimits } from './pull-limits.ts';
import { PullSession } from './pull-session.ts';

interface Pull {
  readonly batch: number;
  readonly max_bytes?: number;
  readonly lane: number;
}

/** A session on a connection that is played by the test. */
function play(limits: Partial<PullLimits> = {}) {
  const lanes: { readonly inbox: string; readonly callback: (error: Error | null, message: Msg) => void }[] =
    [];
  const pulls: Pull[] = [];
  const received: number[] = [];
  let buffered = 0;
  let isBroken = false;
  const connection = {
    info: { max_payload: 1_000 },
    isClosed: () => false,
    subscribe: (inbox: string, { callback }: { callback: (error: Error | null, message: Msg) => void }) => {
      lanes.push({ inbox, callback });
      return { unsubscribe: () => undefined };
    },
    publish: (_: string, payload: string, { reply }: { reply: string }) => {
      if (isBroken) throw new Error('closed');
      pulls.push({ ...JSON.parse(payload), lane: lanes.findIndex(({ inbox }) => inbox === reply) });
    },
  } as unknown as NatsConnection;
  let quiet = 0;
  const passed: number[] = [];
  const session = new PullSession(
    { connection, access: {} } as unknown as NatsLink,
    'S',
    'c',
    { ...DEFAULT_PULL_LIMITS, pull_max_messages: 8, buffer_max_messages: 32, ...limits },
    {
      buffered: () => ({ messages: buffered, bytes: buffered * 10 }),
      receive: ({ sequence }) => {
        if (sequence === 666) throw new Error('not this one');
        received.push(sequence);
        buffered++;
      },
      receiveFrame: () => {
        throw new Error('this connection has no bytes');
      },
      settled: () => undefined,
      quiet: (sequence) => {
        quiet++;
        if (sequence !== undefined) passed.push(sequence);
      },
    },
  );
  session.start();
  return {
    session,
    pulls,
    received,
    passed,
    quiet: () => quiet,
    take: (count: number) => {
      buffered -= count;
      session.pull();
    },
    break: () => {
      isBroken = true;
    },
    deliver: (lane: number, sequence: number, delivery: number, size = 10) =>
      lanes[lane]?.callback(null, {
        subject: 's',
        sid: 1,
        data: new Uint8Array(size),
        reply: `$JS.ACK.S.c.1.${sequence}.${delivery}.1795311127957942948.0`,
      } as Msg),
    status: (lane: number, code: number, text: string, values: Record<string, string> = {}) => {
      const set = headers(code, text);
      for (const [name, value] of Object.entries(values)) set.append(name, value);
      lanes[lane]?.callback(null, { subject: 'i', sid: 1, data: new Uint8Array(0), headers: set } as Msg);
    },
    fail: (lane: number) => lanes[lane]?.callback(new Error('revoked'), {} as Msg),
  };
}

type Ending = readonly [what: string, reason: string, happen: (game: ReturnType<typeof play>) => void];

const ENDS: readonly Ending[] = [
  ['a delivery is missing', 'is missing', (game) => game.deliver(0, 3, 2)],
  ['a delivery comes twice', 'is missing', (game) => [1, 1].forEach((n) => void game.deliver(0, n, n))],
  [
    'a heartbeat tells of deliveries that did not come',
    '0 came',
    (game) => game.status(0, 100, 'Idle Heartbeat', { 'Nats-Last-Consumer': '4' }),
  ],
  ['the consumer is deleted', 'consumer deleted', (game) => game.status(0, 409, 'Consumer Deleted')],
  ['the leader changes', 'leadership change', (game) => game.status(1, 409, 'Leadership Change')],
  ['nobody answers', 'no responders', (game) => game.status(0, 503, 'No Responders')],
  ['the subscription fails', 'revoked', (game) => game.fail(0)],
  ['a record cannot be received', 'not this one', (game) => game.deliver(0, 666, 1)],
  [
    'a heartbeat is of another consumer',
    'it is another consumer',
    (game) => {
      game.deliver(0, 1, 1);
      game.status(0, 100, 'Idle Heartbeat', { 'Nats-Last-Consumer': '0', 'Nats-Last-Stream': '9' });
    },
  ],
  [
    'a pull cannot be sent',
    'could not be sent',
    (game) => {
      game.break();
      game.status(0, 408, 'Request Timeout');
    },
  ],
];

describe('PullSession', () => {
  it('keeps a pull open while the other ends, and never asks for more than there is room', () => {
    const game = play();
    expect(game.pulls.map(({ batch }) => batch)).toEqual([8, 4]);
    let delivery = 0;
    for (let i = 0; i < 4; i++) {
      game.deliver(0, ++delivery, delivery);
      game.deliver(1, ++delivery, delivery);
    }
    // The second has ended, and was opened again while half of the first was left.
    expect(game.pulls.slice(2)).toMatchObject([{ lane: 1, batch: 8 }]);
    for (let i = 0; i < 4; i++) {
      game.deliver(0, ++delivery, delivery);
      game.deliver(1, ++delivery, delivery);
    }
    expect(game.pulls.slice(3)).toMatchObject([{ lane: 0, batch: 8 }]);
    let open = 4 + 8;
    while (open > 0 && delivery < 100) {
      const before = game.pulls.length;
      const lane = game.pulls.length % 2;
      game.deliver(open > 8 ? lane : 0, ++delivery, delivery);
      open += game.pulls.slice(before).reduce((sum, { batch }) => sum + batch, 0) - 1;
      expect(game.received.length + open).toBeLessThanOrEqual(32);
    }
  });

  it('asks again when there is room', () => {
    const game = play({ buffer_max_messages: 8 });
    expect(game.pulls).toHaveLength(1);
    for (let n = 1; n <= 8; n++) game.deliver(0, n, n);
    expect(game.pulls).toHaveLength(1);
    game.take(1);
    expect(game.pulls).toHaveLength(1);
    game.take(5);
    expect(game.pulls).toHaveLength(2);
    expect(game.pulls[1]).toMatchObject({ batch: 6 });
  });

  it('bounds the bytes that are asked for', () => {
    const limit = 200_000;
    const game = play({ buffer_max_bytes: limit, pull_max_bytes: 150_000 });
    // What is left does not hold the largest message, so the second waits.
    expect(game.pulls).toMatchObject([{ max_bytes: 150_000 }]);
  });

  it('fetches alone what is larger than anybody may publish', () => {
    const game = play();
    for (const lane of [0, 1]) game.status(lane, 409, 'Message Size Exceeds MaxBytes');
    expect(game.pulls[2]).toMatchObject({ lane: 0, batch: 1 });
    expect(game.pulls[2]?.max_bytes).toBeUndefined();
    game.deliver(0, 1, 1, 5_000_000);
    expect(game.received).toEqual([1]);
  });

  it('takes the notice that follows the last message for nothing new', () => {
    const game = play();
    for (let n = 1; n <= 4; n++) game.deliver(1, n, n);
    const opened = game.pulls.length;
    game.status(1, 409, 'Batch Completed', { 'Nats-Pending-Messages': '0' });
    expect(game.pulls).toHaveLength(opened);
    game.deliver(1, 5, 5);
    expect(game.received).toEqual([1, 2, 3, 4, 5]);
  });

  it('is quiet at a heartbeat and at an expired pull, which it opens again', () => {
    const game = play();
    expect(game.session.hasWorked).toBe(false);
    game.status(0, 100, 'Idle Heartbeat', { 'Nats-Last-Consumer': '0' });
    expect(game.quiet()).toBe(1);
    game.status(0, 408, 'Request Timeout', { 'Nats-Pending-Messages': '8' });
    expect(game.quiet()).toBe(2);
    expect(game.pulls[2]).toMatchObject({ lane: 0 });
    expect(game.session.hasWorked).toBe(true);
  });

  it('passes what a heartbeat says, if all deliveries that it knows of have come', () => {
    const game = play();
    const beat = (lane: number, values: Record<string, string>): void =>
      game.status(lane, 100, 'Idle Heartbeat', values);
    beat(0, { 'Nats-Last-Consumer': '0', 'Nats-Last-Stream': '3' });
    game.deliver(1, 5, 1);
    beat(1, { 'Nats-Last-Consumer': '1', 'Nats-Last-Stream': '7' });
    // Whose pull it is about plays no part, nor whether that has ended.
    beat(0, { 'Nats-Last-Consumer': '1', 'Nats-Last-Stream': '8' });
    for (const values of [{}, { 'Nats-Last-Stream': 'x' }, { 'Nats-Last-Stream': '-1' }]) {
      beat(0, { 'Nats-Last-Consumer': '1', ...values });
    }
    beat(0, { 'Nats-Last-Stream': '9' });
    game.status(0, 408, 'Request Timeout', { 'Nats-Last-Consumer': '1', 'Nats-Last-Stream': '10' });
    expect(game.passed).toEqual([3, 7, 8]);
    beat(0, { 'Nats-Last-Consumer': '2', 'Nats-Last-Stream': '12' });
    expect(game.passed).toEqual([3, 7, 8]);
  });

  it('ends when the server forgets a pull, as it does with one whose bytes are used up exactly', async () => {
    const game = play({ pull_expires_ms: 60, idle_heartbeat_ms: 20 });
    const beats = setInterval(() => {
      game.status(1, 100, 'Idle Heartbeat', { 'Nats-Last-Consumer': '0' });
      game.status(1, 408, 'Request Timeout');
    }, 5);
    expect(await game.session.ended).toContain('has not said that a pull is over');
    clearInterval(beats);
  });

  it.each(ENDS)('ends, without throwing, when %s', async (_, reason, happen) => {
    const game = play();
    happen(game);
    expect(await game.session.ended).toContain(reason);
    const { length } = game.received;
    game.deliver(0, 100, 1);
    game.take(0);
    expect(game.received).toHaveLength(length);
  });
});
