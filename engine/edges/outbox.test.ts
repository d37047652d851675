import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { MillraceError, SeededRandom } from '../base/index.ts';
import { MemoryDisk } from '../state/index.ts';
import { DEFAULT_OUTBOX_LIMITS, Outbox, type OutboxLimits, type Publisher } from './outbox.ts';
import { OUTBOX_TABLE, type OutMessage } from './outbox-rows.ts';

interface Send {
  readonly id: string;
  readonly message: OutMessage;
  acknowledge(): void;
  refuse(error?: Error): void;
}

class Receiver implements Publisher {
  readonly sends: Send[] = [];
  maxInFlight: (subject: string) => number = () => 1;

  publish = (message: OutMessage): Promise<void> =>
    new Promise((resolve, reject) => {
      this.sends.push({
        id: message.id,
        message,
        acknowledge: resolve,
        refuse: (error) => reject(error ?? new Error('no answer')),
      });
    });

  get ids(): string[] {
    return this.sends.map(({ id }) => id);
  }
}

const message = (id: string): OutMessage => ({
  id,
  subject: `out.${id}`,
  headers: { Reason: 'because', Ünicode: 'wért' },
  payload: Uint8Array.of(1, 2, 0, 255),
});

class Fixture {
  readonly #disk = new MemoryDisk();
  #store = this.#disk.open();
  #next = 0;
  receiver = new Receiver();
  readonly refused: string[] = [];

  /** A new process on the same disk. */
  open(limits: Partial<OutboxLimits> = {}, publisher?: Publisher, isHeld = false): Outbox {
    this.receiver = new Receiver();
    this.#store = this.#disk.open();
    const all = { ...DEFAULT_OUTBOX_LIMITS, retry_ms: 1, ...limits };
    const refused = ({ id }: OutMessage): void => void this.refused.push(id);
    const outbox = new Outbox(this.#store.table(OUTBOX_TABLE), publisher ?? this.receiver, this.#next, all, {
      refused,
    });
    if (isHeld) outbox.hold();
    outbox.pump();
    return outbox;
  }

  /** The commit without what follows it. */
  write(outbox: Outbox): { sendCommitted(): void } {
    const flushed = this.#store.transaction(() => outbox.flush());
    this.#next = outbox.next;
    return flushed;
  }

  commit(outbox: Outbox): void {
    this.write(outbox).sendCommitted();
  }

  get rows(): number {
    return [...this.#store.table(OUTBOX_TABLE).scan()].length;
  }
}

const settled = (): Promise<void> => setTimeout(0);

const SUBJECTS = ['a', 'b', 'c'];

/** Messages on a few subjects to a receiver that loses them, or its answers, across lives of the process. */
async function ordered(seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const stored: string[] = [];
  const staged: string[] = [];
  const busy = new Set<string>();
  const window = random.pick([1, 2, 5, 256]);
  const fixture = new Fixture();
  const publish = async ({ id, subject }: OutMessage): Promise<void> => {
    expect(busy.has(subject)).toBe(false);
    busy.add(subject);
    expect(busy.size).toBeLessThanOrEqual(window);
    for (let turns = random.int(0, 6); turns > 0; turns--) await settled();
    if (random.chance(0.8) && !stored.includes(id)) stored.push(id);
    else if (random.chance(0.5)) await setTimeout(random.int(0, 2));
    busy.delete(subject);
    if (!stored.includes(id) || random.chance(0.2)) throw new Error('no answer');
  };
  for (let life = 0; life < 3; life++) {
    const outbox = fixture.open({ window }, { publish });
    for (let commits = 0; commits < 5; commits++) {
      for (let count = random.int(0, 12); count > 0; count--) {
        const id = `${random.pick(SUBJECTS)}${staged.length}`;
        staged.push(id);
        outbox.stage({ ...message(id), subject: id.slice(0, 1) });
      }
      fixture.commit(outbox);
      await settled();
    }
    while (life === 2 && outbox.owed > 0) await setTimeout(1);
    outbox.stop();
    // What this life has in flight is answered, and not stored later than by the next life.
    while (busy.size > 0) await setTimeout(1);
  }
  const of = (subject: string, ids: readonly string[]) => ids.filter((id) => id.startsWith(subject));
  for (const subject of SUBJECTS) expect(of(subject, stored), `seed ${seed}`).toEqual(of(subject, staged));
}

describe('outbox', () => {
  it('sends after the commit, in order, with everything that was staged', () => {
    const fixture = new Fixture();
    const outbox = fixture.open();
    for (const id of ['a', 'b', 'c']) outbox.stage(message(id));
    expect(fixture.receiver.ids).toEqual([]);
    const { sendCommitted } = fixture.write(outbox);
    expect(fixture.receiver.ids).toEqual([]);
    sendCommitted();
    expect(fixture.receiver.ids).toEqual(['a', 'b', 'c']);
    expect(fixture.receiver.sends[0]?.message).toEqual(message('a'));
  });

  it('copies the payload: the receive buffer is used again before the commit', () => {
    const fixture = new Fixture();
    const outbox = fixture.open();
    const staged = message('a');
    outbox.stage(staged);
    staged.payload.fill(9);
    fixture.commit(outbox);
    expect(fixture.receiver.sends[0]?.message.payload).toEqual(message('a').payload);
  });

  it('a row goes with the commit after its acknowledgement', async () => {
    const fixture = new Fixture();
    const outbox = fixture.open();
    outbox.stage(message('a'));
    outbox.stage(message('b'));
    fixture.commit(outbox);
    expect([fixture.rows, outbox.hasChanges, outbox.owed]).toEqual([2, false, 2]);
    fixture.receiver.sends[1]?.acknowledge();
    await settled();
    expect([fixture.rows, outbox.hasChanges, outbox.owed]).toEqual([2, true, 1]);
    fixture.commit(outbox);
    expect(fixture.rows).toBe(1);
  });

  it('repeats a send without an answer, with the same id', async () => {
    const fixture = new Fixture();
    const outbox = fixture.open();
    outbox.stage(message('a'));
    fixture.commit(outbox);
    fixture.receiver.sends[0]?.refuse();
    await setTimeout(20);
    expect(fixture.receiver.ids).toEqual(['a', 'a']);
    expect([outbox.retries, outbox.owed]).toEqual([1, 1]);
    fixture.receiver.sends[1]?.acknowledge();
    await settled();
    expect(outbox.owed).toBe(0);
  });

  it('a subject goes on when its failed send is repeated, and holds up no other', async () => {
    const fixture = new Fixture();
    const outbox = fixture.open({ window: 3, retry_ms: 300 });
    for (const id of ['a1', 'a2', 'b1', 'c1', 'd1', 'b2'])
      outbox.stage({ ...message(id), subject: id.slice(0, 1) });
    fixture.commit(outbox);
    expect(fixture.receiver.ids).toEqual(['a1', 'b1', 'c1']);
    fixture.receiver.sends[0]?.refuse();
    fixture.receiver.sends[2]?.acknowledge();
    await settled();
    // "a1" keeps its place until it is repeated, and "c1" has given its own to "d1".
    expect(fixture.receiver.ids.slice(3)).toEqual(['d1']);
    fixture.receiver.sends[1]?.acknowledge();
    await settled();
    expect(fixture.receiver.ids.slice(4)).toEqual(['b2']);
    while (fixture.receiver.sends.length < 6) await setTimeout(10);
    expect(fixture.receiver.ids.slice(5)).toEqual(['a1']);
    fixture.receiver.sends[5]?.acknowledge();
    await settled();
    expect([fixture.receiver.ids.slice(6), outbox.owed]).toEqual([['a2'], 3]);
  });

  it('has as many of a subject in flight as the publisher says', () => {
    const fixture = new Fixture();
    const outbox = fixture.open();
    fixture.receiver.maxInFlight = (subject) => (subject === 'calls' ? 2 : 1);
    for (const subject of ['calls', 'calls', 'calls', 's', 's']) outbox.stage({ ...message('x'), subject });
    fixture.commit(outbox);
    expect(fixture.receiver.sends.map((send) => send.message.subject)).toEqual(['calls', 'calls', 's']);
  });

  it('keeps the order of each subject through failures and restarts, for any fates of the sends', async () => {
    await Promise.all(Array.from({ length: 40 }, (_, seed) => ordered(seed)));
  });

  it('gives up what will never be taken, reports it, and goes on with the next', async () => {
    const fixture = new Fixture();
    const outbox = fixture.open();
    outbox.stage({ ...message('a'), subject: 's' });
    outbox.stage({ ...message('b'), subject: 's' });
    fixture.commit(outbox);
    expect(fixture.receiver.ids).toEqual(['a']);
    fixture.receiver.sends[0]?.refuse(new MillraceError('too_large', 'The stream does not take it.'));
    await settled();
    expect([fixture.refused, fixture.receiver.ids]).toEqual([['a'], ['a', 'b']]);
    fixture.commit(outbox);
    expect(fixture.rows).toBe(1);
  });

  it.each([
    ['one after the other', {}, 1],
    ['many at once where order does not matter', { unordered: true }, 256],
  ] as const)('sends a flood from one commit, %s', (_, order, sends) => {
    const fixture = new Fixture();
    const outbox = fixture.open();
    for (let index = 0; index < 200_000; index++)
      outbox.stage({ id: String(index), subject: 's', headers: {}, payload: new Uint8Array(0), ...order });
    fixture.commit(outbox);
    expect([outbox.owed, fixture.receiver.sends.length]).toEqual([200_000, sends]);
    outbox.stop();
  });

  it('after a crash sends again what was not known to be stored, with the same ids and in order', async () => {
    const fixture = new Fixture();
    const first = fixture.open();
    for (const id of ['a', 'b', 'c']) first.stage(message(id));
    fixture.commit(first);
    fixture.receiver.sends[1]?.acknowledge();
    await settled();
    first.stage(message('never committed'));
    first.stop();
    const second = fixture.open();
    expect(fixture.receiver.ids).toEqual(['a', 'b', 'c']);
    expect(fixture.receiver.sends[2]?.message).toEqual(message('c'));
    for (const send of fixture.receiver.sends) send.acknowledge();
    await settled();
    second.stage(message('d'));
    fixture.commit(second);
    expect([fixture.rows, fixture.receiver.ids.at(-1)]).toEqual([1, 'd']);
  });

  it('has no more sends in flight than its window', async () => {
    const fixture = new Fixture();
    const outbox = fixture.open({ window: 2 });
    for (const id of ['a', 'b', 'c', 'd']) outbox.stage(message(id));
    fixture.commit(outbox);
    expect(fixture.receiver.ids).toEqual(['a', 'b']);
    fixture.receiver.sends[0]?.acknowledge();
    await settled();
    expect(fixture.receiver.ids).toEqual(['a', 'b', 'c']);
  });

  it('room opens when less than the limit is owed', async () => {
    const fixture = new Fixture();
    const outbox = fixture.open({ max_rows: 2 });
    await outbox.room();
    outbox.stage(message('a'));
    outbox.stage(message('b'));
    let open = false;
    const room = outbox.room().then(() => {
      open = true;
    });
    fixture.commit(outbox);
    await settled();
    expect(open).toBe(false);
    fixture.receiver.sends[0]?.acknowledge();
    await room;
    expect(outbox.owed).toBe(1);
  });

  it('stop opens the room and sends nothing more', async () => {
    const fixture = new Fixture();
    const outbox = fixture.open({ max_rows: 1 });
    outbox.stage(message('a'));
    const room = outbox.room();
    outbox.stop();
    await room;
    fixture.commit(outbox);
    expect([fixture.receiver.ids, fixture.rows]).toEqual([[], 1]);
  });

  it('held, lets go of what another owner has sent, and sends the rest when it goes on', async () => {
    const fixture = new Fixture();
    const limits = { max_rows: 4 };
    let outbox = fixture.open(limits);
    outbox.hold();
    const of = (sequence: number): OutMessage => ({ ...message(`r${sequence}`), sequence });
    // A letter of a record may come before what the records before it gave.
    for (const sequence of [1, 3, 2, 4]) outbox.stage(of(sequence));
    fixture.commit(outbox);
    expect([outbox.settledUpTo(4), outbox.owed]).toEqual([0, 4]);
    const room = outbox.room();
    outbox.settle(2);
    await room;
    expect([outbox.settledUpTo(4), outbox.owed]).toEqual([2, 2]);
    outbox.stage(of(2));
    outbox.stage(of(5));
    fixture.commit(outbox);
    expect([fixture.rows, outbox.owed]).toEqual([3, 3]);
    // What it owes says what it comes of also after a restart.
    outbox.stop();
    outbox = fixture.open(limits, undefined, true);
    outbox.settle(3);
    expect(outbox.owed).toBe(2);
    const { receiver } = fixture;
    outbox.hold(false);
    await settled();
    expect(receiver.sends.map((sent) => [sent.id, sent.message.headers])).toEqual(
      ['r4', 'r5'].map((id) => [id, message(id).headers]),
    );
    // What a message comes of is nothing that a receiver knows.
    for (const sent of receiver.sends) expect(Object.keys(sent.message)).not.toContain('sequence');
    for (const sent of receiver.sends) sent.acknowledge();
    await settled();
    fixture.commit(outbox);
    expect([outbox.settledUpTo(5), fixture.rows]).toEqual([5, 0]);
  });

  it('a message in flight that another owner has sent, too, is answered once', async () => {
    const fixture = new Fixture();
    const outbox = fixture.open();
    outbox.stage({ ...message('a'), subject: 'out', sequence: 1 });
    outbox.stage({ ...message('b'), subject: 'out', sequence: 2 });
    fixture.commit(outbox);
    outbox.settle(1);
    expect(outbox.owed).toBe(1);
    fixture.receiver.sends[0]?.refuse();
    await settled();
    await expect.poll(() => fixture.receiver.ids).toEqual(['a', 'b']);
    fixture.receiver.sends[1]?.acknowledge();
    await settled();
    fixture.commit(outbox);
    expect([outbox.owed, fixture.rows]).toEqual([0, 0]);
  });
});
