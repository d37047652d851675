import type { ByteReader, ByteWriter, Codec } from '../base/index.ts';
import { type Block, type ChannelRow, decodeBlock, rowsBeyond } from './block.ts';
import { producerOf } from './chain-log.ts';
import { channelGap, unknownProducer } from './channel-errors.ts';
import { CHANNEL_START, comparePlaces, type Place } from './place.ts';

/** How far a channel was read. */
export interface ReadChannel {
  readonly to: Place;
  /** The highest that was seen. */
  readonly epoch: number;
  /** Null before the first. */
  readonly watermark_ms: number | null;
}

export const readChannelCodec: Codec<ReadChannel> = {
  write: (writer: ByteWriter, { to, epoch, watermark_ms }) => {
    writer
      .varint(to.sequence)
      .varint(to.ahead)
      .varint(epoch)
      .u8(watermark_ms === null ? 0 : 1);
    if (watermark_ms !== null) writer.zigzag(watermark_ms);
  },
  read: (reader: ByteReader) => ({
    to: { sequence: reader.varint(), ahead: reader.varint() },
    epoch: reader.varint(),
    watermark_ms: reader.u8() === 0 ? null : reader.zigzag(),
  }),
};

/** What a block brings. */
export interface Received {
  /** That were not there yet. */
  readonly rows: readonly ChannelRow[];
  /** Rows that were there already. */
  readonly known_rows: number;
  readonly channel: ReadChannel;
}

/**
 * What a block of a channel brings to who has read it up to `before`; undefined: nothing. A block of an earlier epoch
 * than the last obeys the chain like any other: what the log has is what counts. Throws `channel_gap`.
 */
export function receiveBlock(subject: string, block: Block, before: ReadChannel | undefined): Received {
  const { to = CHANNEL_START, epoch = 0, watermark_ms = null } = before ?? {};
  if (comparePlaces(block.from, to) > 0) throw channelGap(subject, to, block.from);
  const isKnown = comparePlaces(block.to, to) <= 0;
  const rows = isKnown ? [] : rowsBeyond(block, to);
  const marks = [block.watermark_ms, watermark_ms].filter((mark) => mark !== null);
  return {
    rows,
    known_rows: block.rows.length - rows.length,
    channel: {
      to: isKnown ? to : block.to,
      epoch: Math.max(epoch, block.epoch),
      watermark_ms: marks.length === 0 ? null : Math.max(...marks),
    },
  };
}

/** The smallest watermark of all channels to a target; null as long as one has none. */
export function leastWatermark(channels: readonly (ReadChannel | undefined)[]): number | null {
  let least_ms: number | null = Number.POSITIVE_INFINITY;
  for (const channel of channels) {
    const mark = channel?.watermark_ms ?? null;
    if (mark === null) return null;
    least_ms = Math.min(least_ms, mark);
  }
  return Number.isFinite(least_ms) ? least_ms : null;
}

/** A message of a channel. Throws `unknown_producer`, and `bad_block`. */
export function readMessage(
  subject: string,
  bytes: Uint8Array,
  producers: readonly string[],
): { readonly producer: string; readonly block: Block } {
  const producer = producerOf(subject);
  if (!producers.includes(producer)) throw unknownProducer(subject, producers.length);
  return { producer, block: decodeBlock(bytes) };
}
