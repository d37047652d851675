import { useEffect, useRef } from 'preact/hooks';
import { type ApiRequest, send } from './request.ts';
import { session } from './session.ts';

/** One server-sent event. */
export interface LiveEvent {
  readonly event: string;
  readonly id: string;
  readonly data: unknown;
}

/** Between the end of a stream and the next try, ms. */
const RETRY_MS = 2_000;
/** A stream that says nothing, not even a sign of life, for so long is taken for dead, ms. */
const SILENT_MS = 40_000;

/** Parses the text of a stream of events; returns what is left of an unfinished one. */
export function eventsIn(text: string, take: (event: LiveEvent) => void): string {
  const blocks = text.split(/\r?\n\r?\n/);
  const rest = blocks.pop() ?? '';
  for (const block of blocks) {
    const members = new Map<string, string>();
    for (const line of block.split(/\r?\n/)) {
      const at = line.indexOf(':');
      if (at <= 0) continue;
      const name = line.slice(0, at);
      const value = line.slice(at + 1).replace(/^ /, '');
      members.set(name, members.has(name) ? `${members.get(name)}\n${value}` : value);
    }
    const data = members.get('data');
    if (data === undefined) continue;
    try {
      take({ event: members.get('event') ?? 'message', id: members.get('id') ?? '', data: JSON.parse(data) });
    } catch {
      // An event that cannot be read must not end those after it.
    }
  }
  return rest;
}

async function read(
  request: ApiRequest,
  last: string,
  signal: AbortSignal,
  take: (event: LiveEvent) => void,
  opened: () => void,
): Promise<void> {
  const headers = { Accept: 'text/event-stream', ...(last === '' ? {} : { 'Last-Event-ID': last }) };
  const quiet = new AbortController();
  const both = AbortSignal.any([signal, quiet.signal]);
  let timer = setTimeout(() => quiet.abort(), SILENT_MS);
  try {
    const response = await send({ ...request, headers }, both);
    opened();
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ''; reader !== undefined; ) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => quiet.abort(), SILENT_MS);
      rest = eventsIn(rest + value, take);
    }
  } finally {
    clearTimeout(timer);
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Follows a stream of events while the component is there. It comes again, behind the last event that it saw, when the
 * stream ends or the service is killed; `connected` tells which it is.
 */
export function useLive(
  request: ApiRequest | null,
  take: (event: LiveEvent) => void,
  connected?: (is: boolean) => void,
): void {
  const latest = useRef({ take, connected });
  latest.current = { take, connected };
  const name = request === null ? '' : JSON.stringify([request, session.value?.tenant]);
  useEffect(() => {
    if (request === null) return;
    const left = new AbortController();
    const follow = async (): Promise<void> => {
      for (let last = ''; !left.signal.aborted; await pause(RETRY_MS)) {
        const take = (event: LiveEvent): void => {
          if (event.id !== '') last = event.id;
          latest.current.take(event);
        };
        await read(request, last, left.signal, take, () => latest.current.connected?.(true)).catch(
          () => undefined,
        );
        if (!left.signal.aborted) latest.current.connected?.(false);
      }
    };
    follow().catch(() => undefined);
    return () => left.abort();
  }, [name]);
}
