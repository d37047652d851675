import type { StreamInfo } from '@nats-io/jetstream';
import type { NatsLink } from './connection.ts';
import { describe, isForbidden, isStreamNotFound } from './nats-errors.ts';
import { openManager } from './streams.ts';

/** What the server says of a stream. */
export type StreamLook =
  | { readonly kind: 'missing' }
  /** The credentials may not look. */
  | { readonly kind: 'forbidden'; readonly message: string }
  | {
      readonly kind: 'there';
      /** Changes when the stream is deleted and made again. */
      readonly incarnation: string;
      readonly messages: number;
      /** Of the newest message; 0 of a stream that never had one. */
      readonly lastSequence: number;
      readonly subjects: readonly string[];
      /** It also takes messages of other streams, or renames what it takes: it holds more than its subjects say. */
      readonly isFed: boolean;
      /** Messages that the filter takes; undefined where it takes all. */
      readonly matching: number | undefined;
      /** Consumers of Millrace that somebody has paused, by name. */
      readonly paused: readonly string[];
    };

/** From this version on a server can pause consumers. */
const PAUSES_SINCE = [2, 11] as const;
const OUR_CONSUMERS = 'Millrace source';

/**
 * Looks at a stream, and at how many of its messages are of some subjects (none: of all), without changing
 * anything. Rejects when the server does not answer.
 */
export async function lookAtStream(
  link: NatsLink,
  stream: string,
  filter: readonly string[],
): Promise<StreamLook> {
  try {
    const manager = await openManager(link);
    const info = await manager.streams.info(stream);
    const matching = filter.length === 0 ? undefined : await matchingOf(link, info, filter);
    return {
      kind: 'there',
      incarnation: info.created,
      messages: info.state.messages,
      lastSequence: info.state.last_seq,
      subjects: info.config.subjects ?? [],
      isFed: isFed(info),
      matching,
      paused: await pausedOf(link, stream),
    };
  } catch (error) {
    if (isStreamNotFound(error)) return { kind: 'missing' };
    if (isForbidden(error)) return { kind: 'forbidden', message: describe(error) };
    throw error;
  }
}

/** Whether a stream takes some subject of a pattern; undefined where the credentials may not ask. */
export async function isStreamTaking(link: NatsLink, pattern: string): Promise<boolean | undefined> {
  try {
    const manager = await openManager(link);
    return (await manager.streams.names(pattern).next()).length > 0;
  } catch (error) {
    if (isForbidden(error)) return undefined;
    throw error;
  }
}

const isFed = ({ config: { mirror, sources = [], subject_transform } }: StreamInfo): boolean =>
  mirror !== undefined || sources.length > 0 || subject_transform !== undefined;

async function matchingOf(
  link: NatsLink,
  { config }: StreamInfo,
  filter: readonly string[],
): Promise<number> {
  const manager = await openManager(link);
  let count = 0;
  for (const subjects_filter of filter) {
    const { state } = await manager.streams.info(config.name, { subjects_filter });
    for (const messages of Object.values(state.subjects ?? {})) count += messages;
  }
  return count;
}

async function pausedOf(link: NatsLink, stream: string): Promise<string[]> {
  const [major = 0, minor = 0] = (link.connection.info?.version ?? '').split('.').map(Number);
  const [wantedMajor, wantedMinor] = PAUSES_SINCE;
  if (major < wantedMajor || (major === wantedMajor && minor < wantedMinor)) return [];
  const manager = await openManager(link);
  const paused: string[] = [];
  for await (const { name, config, paused: isPaused } of manager.consumers.list(stream)) {
    if (isPaused === true && config.description?.startsWith(OUR_CONSUMERS) === true) paused.push(name);
  }
  return paused;
}
