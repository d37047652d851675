import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { ErasableStream, ToldStreams } from '../../http/index.ts';
import type { PersonsOwn } from './person-events.ts';

/** Messages that are erased together. */
const SLICE = 100;
/** Longer than a process may keep a message of the stream without a sign of life, ms. */
const HELD_WAIT_MS = 35_000;
const HELD_LOOK_MS = 250;

const noticeSchema = z.looseObject({ payload: z.unknown(), extra: z.unknown().optional() });
const orderSchema = z.looseObject({ order_id: z.string() });
const recordSchema = z.record(z.string(), z.unknown());

/** What was told of a person, and is kept to be told, or shown, still. */
export interface ToldParts {
  readonly streams: ToldStreams;
  /** Whether something may still be made of messages of these sequences of the stream of events. */
  readonly mayHold: (first: number, last: number) => Promise<boolean>;
  /** Says of notices that are about to go that nobody is told of them any more. */
  readonly withdraw: (
    tenant: string,
    notices: readonly { readonly sequence: number; readonly subject: string }[],
  ) => Promise<void>;
}

/**
 * Erases what was told of a person: notices that say an event of theirs, or that speak to people about their orders,
 * notifications in the application about their orders, and what sinks told with the id in it. Which orders are theirs is
 * known by the pseudonym too, so it may be called again after it was interrupted. `onErased` is called as it goes on.
 */
export async function eraseTold(
  { streams, withdraw }: ToldParts,
  whose: PersonsOwn,
  signal: AbortSignal,
  onErased: (stream: keyof ToldStreams, messages: number) => void,
): Promise<void> {
  const { tenant } = whose;
  const erase = async (
    name: keyof ToldStreams,
    isTheirs: (data: Uint8Array) => boolean,
    before: ToldParts['withdraw'] = async () => undefined,
  ): Promise<void> => {
    const stream = streams[name];
    const found = await matching(stream, tenant, isTheirs, signal);
    for (let at = 0; at < found.length; at += SLICE) {
      signal.throwIfAborted();
      const slice = found.slice(at, at + SLICE);
      await before(tenant, slice);
      let erased = 0;
      for (const { sequence } of slice) if (await stream.erase(sequence)) erased++;
      onErased(name, erased);
    }
  };
  await erase('notices', (data) => isNoticeOf(whose, data), withdraw);
  await erase('in_app', (data) => isEntryOf(whose, data));
  await erase('sinks', (data) => whose.quotes(data));
}

/** Until nothing can be told any more of messages that have left the stream; at most as long as one may be held. */
export async function untilTold(
  { mayHold }: ToldParts,
  first: number,
  last: number,
  signal: AbortSignal,
): Promise<void> {
  const end_ms = performance.now() + HELD_WAIT_MS;
  while (performance.now() < end_ms && (await mayHold(first, last)))
    await sleep(HELD_LOOK_MS, undefined, { signal });
}

async function matching(
  stream: ErasableStream,
  tenant: string,
  isTheirs: (data: Uint8Array) => boolean,
  signal: AbortSignal,
): Promise<readonly { readonly sequence: number; readonly subject: string }[]> {
  const first = await stream.firstSequence();
  const { sequence: last } = await stream.end();
  const found: { readonly sequence: number; readonly subject: string }[] = [];
  if (first > last) return found;
  for await (const { sequence, subject, data } of stream.read(first, last, tenant, signal))
    if (isTheirs(data)) found.push({ sequence, subject });
  return found;
}

function isNoticeOf(whose: PersonsOwn, data: Uint8Array): boolean {
  const notice = noticeSchema.safeParse(jsonOf(data)).data;
  const payload = recordSchema.safeParse(notice?.payload).data;
  if (notice === undefined || payload === undefined) return whose.quotes(data);
  // An event of somebody else may name the id, as the stream's own events may.
  if (notice.extra === undefined && typeof payload.customer_id === 'string') return whose.owns(payload);
  if (whose.quotes(data)) return true;
  // What people are told has names and addresses in it, whatever the event has.
  return whose.owns(payload) || (notice.extra !== undefined && whose.isLinked(payload));
}

function isEntryOf(whose: PersonsOwn, data: Uint8Array): boolean {
  const entry = orderSchema.safeParse(jsonOf(data)).data;
  return whose.quotes(data) || (entry !== undefined && whose.isLinked(entry));
}

function jsonOf(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data).toString());
  } catch {
    return undefined;
  }
}
