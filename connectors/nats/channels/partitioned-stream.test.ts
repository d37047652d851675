import { afterAll, beforeAll, expect, it } from 'vitest';
import { partitionOf } from '../../../engine/index.ts';
import { startTestNats, type TestNats } from '../../../test/nats.ts';
import { connectNats, layoutOf, type NatsLink, openManager } from '../client/index.ts';
import { ensurePartitionedStream, transformOf } from './partitioned-stream.ts';

let nats: TestNats;
let link: NatsLink;
beforeAll(async () => {
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'partitions-test' });
});
afterAll(async () => {
  await link.close();
  await nats.stop();
});

const spec = { stream: 'EV', subject: 'ev.*.*', partitionBy: [1], partitions: 8 };

it('stores what is published by the partition of its key, and says how', async () => {
  const layout = await ensurePartitionedStream(link, spec);
  link.connection.publish('ev.order-1.created', '1');
  link.connection.publish('ev.order-2.paid', '2');
  // A tick for a partition is published under a key of it.
  link.connection.publish('ev.order-1.tick', '');
  await link.connection.flush();
  const manager = await openManager(link);
  const info = await manager.streams.info('EV', { subjects_filter: '>' });
  const [first, second] = ['order-1', 'order-2'].map((key) => partitionOf(key, 8));
  expect(Object.keys(info.state.subjects ?? {}).sort()).toEqual(
    [`p.${first}.created`, `p.${first}.tick`, `p.${second}.paid`].sort(),
  );
  expect(await ensurePartitionedStream(link, spec)).toBe(layout);
  // The number of partitions can be changed in place, silently: the layout tells.
  await manager.streams.update('EV', { subject_transform: transformOf({ ...spec, partitions: 16 }) });
  expect(layoutOf((await manager.streams.info('EV')).config)).not.toBe(layout);
  await expect(ensurePartitionedStream(link, spec)).rejects.toMatchObject({ code: 'layout_missing' });
});

it('refuses a stream that was made without, and parts that a subject does not have', async () => {
  await (await openManager(link)).streams.add({ name: 'PLAIN', subjects: ['plain.*.*'] });
  await expect(
    ensurePartitionedStream(link, { ...spec, stream: 'PLAIN', subject: 'plain.*.*' }),
  ).rejects.toMatchObject({
    code: 'layout_missing',
    message: expect.stringContaining('has no subject transform'),
  });
  expect(transformOf({ ...spec, subject: 'o.*', partitions: 4 }).dest).toBe('p.{{partition(4,1)}}.event');
  for (const wrong of [{ partitionBy: [3] }, { partitionBy: [] }, { subject: 'ev.>' }]) {
    expect(() => transformOf({ ...spec, ...wrong })).toThrow(expect.objectContaining({ code: 'bad_config' }));
  }
});
