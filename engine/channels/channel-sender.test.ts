import { describe, expect, it } from 'vitest';
import { ManualClock, Metrics, SeededRandom } from '../base/index.ts';
import { type KvStore, MemoryDisk } from '../state/index.ts';
import { SimulatedChains } from '../testing/index.ts';
import { decodeBlock, isFence } from './block.ts';
import type { TaskRole } from './chain-log.ts';
import { type ChannelLimits, DEFAULT_CHANNEL_LIMITS } from './channel-limits.ts';
import { type ReadChannel, receiveBlock } from './channel-reader.ts';
import { ChannelSender, type CutOutput } from './channel-sender.ts';

const SUBJECTS = [0, 1].map((target) => `millrace.t.c.${target}.0_0`);

/** One owner of a task whose record `n` sends the rows `n/0`, `n/1`, … to two targets. */
class Owner {
  readonly clock = new ManualClock(1_000);
  readonly metrics = new Metrics();
  readonly fencedBy: number[] = [];
  readonly sender: ChannelSender;
  readonly #store: KvStore;
  readonly #out: CutOutput;
  position = 0;

  constructor(
    readonly disk: MemoryDisk,
    log: SimulatedChains,
    role: TaskRole = 'active',
    limits: Partial<ChannelLimits> = {},
  ) {
    this.#store = disk.open();
    this.sender = new ChannelSender({
      ...{ store: this.#store, log, clock: this.clock, metrics: this.metrics, role },
      limits: { ...DEFAULT_CHANNEL_LIMITS, retry_ms: 0, block_max_bytes: 200, ...limits },
      subjectOf: (_, target) => SUBJECTS[target] as string,
      requestBarrier: () => undefined,
      onFenced: (epoch) => this.fencedBy.push(epoch),
    });
    this.#out = this.sender.open('c', 2);
  }

  /** Takes records and commits them. */
  commit(records: number, rows = 2): void {
    for (let left = records; left > 0; left--) {
      this.position++;
      for (let at = 0; at < rows * 2; at++) {
        this.#out.add(at % 2, this.position, Buffer.from(`${this.position}/${at >> 1}`));
      }
      this.#out.watermark(this.position * 10);
    }
    this.clock.advance(500);
    this.#store.transaction(() => this.sender.flush(this.position, this.clock.now()));
    this.sender.pump();
  }

  sample(name: string): number {
    return this.metrics.samples().find((each) => each.name === `millrace.channel.${name}`)?.value ?? -1;
  }
}

const settle = async (log: SimulatedChains): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) {
    log.deliver();
    await new Promise((resolve) => setImmediate(resolve));
  }
};

/** What a receiver gets of a channel. */
function received(log: SimulatedChains, subject: string): { rows: string[]; read: ReadChannel | undefined } {
  let read: ReadChannel | undefined;
  const rows: string[] = [];
  for (const message of log.all.filter((each) => each.subject === subject)) {
    const got = receiveBlock(subject, decodeBlock(message.bytes), read);
    read = got.channel;
    rows.push(...got.rows.map(({ payload }) => Buffer.from(payload).toString()));
  }
  return { rows, read };
}

const rowsUpTo = (last: number, rows = 2): string[] =>
  Array.from({ length: last * rows }, (_, at) => `${Math.floor(at / rows) + 1}/${at % rows}`);

const chains = (seed: number, faults = false, more: object = {}): SimulatedChains =>
  new SimulatedChains({ random: new SeededRandom(seed), faults, now: () => 0, ...more });

describe('the sender of channels', () => {
  it('has each row stored once and in order, through lost answers, restarts and several owners', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const log = chains(seed, true);
      const random = new SeededRandom(seed + 1_000);
      const owners = [new Owner(new MemoryDisk(), log), new Owner(new MemoryDisk(), log, 'standby')];
      let epoch = 0;
      const active: Promise<unknown>[] = [];
      for (let step = 0; step < 40; step++) {
        const at = random.int(0, 1);
        const owner = owners[at] as Owner;
        const kind = random.int(0, 9);
        if (kind < 6) owner.commit(random.int(0, 4));
        else if (kind === 6) active.push(owner.sender.activate(++epoch).catch((error: Error) => error));
        else if (kind === 7) {
          owner.sender.stop();
          const next = new Owner(owner.disk, log, random.pick(['active', 'standby']));
          next.position = owner.position;
          owners[at] = next;
        } else {
          log.deliver();
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
      log.calm();
      const [first, second] = owners as [Owner, Owner];
      const last = Math.max(first.position, second.position) + 1;
      for (const owner of owners) owner.commit(last - owner.position);
      active.push(first.sender.activate(++epoch));
      await settle(log);
      first.clock.advance(60_000);
      first.sender.pump();
      await settle(log);
      await Promise.all(active);
      for (const subject of SUBJECTS)
        expect(received(log, subject).rows, `seed ${seed}`).toEqual(rowsUpTo(last));
      // What the other owner sees there, it need not send.
      second.clock.advance(60_000);
      second.sender.standby();
      second.sender.pump();
      await settle(log);
      expect([first.sender.owed_blocks, second.sender.owed_blocks]).toEqual([0, 0]);
    }
  });

  it('of an owner that was taken over stops, says so, and goes on as a standby', async () => {
    const log = chains(1);
    const [old, next] = [new Owner(new MemoryDisk(), log), new Owner(new MemoryDisk(), log, 'standby')];
    await old.sender.activate(3);
    old.commit(2);
    await settle(log);
    next.commit(1);
    await next.sender.activate(5);
    old.commit(2);
    await settle(log);
    expect([old.sender.role, old.fencedBy, old.sample('fenced')]).toEqual(['standby', [5], 1]);
    await expect(old.sender.activate(4)).rejects.toMatchObject({ code: 'fenced', retriable: false });
    next.commit(4);
    await settle(log);
    expect(received(log, SUBJECTS[0] as string)).toMatchObject({
      rows: rowsUpTo(5),
      read: { epoch: 5, to: { sequence: 5, ahead: 0 }, watermark_ms: 50 },
    });
    expect(log.all.filter(({ bytes }) => isFence(decodeBlock(bytes)))).toHaveLength(4);
    expect(next.sample('known_rows')).toBeGreaterThan(0);
  });

  it('waits where a channel is full, and takes no input above its limit', async () => {
    const log = chains(1, false, { channel_max_messages: 2 });
    const owner = new Owner(new MemoryDisk(), log, 'active', { pending_max_blocks: 3 });
    for (let commits = 0; commits < 5; commits++) {
      owner.commit(1);
      await settle(log);
    }
    expect([owner.sender.owed_blocks, owner.sample('full') > 0]).toEqual([6, true]);
    let hasRoom = false;
    const room = owner.sender.room().then(() => {
      hasRoom = true;
    });
    await settle(log);
    expect(hasRoom).toBe(false);
    log.purge(() => true, log.all.at(-1)?.sequence ?? 0);
    log.purge((subject) => subject === SUBJECTS[1], (log.all.at(-1)?.sequence ?? 0) + 1);
    owner.clock.advance(60_000);
    while (!hasRoom) {
      owner.clock.advance(60_000);
      log.purge(() => true, log.lastSequence - 1);
      await settle(log);
    }
    await room;
    owner.sender.stop();
  });

  it('stops by name where the end of a channel is gone', async () => {
    const log = chains(1);
    const owner = new Owner(new MemoryDisk(), log);
    for (const records of [3, 2]) {
      owner.commit(records);
      await settle(log);
    }
    log.purgeAll(SUBJECTS[1] as string);
    const again = new Owner(owner.disk, log);
    again.position = owner.position;
    // Reads of ten seconds say so, and a process that stood still for longer has read nothing meanwhile.
    for (let looks = 0; looks < 4; looks++) {
      again.commit(1);
      await settle(log);
      again.clock.advance(60_000);
    }
    again.commit(1);
    await settle(log);
    expect(() => again.commit(1)).toThrow(expect.objectContaining({ code: 'channel_end_missing' }));
    await expect(again.sender.activate(9)).rejects.toMatchObject({ code: 'channel_end_missing' });
  });

  it('goes on where a server that was away gives an older end', async () => {
    const log = chains(1);
    const owner = new Owner(new MemoryDisk(), log);
    for (const records of [3, 2]) {
      owner.commit(records);
      await settle(log);
    }
    const again = new Owner(owner.disk, log);
    again.position = owner.position;
    let stale = 2;
    const old = log.all.filter(({ subject }) => subject === SUBJECTS[1])[0];
    const { last } = log;
    log.last = (subject) =>
      subject === SUBJECTS[1] && stale-- > 0 ? Promise.resolve(old) : last.call(log, subject);
    for (let commits = 0; commits < 4; commits++) {
      again.commit(1);
      await settle(log);
    }
    expect(stale).toBeLessThan(0);
    expect(received(log, SUBJECTS[1] as string).rows).toEqual(rowsUpTo(9));
    stale = 2;
    await again.sender.activate(9);
    again.commit(1);
    await settle(log);
    expect(received(log, SUBJECTS[1] as string).rows).toEqual(rowsUpTo(10));
  });

  it('says now and then how far it is where there are no rows, in one block', async () => {
    const log = chains(1);
    const owner = new Owner(new MemoryDisk(), log, 'standby');
    for (let commits = 0; commits < 9; commits++) owner.commit(1, 0);
    expect(owner.sender.owed_blocks).toBe(2);
    await owner.sender.activate(1);
    await settle(log);
    const { read, rows } = received(log, SUBJECTS[0] as string);
    expect([rows, read?.watermark_ms, read?.to.sequence]).toEqual([[], 90, 9]);
  });

  it('refuses an item that is too large, and one of a record that was committed', () => {
    const log = chains(1);
    const owner = new Owner(new MemoryDisk(), log);
    owner.commit(3);
    const out = owner.sender.open('d', 1);
    expect(() => out.add(0, 1, Buffer.alloc(800_000))).toThrow(/cut "d" has 800000 bytes/);
    owner.position = 2;
    expect(() => owner.commit(1)).toThrow(expect.objectContaining({ code: 'channel_row_behind' }));
  });
});
