import { describe, expect, it } from 'vitest';
import { MillraceError, SeededRandom } from '../base/index.ts';
import {
  type Block,
  type ChannelRow,
  cutBlocks,
  decodeBlock,
  encodeBlock,
  isFence,
  rowsBeyond,
} from './block.ts';
import { type ReadChannel, receiveBlock } from './channel-reader.ts';
import { CHANNEL_START, comparePlaces, type Place } from './place.ts';

const LIMITS = { block_max_bytes: 300, row_max_bytes: 200 };

function rowsOf(random: SeededRandom, count: number, behind = 0): ChannelRow[] {
  let sequence = behind + 1;
  return Array.from({ length: count }, (_, at) => {
    sequence += random.pick([0, 0, 0, 1, 7, 1_000_000_007]);
    return { sequence, payload: Buffer.from(`${sequence}/${at}/`.padEnd(random.int(0, 60), 'x')) };
  });
}

/** A channel of blocks as one owner cuts it, with commits at random. */
function channelOf(random: SeededRandom, rows: readonly ChannelRow[]): readonly Block[] {
  const blocks: Block[] = [];
  let from: Place = CHANNEL_START;
  for (let at = 0; at < rows.length; ) {
    let end = Math.min(rows.length, at + random.int(1, 12));
    // A commit ends between two records.
    while (end < rows.length && rows[end]?.sequence === rows[end - 1]?.sequence) end++;
    const last = rows[end - 1]?.sequence ?? 0;
    const to = { sequence: random.int(last, (rows[end]?.sequence ?? last + 2) - 1), ahead: 0 };
    blocks.push(...cutBlocks(rows.slice(at, end), { from, to, watermark_ms: last }, LIMITS));
    from = to;
    at = end;
  }
  return blocks;
}

const text = (rows: readonly ChannelRow[]): string[] =>
  rows.map(({ sequence, payload }) => `${sequence} ${Buffer.from(payload).toString()}`);

describe('a block', () => {
  it('comes back from its bytes, also without rows, with a watermark before 1970 and as a fence', () => {
    const random = new SeededRandom(1);
    const blocks: Block[] = [
      {
        epoch: 7,
        from: { sequence: 9, ahead: 0 },
        to: { sequence: 9, ahead: 0 },
        watermark_ms: null,
        rows: [],
      },
      { epoch: 0, from: CHANNEL_START, to: { sequence: 2 ** 53 - 1, ahead: 0 }, watermark_ms: -5, rows: [] },
      ...channelOf(random, rowsOf(random, 80)),
    ];
    for (const block of blocks) {
      const back = decodeBlock(encodeBlock(block));
      expect({ ...back, rows: text(back.rows) }).toEqual({ ...block, rows: text(block.rows) });
    }
    expect(blocks.map(isFence).slice(0, 3)).toEqual([true, false, false]);
  });

  it('of rubbish is refused by name, whatever it is', () => {
    const random = new SeededRandom(2);
    const good = channelOf(random, rowsOf(random, 300)).map(encodeBlock);
    let refused = 0;
    let wrong: string | undefined;
    for (let round = 0; round < 5_000; round++) {
      const bytes = Uint8Array.from(
        random.chance(0.1)
          ? Array.from({ length: random.int(0, 40) }, () => random.int(0, 255))
          : random.pick(good),
      );
      if (random.chance(0.9)) bytes[random.int(0, bytes.length - 1)] = random.int(0, 255);
      const cut = random.chance(0.3) ? bytes.subarray(0, random.int(0, bytes.length)) : bytes;
      try {
        const { from, to, rows } = decodeBlock(cut);
        // What is taken is in order, and inside of what it says.
        const sequences = [from.sequence + 1, ...rows.map(({ sequence }) => sequence), to.sequence + 1];
        const isIn = sequences.every((sequence, at) => at === 0 || sequence >= (sequences[at - 1] as number));
        if (!isIn || comparePlaces(from, to) > 0) wrong ??= Buffer.from(cut).toString('hex');
      } catch (error) {
        refused++;
        if (!(error instanceof MillraceError) || error.code !== 'bad_block') wrong ??= String(error);
      }
    }
    expect(wrong).toBeUndefined();
    expect(refused).toBeGreaterThan(1_000);
    expect(() => decodeBlock(Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0))).toThrow(/version is 2/);
  });

  it('is no larger than it may be, also where one record has more rows than fit', () => {
    const rows = Array.from({ length: 50 }, (_, at) => ({ sequence: 5, payload: Buffer.alloc(50, at) }));
    const blocks = cutBlocks(
      rows,
      { from: CHANNEL_START, to: { sequence: 8, ahead: 0 }, watermark_ms: 3 },
      LIMITS,
    );
    expect(blocks.length).toBeGreaterThan(10);
    for (const block of blocks) expect(encodeBlock(block).length).toBeLessThanOrEqual(LIMITS.block_max_bytes);
    expect(blocks.map(({ watermark_ms }) => watermark_ms)).toEqual([...blocks.slice(1).map(() => null), 3]);
    expect(blocks.map(({ to }) => to.ahead)).toEqual([
      ...blocks.slice(1).map((_, at) => blocks[at]?.to.ahead),
      0,
    ]);
    expect(blocks.at(-1)?.to).toEqual({ sequence: 8, ahead: 0 });
  });
});

it('the rows of a channel are there once and in order, whoever of several owners sends which block', () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = new SeededRandom(seed);
    const rows = rowsOf(random, random.int(1, 120));
    const owners = [1, 2, 3].map(() => channelOf(random, rows));
    const taken: ChannelRow[] = [];
    let read: ReadChannel | undefined;
    let end: Place = CHANNEL_START;
    const last = owners.map((blocks) => blocks.at(-1)?.to ?? CHANNEL_START);
    const whole = last.reduce((a, b) => (comparePlaces(a, b) > 0 ? a : b));
    while (comparePlaces(end, whole) < 0) {
      const blocks = random.pick(owners);
      // As a sender does: the first block that is not known yet goes on where the channel ends.
      const block = blocks.find(({ to }) => comparePlaces(to, end) > 0);
      if (block === undefined) continue;
      const sent = { ...block, from: end, rows: rowsBeyond(block, end) };
      const received = receiveBlock('c', decodeBlock(encodeBlock(sent)), read);
      taken.push(...received.rows);
      expect(received.known_rows).toBe(0);
      read = received.channel;
      end = sent.to;
      // What comes twice brings nothing.
      if (random.chance(0.2)) {
        const again = receiveBlock('c', random.chance(0.5) ? sent : block, read);
        expect(again.rows).toEqual([]);
      }
    }
    expect(text(taken), `seed ${seed}`).toEqual(text(rows));
  }
});

it('a block that does not follow what was read is a gap, with both places', () => {
  const from = { sequence: 12, ahead: 3 };
  const block = { epoch: 1, from, to: { sequence: 20, ahead: 0 }, watermark_ms: null, rows: [] };
  expect(() => receiveBlock('millrace.t.c.0.0_1', block, undefined)).toThrow(
    expect.objectContaining({ code: 'channel_gap', message: expect.stringMatching(/behind 12\+3.*up to 0/) }),
  );
});
