import { useSignal } from '@preact/signals';
import { type Definition, Definitions, metricOptions, useMetrics } from '../../answers/index.ts';
import { type Answered, type AnswerMeta, may, useAnswer, useLive } from '../../api/index.ts';
import {
  Badge,
  type Column,
  Empty,
  formatTime,
  formatValue,
  LiveSign,
  Problem,
  Select,
  sheetOf,
  Table,
  Tile,
  useAction,
} from '../../parts/index.ts';
import { place, setParams, zone } from '../../state/index.ts';
import { Cause, type Found } from './cause.tsx';
import { ALERT, alertFields, RULE, ruleFields } from './rule-fields.ts';
import { RuleSeries } from './rule-series.tsx';

/** An anomaly as `GET /anomalies` gives it. */
interface Anomaly extends Found {
  readonly severity: 'low' | 'medium' | 'high';
  readonly text: string;
  readonly state: string;
  readonly status: string;
  readonly change_percent: number | null;
}

const KIND = { low: 'quiet', medium: 'warn', high: 'bad' } as const;

interface LookedProps {
  readonly id: string;
  readonly listed: Answered<{ readonly anomalies: readonly Anomaly[] }>;
}

/** The cause of the one that the address names, also where it is none of those that are listed. */
function Looked({ id, listed: { data, problem } }: LookedProps) {
  const known = data?.anomalies.find((one) => one.id === id);
  const isListed = data === undefined && problem === undefined ? undefined : known !== undefined;
  const request = isListed === false ? { path: `/anomalies/${encodeURIComponent(id)}` } : null;
  const answer = useAnswer<Found>(request);
  const found = known ?? answer.data;
  if (found !== undefined) return <Cause found={found} />;
  return (
    <Tile title="Where it comes from" answer={answer} request={request} reserve={[260, 180]}>
      {null}
    </Tile>
  );
}

/** What was unusual, as it happens, with its cause. */
export function Anomalies() {
  const { params } = place.value;
  const request = { path: '/anomalies', params: { limit: 100, severity: params.severity } };
  const answer = useAnswer<{ readonly anomalies: readonly Anomaly[]; readonly meta?: AnswerMeta }>(request);
  const action = useAction<unknown>();
  const isLive = useSignal<boolean | undefined>(undefined);
  const options = metricOptions(useMetrics().metrics);
  const stored = useAnswer<{ readonly rules: readonly Definition[] }>({
    path: '/anomalies/rules',
    params: { limit: 200 },
  });
  const rules = (stored.data?.rules ?? []).map(({ id, name }) => [id, name] as const);
  useLive(
    { path: '/anomalies/stream' },
    () => answer.again(),
    (is) => {
      isLive.value = is;
    },
  );
  const mark = async (id: string, status: string): Promise<void> => {
    await action.run({ method: 'PATCH', path: `/anomalies/${id}`, body: { status } });
    answer.again();
  };
  const columns: readonly Column<Anomaly>[] = [
    { title: 'When', value: ({ start }) => start, show: ({ start }) => formatTime(start, zone.value) },
    {
      ...{ title: 'Severity', value: ({ severity }) => severity },
      show: ({ severity }) => <Badge kind={KIND[severity]}>{severity}</Badge>,
    },
    { title: 'What', isWide: true, value: ({ text }) => text },
    {
      ...{ title: 'Change', isNumber: true, value: ({ change_percent }) => change_percent },
      show: ({ change_percent }) => formatValue(change_percent, 'percent'),
    },
    {
      title: 'State',
      value: ({ state, status }) => (status === 'open' ? state : status.replaceAll('_', ' ')),
    },
    {
      ...{ title: 'Actions', value: () => '' },
      show: ({ id, status }) => (
        <span class="row-actions">
          <button type="button" onClick={() => setParams({ anomaly: id })}>
            Cause
          </button>
          {may('definitions:write') && status === 'open' && (
            <>
              <button type="button" onClick={() => void mark(id, 'acknowledged')}>
                Acknowledge
              </button>
              <button type="button" onClick={() => void mark(id, 'false_alarm')}>
                False alarm
              </button>
            </>
          )}
        </span>
      ),
    },
  ];
  return (
    <div class="grid">
      <Tile
        title="Anomalies"
        answer={answer}
        request={request}
        sheet={({ anomalies }) => sheetOf(columns.slice(0, 5), anomalies)}
        actions={
          <>
            <LiveSign isOpen={isLive.value} />
            <Select
              title="At least"
              value={params.severity ?? ''}
              options={[
                ['', 'all'],
                ['medium', 'medium'],
                ['high', 'high'],
              ]}
              choose={(value) => setParams({ severity: value })}
            />
          </>
        }
      >
        {({ anomalies }) => (
          <>
            {action.problem !== undefined && <Problem problem={action.problem} />}
            {anomalies.length === 0 ? (
              <Empty>Nothing was unusual, as far as the rules below look.</Empty>
            ) : (
              <Table label="Anomalies" columns={columns} rows={anomalies} keyOf={({ id }) => id} />
            )}
          </>
        )}
      </Tile>
      {params.anomaly !== undefined && <Looked key={params.anomaly} id={params.anomaly} listed={answer} />}
      <RuleSeries />
      <Definitions
        title="Rules"
        path="/anomalies/rules"
        member="rules"
        permission="definitions:write"
        none="No metric is watched. A rule watches one, by groups if you like, and judges each window when it closes."
        columns={[
          { title: 'Metric', value: ({ metric }) => String(metric) },
          { title: 'By', value: ({ group_by }) => (Array.isArray(group_by) ? group_by.join(', ') : '') },
          { title: 'Window', value: ({ window }) => String(window) },
          { title: 'Method', value: ({ method }) => String(method) },
        ]}
        template={RULE}
        fields={ruleFields(options)}
      />
      <Definitions
        title="Alerts"
        path="/alerts"
        member="alerts"
        seen="webhooks:manage"
        permission="webhooks:manage"
        none="Nobody is told. An alert sends anomalies or thresholds to a webhook, mail, Slack, PagerDuty or a phone."
        columns={[
          { title: 'When', value: ({ condition }) => Object.keys(condition ?? {}).join(', ') },
          { title: 'State', value: ({ enabled }) => (enabled === false ? 'off' : 'on') },
        ]}
        template={ALERT}
        fields={alertFields(options, rules)}
      />
    </div>
  );
}
