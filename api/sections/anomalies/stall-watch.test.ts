import { afterEach, beforeEach, expect, it } from 'vitest';
import { MillraceError } from '../../../engine/index.ts';
import { orderEvent, startTestApi, type TestApi } from '../../fixture-api.ts';
import { STALLED_MS, StallWatch } from './stall-watch.ts';

let test: TestApi;

beforeEach(async () => {
  test = await startTestApi();
});
afterEach(() => test.close());

async function told(after: number): Promise<{ type: string; text: string }[]> {
  const { anomalies } = test.ports;
  const found: { type: string; text: string }[] = [];
  for (let at = after; at < ((await anomalies?.last()) ?? 0); at++) {
    const message = await anomalies?.next('default', at, new AbortController().signal);
    found.push(JSON.parse(Buffer.from(message?.data ?? []).toString()) as { type: string; text: string });
  }
  return found;
}

it('a pipeline that stands is told of once, and once when it goes on; one without work is not', async () => {
  const watch = new StallWatch(test.ports, () => ['default']);
  await watch.check();
  test.clock.advance(10 * STALLED_MS);
  await watch.check();
  expect(await told(0)).toEqual([]);
  const key = await test.key('ingest');
  await test.send('/ingest', { key, json: [orderEvent('a'), orderEvent('b')] });
  await watch.check();
  test.clock.advance(STALLED_MS);
  for (let time = 0; time < 3; time++) await watch.check();
  expect((await told(0)).map(({ type, text }) => [type, text.includes('2 messages wait')])).toEqual([
    ['pipeline.stalled', true],
  ]);
  await test.apply();
  for (let time = 0; time < 3; time++) await watch.check();
  expect((await told(0)).map(({ type }) => type)).toEqual(['pipeline.stalled', 'pipeline.recovered']);
});

it('what could not be sent while the server was away is sent when it is back', async () => {
  const { anomalies } = test.ports;
  if (anomalies === undefined) throw new Error('the test has a stream of anomalies');
  let isAway = true;
  const publish: typeof anomalies.publish = async (message) => {
    if (isAway) throw new MillraceError('stream_unavailable', 'It is away.', { retriable: true });
    await anomalies.publish(message);
  };
  const { last, next, latest } = anomalies;
  const feed = {
    last: last.bind(anomalies),
    next: next.bind(anomalies),
    latest: latest.bind(anomalies),
    publish,
  };
  const ports = { ...test.ports, anomalies: feed, pipeline: () => test.pipeline };
  const watch = new StallWatch(ports, () => ['default']);
  await watch.check();
  test.pipeline = { ...test.pipeline, nats: { connected: false } };
  test.clock.advance(STALLED_MS);
  await watch.check();
  await watch.check();
  isAway = false;
  test.pipeline = { ...test.pipeline, nats: { connected: true } };
  await watch.check();
  await watch.check();
  expect((await told(0)).map(({ type }) => type)).toEqual(['pipeline.stalled', 'pipeline.recovered']);
});

it('a stall is told of once whatever processes see it, and its end by those that come later', async () => {
  const key = await test.key('ingest');
  const begin = async (): Promise<StallWatch> => {
    const watch = new StallWatch(test.ports, () => ['default']);
    await watch.check();
    test.clock.advance(STALLED_MS);
    await watch.check();
    return watch;
  };
  const types = async () => (await told(0)).map(({ type }) => type);
  await test.send('/ingest', { key, json: [orderEvent('a')] });
  await begin();
  const [second, third] = [await begin(), await begin()];
  expect(await types()).toEqual(['pipeline.stalled']);
  await test.apply();
  await second.check();
  await third.check();
  expect(await types()).toEqual(['pipeline.stalled', 'pipeline.recovered', 'pipeline.recovered']);
  const ids = (await told(0)).map((message) => (message as unknown as { id: string }).id);
  expect(new Set(ids).size).toBe(1);
  // It is over: the next process has nothing to say, and the next stall is another one.
  await (await begin()).check();
  expect(await types()).toHaveLength(3);
  await test.send('/ingest', { key, json: [orderEvent('b')] });
  await begin();
  await test.apply();
  // It had ended while no process was there.
  await new StallWatch(test.ports, () => ['default']).check();
  expect((await types()).slice(3)).toEqual(['pipeline.stalled', 'pipeline.recovered']);
});
