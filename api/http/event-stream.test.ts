import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { EventStreams, type ServerEvent } from './event-stream.ts';

const utf8 = new TextDecoder();

/** Yields events until it is left; tells when it was. */
function follower(): { readonly follow: () => AsyncGenerator<ServerEvent>; readonly left: () => boolean } {
  let isLeft = false;
  async function* follow(): AsyncGenerator<ServerEvent> {
    try {
      for (let at = 1; ; at++) yield { event: 'progress', id: String(at), data: { at, text: 'a\nb' } };
    } finally {
      isLeft = true;
    }
  }
  return { follow, left: () => isLeft };
}

it('writes events as the HTML standard has them, one line of data each', async () => {
  const { follow } = follower();
  const reader = new EventStreams().stream('k', follow).getReader();
  const read = async () => utf8.decode((await reader.read()).value);
  expect(await read()).toBe('retry: 2000\n\n');
  expect(await read()).toBe('id: 1\nevent: progress\ndata: {"at":1,"text":"a\\nb"}\n\n');
  await reader.cancel();
});

it('leaves what it follows when the client leaves, whether it waits or not, and gives the place back', async () => {
  const streams = new EventStreams();
  const open = (): number =>
    streams.samples().find(({ name }) => name.endsWith('event_streams'))?.value ?? -1;
  const ready = follower();
  const one = streams.stream('k', ready.follow).getReader();
  const waiting = streams
    .stream('k', async function* (signal) {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      yield* [];
    })
    .getReader();
  expect(open()).toBe(2);
  // From then on they follow.
  await one.read();
  await waiting.read();
  await sleep(5);
  await one.cancel();
  await waiting.cancel();
  await vi.waitFor(() => expect(ready.left()).toBe(true));
  expect(open()).toBe(0);
});

it('leaves a client that takes nothing, and no other', async () => {
  const streams = new EventStreams({ heartbeat_ms: 50 });
  const slow = follower();
  const stalled = streams.stream('k', slow.follow).getReader();
  const reader = streams.stream('k', follower().follow).getReader();
  const sample = (name: string): number | undefined =>
    streams.samples().find((one) => one.name === name)?.value;
  while (sample('millrace.http.event_streams.dropped') === 0) {
    await reader.read();
    await sleep(1);
  }
  expect(sample('millrace.http.event_streams.dropped')).toBe(1);
  expect(sample('millrace.http.event_streams')).toBe(1);
  await expect(stalled.closed).rejects.toThrow('takes nothing');
  expect((await reader.read()).done).toBe(false);
  await reader.cancel();
});

it('gives a sign of life while there is nothing to say, and ends when the service stops', async () => {
  const streams = new EventStreams({ heartbeat_ms: 5 });
  const stream = streams.stream('k', async function* (signal) {
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    yield* [];
  });
  let text = '';
  for await (const chunk of stream) {
    text += utf8.decode(chunk);
    if (text.includes(': alive')) streams.close();
  }
  expect(text).toMatch(/^retry: 2000\n\n(: alive\n\n)+$/);
});
