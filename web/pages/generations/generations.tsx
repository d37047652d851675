import { useSignal } from '@preact/signals';
import { may, useAnswer } from '../../api/index.ts';
import {
  Badge,
  type Column,
  ConfirmOne,
  Copyable,
  Empty,
  Fields,
  Form,
  formatTime,
  formatValue,
  Problem,
  Select,
  Table,
  Tile,
  useAction,
} from '../../parts/index.ts';
import { range, zone } from '../../state/index.ts';

interface Generation {
  readonly generation: number;
  readonly state: string;
  readonly reason: string;
  readonly size_bytes: number;
  readonly started_at: string | null;
}

interface Backfill {
  readonly job_id: string;
  readonly type: string;
  readonly status: string;
  readonly progress: { readonly done: number; readonly total: number | null; readonly unit: string };
  readonly result?: unknown;
  readonly error: { readonly message: string } | null;
  readonly created_at: string;
}

/** What the reader wants done with a generation. */
interface Asked {
  readonly one: Generation;
  readonly act: 'activate' | 'remove';
}

const AGAIN_MS = 2_000;
const MIB = 1_048_576;

/** States that were built, which one answers, and backfills with their reports. */
export function Generations() {
  const request = { path: '/generations' };
  const answer = useAnswer<{ readonly generations: readonly Generation[] }>(request, {
    refresh_ms: AGAIN_MS,
  });
  const action = useAction<unknown>();
  const asked = useSignal<Asked | null>(null);
  const mayChange = may('backfills:create');
  const act = async ({ one, act: what }: Asked): Promise<void> => {
    const path = `/generations/${one.generation}`;
    await action.run(
      what === 'activate' ? { method: 'POST', path: `${path}/activate` } : { method: 'DELETE', path },
    );
    answer.again();
  };
  const columns: readonly Column<Generation>[] = [
    { title: 'Generation', isNumber: true, value: ({ generation }) => generation },
    {
      ...{ title: 'State', value: ({ state }) => state },
      show: ({ state }) => <Badge kind={state === 'current' ? 'good' : 'quiet'}>{state}</Badge>,
    },
    { title: 'Why', value: ({ reason }) => reason },
    {
      ...{ title: 'Size', isNumber: true, value: ({ size_bytes }) => size_bytes },
      show: ({ size_bytes }) => `${formatValue(size_bytes / MIB, 'number')} MiB`,
    },
    {
      ...{ title: 'Begun', value: ({ started_at }) => started_at },
      show: ({ started_at }) => formatTime(started_at, zone.value),
    },
    {
      ...{ title: 'Actions', value: () => '' },
      show: (one) =>
        mayChange &&
        one.state !== 'current' && (
          <span class="row-actions">
            <button
              type="button"
              onClick={() => {
                asked.value = { one, act: 'activate' };
              }}
            >
              Activate
            </button>
            <button
              type="button"
              onClick={() => {
                asked.value = { one, act: 'remove' };
              }}
            >
              Delete
            </button>
          </span>
        ),
    },
  ];
  return (
    <div class="grid">
      <Tile title="Generations" answer={answer} request={request} reserve={[66, 66]}>
        {({ generations }) => (
          <>
            {action.problem !== undefined && <Problem problem={action.problem} />}
            <Table
              label="Generations"
              columns={columns}
              rows={generations}
              keyOf={({ generation }) => String(generation)}
            />
            <ConfirmOne
              of={asked}
              question={({ one, act: what }) =>
                `${what === 'activate' ? 'Answer from' : 'Delete'} generation ${one.generation}?`
              }
              act={({ act: what }) => (what === 'activate' ? 'Activate' : 'Delete')}
              confirm={(chosen) => void act(chosen)}
            />
          </>
        )}
      </Tile>
      {mayChange && <Begin />}
      <Backfills />
    </div>
  );
}

function Begin() {
  const mode = useSignal('shadow');
  const action = useAction<{
    readonly plan?: { readonly rows: number; readonly time_s: number | null };
    readonly job_id?: string;
  }>();
  const said = useSignal('');
  const begin = async (dry_run: boolean): Promise<void> => {
    const { start, end } = range.value;
    const span = mode.value === 'range' ? { start, end } : {};
    const answer = await action.run({ path: '/jobs/backfill', body: { mode: mode.value, ...span, dry_run } });
    const { plan, job_id } = answer ?? {};
    if (plan !== undefined)
      said.value = `${formatValue(plan.rows, 'count')} rows, ${formatValue(plan.time_s, 'seconds')}`;
    else if (job_id !== undefined) said.value = `Begun as ${job_id}.`;
  };
  return (
    <Tile title="Build again from the stream">
      <Form act="Begin" action={action} send={() => begin(false)}>
        <Fields>
          <Select
            title="What"
            value={mode.value}
            options={[
              ['shadow', 'The whole, beside the current one'],
              ['range', 'The range that is shown'],
            ]}
            choose={(value) => {
              mode.value = value;
            }}
          />
        </Fields>
        <div class="actions">
          <button type="button" onClick={() => void begin(true)}>
            What would it cost?
          </button>
          <span role="status">{said.value}</span>
        </div>
      </Form>
    </Tile>
  );
}

function Backfills() {
  const request = { path: '/jobs', params: { lane: 'backfill', limit: 50 } };
  const answer = useAnswer<{ readonly jobs: readonly Backfill[] }>(request, { refresh_ms: AGAIN_MS });
  const chosen = useSignal<string | null>(null);
  return (
    <Tile title="Backfills" answer={answer} request={request}>
      {({ jobs }) => {
        const own = jobs;
        const one = own.find(({ job_id }) => job_id === chosen.value);
        if (own.length === 0) return <Empty>None was begun.</Empty>;
        return (
          <>
            <Table<Backfill>
              label="Backfills"
              rows={own}
              keyOf={({ job_id }) => job_id}
              columns={[
                {
                  ...{ title: 'Begun', value: ({ created_at }) => created_at },
                  show: ({ created_at }) => formatTime(created_at, zone.value, true),
                },
                { title: 'Work', value: ({ type }) => type },
                { title: 'State', value: ({ status, error }) => `${status} ${error?.message ?? ''}` },
                {
                  ...{ title: 'Progress', value: ({ progress }) => progress.done },
                  show: ({ progress: { done, total, unit } }) =>
                    `${formatValue(done, 'count')} of ${formatValue(total, 'count')} ${unit}`,
                },
                {
                  ...{ title: 'Report', value: () => '' },
                  show: ({ job_id }) => (
                    <button
                      type="button"
                      onClick={() => {
                        chosen.value = job_id;
                      }}
                    >
                      Show
                    </button>
                  ),
                },
              ]}
            />
            {one !== undefined && (
              <Copyable text={JSON.stringify(one.result ?? one.error ?? one.progress, null, 2)} />
            )}
          </>
        );
      }}
    </Tile>
  );
}
