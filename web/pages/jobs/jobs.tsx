import { useSignal } from '@preact/signals';
import { type Definition, Definitions } from '../../answers/index.ts';
import { type ApiRequest, ask, asProblem, may, useAnswer } from '../../api/index.ts';
import {
  Badge,
  type Column,
  ConfirmOne,
  Empty,
  Fields,
  Form,
  formatTime,
  formatValue,
  Problem,
  Select,
  sheetOf,
  Table,
  Tile,
  useAction,
} from '../../parts/index.ts';
import { range, zone } from '../../state/index.ts';
import { REPORT, reportFields } from './report-fields.ts';

interface Job {
  readonly job_id: string;
  readonly type: string;
  readonly status: 'queued' | 'running' | 'paused' | 'succeeded' | 'failed' | 'cancelled';
  readonly progress: {
    readonly done: number;
    readonly total: number | null;
    readonly unit: string;
    readonly time_left_s: number | null;
  };
  readonly errors: { readonly count: number };
  readonly file: { readonly media_type: string; readonly size_bytes: number } | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly created_by: string;
  readonly created_at: string;
}

const AGAIN_MS = 2_000;
const KIND = { succeeded: 'good', failed: 'bad', cancelled: 'warn' } as const;
const ENDED: ReadonlySet<string> = new Set(['succeeded', 'failed', 'cancelled']);

/** Reports, exports and every other long work, with its progress. */
export function Jobs() {
  const request = { path: '/jobs', params: { limit: 50 } };
  const answer = useAnswer<{ readonly jobs: readonly Job[] }>(request, { refresh_ms: AGAIN_MS });
  const action = useAction<unknown>();
  const failed = useSignal<ReturnType<typeof asProblem> | undefined>(undefined);
  const cancelling = useSignal<Job | null>(null);
  const saved = useAnswer<{ readonly queries: readonly Definition[] }>(
    may('definitions:read') ? { path: '/queries', params: { limit: 200 } } : null,
  );
  const queries = (saved.data?.queries ?? []).map(({ id, name }) => [id, name] as const);
  const act = async (one: ApiRequest): Promise<void> => {
    await action.run(one);
    answer.again();
  };
  const download = async ({ job_id }: Job): Promise<void> => {
    failed.value = undefined;
    try {
      // The signed link is followed by the browser itself, which keeps files of any size out of the page's memory.
      const { download_url } = await ask<{ readonly download_url?: string }>({ path: `/exports/${job_id}` });
      if (download_url !== undefined) location.assign(download_url);
    } catch (error) {
      failed.value = asProblem(error);
    }
  };
  const columns: readonly Column<Job>[] = [
    {
      ...{ title: 'Begun', value: ({ created_at }) => created_at },
      show: ({ created_at }) => formatTime(created_at, zone.value, true),
    },
    { title: 'Work', value: ({ type }) => type.replaceAll('_', ' ') },
    {
      ...{ title: 'State', value: ({ status }) => status },
      show: ({ status, error }) => (
        <>
          <Badge kind={KIND[status as keyof typeof KIND] ?? 'quiet'}>{status}</Badge> {error?.message}
        </>
      ),
    },
    {
      ...{ title: 'Progress', value: ({ progress }) => progress.done },
      show: (job) => <Progress job={job} />,
    },
    { title: 'By', value: ({ created_by }) => created_by },
    {
      ...{ title: 'Actions', value: () => '' },
      show: (job) => (
        <span class="row-actions">
          {job.file !== null && job.type === 'export' && job.status === 'succeeded' && (
            <button type="button" onClick={() => void download(job)}>
              Download
            </button>
          )}
          {!ENDED.has(job.status) && may('jobs:cancel') && (
            <button
              type="button"
              onClick={() => {
                cancelling.value = job;
              }}
            >
              Cancel
            </button>
          )}
        </span>
      ),
    },
  ];
  return (
    <div class="grid">
      {may('exports:create') && <Export done={answer.again} />}
      <Tile
        title="Jobs"
        reserve={[180, 180]}
        answer={answer}
        request={request}
        sheet={({ jobs }) => sheetOf(columns.slice(0, 5), jobs)}
      >
        {({ jobs }) => (
          <>
            {action.problem !== undefined && <Problem problem={action.problem} />}
            {failed.value !== undefined && <Problem problem={failed.value} />}
            {jobs.length === 0 ? (
              <Empty>No work was begun yet.</Empty>
            ) : (
              <Table label="Jobs" columns={columns} rows={jobs} keyOf={({ job_id }) => job_id} />
            )}
            <ConfirmOne
              of={cancelling}
              question={({ type }) => `Cancel this ${type.replaceAll('_', ' ')}?`}
              act="Cancel it"
              confirm={({ job_id }) => void act({ method: 'POST', path: `/jobs/${job_id}/cancel` })}
            />
          </>
        )}
      </Tile>
      <Definitions
        title="Reports"
        path="/reports"
        member="reports"
        permission="definitions:write"
        none="No report is made by a schedule. One is a saved query with a cron line, and comes as a file or by mail."
        columns={[
          { title: 'Format', value: ({ format }) => String(format) },
          {
            title: 'Schedule',
            value: ({ schedule, timezone }) => (schedule ? `${schedule} (${timezone})` : 'by hand'),
          },
          {
            ...{
              title: 'Next',
              value: ({ next_run_at }) => (next_run_at === null ? null : String(next_run_at ?? '')),
            },
            show: ({ next_run_at }) =>
              formatTime(typeof next_run_at === 'string' ? next_run_at : null, zone.value),
          },
        ]}
        acts={[{ title: 'Run now', request: ({ id }) => ({ method: 'POST', path: `/reports/${id}/run` }) }]}
        template={REPORT}
        fields={reportFields(queries)}
      />
    </div>
  );
}

function Progress({ job: { progress, status } }: { readonly job: Job }) {
  const { done, total, unit, time_left_s } = progress;
  const share = total === null || total === 0 ? (status === 'succeeded' ? 1 : 0) : Math.min(1, done / total);
  return (
    <span class="progress">
      <progress max={1} value={share} aria-label={`${Math.round(share * 100)} %`} />
      {formatValue(done, 'count')} {unit.replaceAll('_', ' ')}
      {status === 'running' && time_left_s !== null && `, ${formatValue(time_left_s, 'seconds')} left`}
    </span>
  );
}

/** A file of the raw events of the range. */
function Export({ done }: { readonly done: () => void }) {
  const format = useSignal('csv');
  const action = useAction<unknown>();
  const begin = async (): Promise<void> => {
    const { start, end } = range.value;
    const body = { type: 'events', query: { from: start, to: end }, format: format.value };
    if ((await action.run({ path: '/exports', body })) !== undefined) done();
  };
  return (
    <Tile title="A file of all events of the range">
      <Form act="Export" action={action} send={begin}>
        <Fields>
          <Select
            title="Format"
            value={format.value}
            options={[
              ['csv', 'CSV'],
              ['xlsx', 'Excel'],
              ['parquet', 'Parquet'],
              ['ndjson', 'NDJSON'],
            ]}
            choose={(value) => {
              format.value = value;
            }}
          />
        </Fields>
      </Form>
    </Tile>
  );
}
