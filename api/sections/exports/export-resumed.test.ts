import { expect, it, vi } from 'vitest';
import { orderEvent, PATIENTLY, startTestApi } from '../../fixture-api.ts';

interface Job {
  readonly job_id: string;
  readonly status: string;
  readonly result: { readonly rows: number } | null;
}

it.each(['csv', 'ndjson', 'parquet'])(
  'a %s that was left behind its last page has each row once',
  async (format) => {
    const test = await startTestApi();
    try {
      const key = await test.key('admin');
      const events = ['e1', 'e2', 'e3'].map((id) => orderEvent(id, { time: '2025-09-01T09:00:00Z' }));
      await test.send('/ingest', { key, json: events });
      await test.apply();
      const { records } = test.ports.jobs;
      // What is kept of the job behind its last page, before it is over.
      let kept: Readonly<Record<string, unknown>> | undefined;
      const update = records.update.bind(records);
      records.update = (name, value, revision) => {
        const record = JSON.parse(JSON.stringify(value)) as Readonly<Record<string, unknown>>;
        if (record.status === 'running' && record.state !== null) kept = record;
        return update(name, value, revision);
      };
      const created = await test.send('/exports', { key, json: { query: {}, format } });
      const { job_id } = (await created.json()) as Job;
      const over = (): Promise<Job> =>
        vi.waitFor(async () => {
          const job = (await (await test.send(`/jobs/${job_id}`, { key })).json()) as Job;
          expect(job).toMatchObject({ status: 'succeeded', error: null });
          return job;
        }, PATIENTLY);
      const first = await over();
      expect(first.result?.rows).toBe(3);
      const name = `job.default.${job_id}`;
      const entry = await records.get(name);
      expect(kept).toMatchObject({ state: { rows: 3 } });
      // Its process ends there; another attempt goes on.
      await update(name, { ...kept, status: 'queued', owner: null }, entry?.revision ?? 0);
      await vi.waitFor(async () => {
        const value = (await records.get(name))?.value as { attempt: number; status: string };
        expect(value).toMatchObject({ attempt: 2, status: 'succeeded' });
      }, PATIENTLY);
      const again = await over();
      expect(again.result).toEqual(first.result);
      if (format === 'parquet') return;
      const text = await (await test.send(`/jobs/${job_id}/result`, { key })).text();
      const rows = text.trimEnd().split(/\r?\n/);
      expect(rows).toHaveLength(format === 'csv' ? 4 : 3);
    } finally {
      await test.close();
    }
  },
);
