import { useSignal } from '@preact/signals';
import { type AnswerMeta, may, useAnswer } from '../../api/index.ts';
import {
  Copyable,
  Dialog,
  Empty,
  Fields,
  Figure,
  formatTime,
  formatValue,
  Input,
  Link,
  NameDialog,
  Problem,
  Select,
  Table,
  Tile,
  useAction,
} from '../../parts/index.ts';
import { headOf, place, range, setParams, zone } from '../../state/index.ts';
import { FunnelBars, type FunnelStep } from './funnel-bars.tsx';

interface FunnelAnswer {
  readonly entered: number;
  readonly converted: number;
  readonly conversion: number | null;
  readonly steps: readonly FunnelStep[];
  readonly time_to_convert_histogram: {
    readonly p50: number | null;
    readonly p90: number | null;
    readonly p99: number | null;
  };
  readonly time_between_steps: readonly {
    readonly from: string;
    readonly to: string;
    readonly p50: number | null;
    readonly p90: number | null;
  }[];
  readonly meta: AnswerMeta;
}

interface Stored {
  readonly id: string;
  readonly name: string;
}

interface Entities {
  /** The member that `id` is of, e.g. `session_id`. */
  readonly entity: string;
  readonly entities: readonly {
    readonly id: string | null;
    readonly key: string;
    readonly status: string;
    readonly step_name: string;
    readonly entered_at: string;
  }[];
  readonly total: number;
}

const DEFAULT_STEPS = 'visit > add_to_cart > checkout_initiated > order.created';

/** `visit > order.created` as steps of a funnel. */
export const stepsOf = (text: string): readonly { readonly event: string }[] =>
  text
    .split('>')
    .map((one) => ({ event: one.trim() }))
    .filter(({ event }) => event !== '');

/** Steps, bars, time to convert, and the people behind a bar. */
export function Funnels() {
  const { params } = place.value;
  const stored = useAnswer<{ readonly funnels: readonly Stored[] }>({
    path: '/funnels',
    params: { limit: 200 },
  });
  const isSaving = useSignal(false);
  const step = useSignal<number | null>(null);
  const text = params.steps ?? DEFAULT_STEPS;
  const entity = params.entity ?? 'session_id';
  const window = params.window ?? '1d';
  const body = { ...headOf(range.value), steps: stepsOf(text), window, entity };
  const id = params.funnel;
  const request =
    id === undefined
      ? { path: '/funnels/adhoc', body }
      : { path: `/funnels/${id}/query`, body: headOf(range.value) };
  const answer = useAnswer<FunnelAnswer>(request);
  return (
    <div class="grid">
      <Tile title="Funnel">
        <Fields>
          <Select
            title="Which"
            value={id ?? ''}
            options={[
              ['', 'One of my own'],
              ...(stored.data?.funnels ?? []).map((one) => [one.id, one.name] as const),
            ]}
            choose={(value) => setParams({ funnel: value })}
          />
          {id === undefined && (
            <>
              <Input
                title="Steps"
                isWide
                hint="Types of events, with > between them"
                value={text}
                change={(value) => setParams({ steps: value })}
              />
              <Input title="Within" isShort value={window} change={(value) => setParams({ window: value })} />
              <Select
                title="Of each"
                value={entity}
                options={[
                  ['session_id', 'session'],
                  ['customer_id', 'customer'],
                  ['order_id', 'order'],
                ]}
                choose={(value) => setParams({ entity: value })}
              />
            </>
          )}
          {id === undefined && may('definitions:write') && (
            <div class="actions">
              <button
                type="button"
                onClick={() => {
                  isSaving.value = true;
                }}
              >
                Save …
              </button>
            </div>
          )}
        </Fields>
      </Tile>
      <Tile
        title="Steps"
        answer={answer}
        request={request}
        hasPicture
        span={8}
        sheet={({ steps }) => ({
          columns: ['step', 'count', 'conversion_from_first'],
          rows: steps.map(({ name, count, conversion_from_first }) => [name, count, conversion_from_first]),
        })}
      >
        {(data) =>
          data.entered === 0 ? (
            <Empty>Nobody took the first step in this range. Is its event named as it is sent?</Empty>
          ) : (
            <>
              <FunnelBars steps={data.steps} />
              {id !== undefined && (
                <div class="chips">
                  {data.steps.map(({ name }, at) => (
                    <button
                      key={name}
                      type="button"
                      onClick={() => {
                        step.value = at;
                      }}
                    >
                      Who reached {name}
                    </button>
                  ))}
                </div>
              )}
              {id === undefined && <p class="hint">Save it to see the people behind a bar.</p>}
            </>
          )
        }
      </Tile>
      <Tile
        title="Time to convert"
        answer={answer}
        request={request}
        span={4}
        reserve={[220, 315]}
        sheet={({ time_between_steps }) => ({
          columns: ['from', 'to', 'p50_seconds', 'p90_seconds'],
          rows: time_between_steps.map(({ from, to, p50, p90 }) => [from, to, p50, p90]),
        })}
      >
        {({ time_to_convert_histogram: { p50, p90, p99 }, time_between_steps }) => (
          <>
            <div class="figures small">
              <Figure title="Half within" unit="seconds" value={p50} />
              <Figure title="90 % within" unit="seconds" value={p90} />
              <Figure title="99 % within" unit="seconds" value={p99} />
            </div>
            <Table<FunnelAnswer['time_between_steps'][number]>
              label="Time between steps"
              rows={time_between_steps}
              keyOf={({ from, to }) => `${from} ${to}`}
              columns={[
                { title: 'To', value: ({ to }) => to },
                {
                  ...{ title: 'Half', isNumber: true, value: ({ p50: v }) => v },
                  show: ({ p50: v }) => formatValue(v, 'seconds'),
                },
                {
                  ...{ title: '90 %', isNumber: true, value: ({ p90: v }) => v },
                  show: ({ p90: v }) => formatValue(v, 'seconds'),
                },
              ]}
            />
          </>
        )}
      </Tile>
      {id !== undefined && step.value !== null && (
        <People
          funnel={id}
          step={step.value}
          close={() => {
            step.value = null;
          }}
        />
      )}
      {isSaving.value && (
        <Save
          body={{ steps: stepsOf(text), window, entity }}
          close={() => {
            isSaving.value = false;
            stored.again();
          }}
        />
      )}
    </div>
  );
}

function People({
  funnel,
  step,
  close,
}: {
  readonly funnel: string;
  readonly step: number;
  readonly close: () => void;
}) {
  const { start, end } = range.value;
  const request = {
    path: `/funnels/${funnel}/entities`,
    params: { start, end, step: step + 1, limit: 100 },
  };
  const { data, problem } = useAnswer<Entities>(request);
  return (
    <Dialog title="Who reached this step" close={close}>
      {problem !== undefined && <Problem problem={problem} />}
      {data !== undefined && (
        <>
          <p>{formatValue(data.total, 'count')} in all</p>
          <Table<Entities['entities'][number]>
            label="Who reached this step"
            rows={data.entities}
            keyOf={({ key }) => key}
            columns={[
              {
                ...{ title: 'Id', value: ({ id, key }) => id ?? key },
                show: ({ id, key }) =>
                  id === null ? (
                    key
                  ) : (
                    <Link to="/events" params={{ [data.entity]: id }}>
                      {id}
                    </Link>
                  ),
              },
              { title: 'State', value: ({ status }) => status },
              { title: 'Furthest', value: ({ step_name }) => step_name },
              {
                ...{ title: 'Entered', value: ({ entered_at }) => entered_at },
                show: ({ entered_at }) => formatTime(entered_at, zone.value),
              },
            ]}
          />
        </>
      )}
    </Dialog>
  );
}

function Save({ body, close }: { readonly body: unknown; readonly close: () => void }) {
  const action = useAction<{ readonly id: string }>();
  const send = async (name: string): Promise<void> => {
    const made = await action.run({ path: '/funnels', body: { name, ...(body as object) } });
    if (made === undefined) return;
    close();
    setParams({ funnel: made.id, steps: undefined });
  };
  return (
    <NameDialog title="Save the funnel" act="Save" name="" action={action} send={send} close={close}>
      <Copyable text={JSON.stringify(body)} />
    </NameDialog>
  );
}
