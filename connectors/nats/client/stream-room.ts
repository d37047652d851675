import { setTimeout as sleep } from 'node:timers/promises';
import type { JetStreamManager, StreamConfig, StreamInfo } from '@nats-io/jetstream';
import { isNoPeers, isNoRoom, isNotPlaced, isStreamNotFound } from './nats-errors.ts';

/** A stream is not made smaller than this for want of room, bytes. */
const MIN_STREAM_BYTES = 1024 ** 2;
/** How long a cluster is waited for that has no place for a stream: it may still be coming up, ms. */
const COMING_UP_MS = 10_000;
const RETRY_PAUSE_MS = 250;

type NamedConfig = Partial<StreamConfig> & { readonly name: string };

/**
 * Makes a stream; where the server has no room for so many bytes, one of half as many, and so on. A cluster that is
 * coming up has no place for a stream of any size, and says it in the words of one that is full: it is asked again for a
 * while, and a stream that was made smaller meanwhile gets the size that was asked for as soon as there is room for it.
 */
export async function addStream(manager: JetStreamManager, config: NamedConfig): Promise<StreamInfo> {
  const until_ms = performance.now() + COMING_UP_MS;
  let max_bytes = config.max_bytes ?? -1;
  let isSure = true;
  for (;;) {
    try {
      const made = await manager.streams.add({ ...config, max_bytes });
      return isSure ? made : await grown(manager, made, config);
    } catch (error) {
      const isPlaceless = isNotPlaced(error);
      if (isPlaceless && performance.now() < until_ms) {
        await sleep(RETRY_PAUSE_MS);
        continue;
      }
      if (!(isNoRoom(error) || isPlaceless)) throw error;
      // Another process may have made it, and so taken the room: the server says nothing of that.
      const there = await streamOf(manager, config.name);
      if (there !== undefined) return there;
      if (isNoPeers(error) || max_bytes <= MIN_STREAM_BYTES) throw error;
      if (isPlaceless) isSure = false;
      max_bytes = Math.max(MIN_STREAM_BYTES, Math.floor(max_bytes / 2));
    }
  }
}

async function streamOf(manager: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(name);
  } catch (error) {
    if (isStreamNotFound(error)) return undefined;
    throw error;
  }
}

/** A stream that was made smaller without a word of its size: with the size that was asked for, unless it is refused. */
async function grown(
  manager: JetStreamManager,
  made: StreamInfo,
  { name, max_bytes = -1 }: NamedConfig,
): Promise<StreamInfo> {
  if (made.config.max_bytes === max_bytes) return made;
  try {
    return await manager.streams.update(name, { max_bytes });
  } catch {
    // Then it is the size that has no room.
    return made;
  }
}

/** A sentence where a stream keeps less than was asked for; undefined where it does not. */
export function smallerText(
  config: Pick<StreamConfig, 'name' | 'max_bytes'>,
  asked_bytes: number,
): string | undefined {
  if (config.max_bytes <= 0 || config.max_bytes >= asked_bytes) return undefined;
  const [has, asked] = [config.max_bytes, asked_bytes].map((bytes) => `${Math.floor(bytes / 1024 ** 2)} MiB`);
  return (
    `Stream "${config.name}" keeps ${has}, less than the ${asked} asked for: give the server more room, then ` +
    '"nats stream edit".'
  );
}
