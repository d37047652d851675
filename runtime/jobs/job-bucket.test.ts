import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { connectNats, type NatsLink, openKeyValueStore, openManager } from '../../connectors/index.ts';
import { startTestNats, type TestNats } from '../../test/nats.ts';
import { counting, ended, JobsFixture, PATIENTLY } from './fixture-jobs.ts';

let nats: TestNats;
let link: NatsLink;
beforeAll(async () => {
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'jobs-test' });
});
afterAll(async () => {
  await link.close();
  await nats.stop();
});

it('a bucket that is deleted while jobs run is made again, with all of them, and they go on', async () => {
  const errors = await openKeyValueStore(link, 'errors');
  const test = new JobsFixture(await openKeyValueStore(link, 'jobs'), errors);
  const jobs = await test.process([counting(100, () => undefined, { pause_ms: 5 })]);
  const make = () => jobs.create({ tenant: 'a', created_by: 'k', input: null, type: 'count_ingest' });
  const made = [await make(), await make()];
  await vi.waitFor(
    async () => expect((await jobs.get('a', made[0]?.job_id ?? '')).progress.done).toBeGreaterThan(0),
    PATIENTLY,
  );
  const manager = await openManager(link);
  await manager.streams.delete('KV_jobs');
  await vi.waitFor(async () => made.push(await make()), PATIENTLY);
  for (const job of made) {
    expect(await ended(jobs, job)).toMatchObject({ status: 'succeeded', counts: { counted: 100 } });
  }
  const kept = (await (await openKeyValueStore(link, 'jobs')).list()).filter(({ key }) =>
    key.startsWith('job.'),
  );
  expect(kept).toHaveLength(3);
  await test.close();
});
