import { type Definition, Definitions, memberOf, metricOptions, useMetrics } from '../../answers/index.ts';
import { useAnswer } from '../../api/index.ts';
import { Badge, formatTime, formatValue, type Options } from '../../parts/index.ts';
import { range, zone } from '../../state/index.ts';
import { CONNECTOR, CONNECTOR_FIELDS, WEBHOOK, WEBHOOK_FIELDS } from './connector-fields.ts';
import { destinationText, sinkFields, sinkOf, toldText } from './sink-fields.ts';

interface Status {
  readonly health: 'starting' | 'ok' | 'waiting' | 'failed' | 'paused';
  readonly lag: number | null;
  readonly counts: { readonly in: number; readonly accepted: number; readonly dead: number };
  readonly last_record_at: string | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

const AGAIN_MS = 5_000;
const KIND = { ok: 'good', starting: 'quiet', waiting: 'warn', paused: 'quiet', failed: 'bad' } as const;

/** Connectors that name a cluster of Kafka. */
function useKafka(): Options {
  const { data } = useAnswer<{ readonly connectors: readonly Definition[] }>({
    path: '/connectors',
    params: { limit: 200 },
  });
  return (data?.connectors ?? [])
    .filter(({ type }) => type === 'kafka')
    .map(({ id, name }) => [id, name] as const);
}

/** What comes in from other systems, and what goes out to them. */
export function Connectors() {
  return (
    <div class="grid">
      <Definitions
        title="Connectors"
        path="/connectors"
        member="connectors"
        permission="connectors:manage"
        none="Nothing is read from other systems. A connector reads Kafka, Kinesis, a bucket, a folder, a URL or webhooks."
        columns={[
          { title: 'Type', value: ({ type }) => String(type) },
          { ...{ title: 'State', isWide: true, value: () => '' }, show: (one) => <State one={one} /> },
        ]}
        acts={[
          { title: 'Run now', request: ({ id }) => ({ method: 'POST', path: `/connectors/${id}/run` }) },
          {
            ...{ title: 'Pause', isFor: ({ enabled }) => enabled !== false },
            request: ({ id }) => ({ method: 'POST', path: `/connectors/${id}/pause` }),
          },
          {
            ...{ title: 'Resume', isFor: ({ enabled }) => enabled === false },
            request: ({ id }) => ({ method: 'POST', path: `/connectors/${id}/resume` }),
          },
        ]}
        template={CONNECTOR}
        fields={CONNECTOR_FIELDS}
      />
      <Definitions
        title="Sinks"
        path="/sinks"
        member="sinks"
        permission="definitions:write"
        none="Nothing is written to other systems. A sink writes results, anomalies or restated buckets."
        columns={[
          { title: 'Tells', isWide: true, value: toldText },
          { title: 'To', value: destinationText },
          { title: 'State', value: ({ enabled }) => (enabled === false ? 'off' : 'on') },
        ]}
        acts={[
          {
            ...{
              title: 'Run now',
              isFor: ({ source }) => memberOf({ source }, 'source.query') !== undefined,
            },
            request: ({ id }) => ({ method: 'POST', path: `/sinks/${id}/run` }),
          },
        ]}
        template={sinkOf(range.value.start)}
        fields={sinkFields(range.value.start, metricOptions(useMetrics().metrics), useKafka())}
      />
      <Definitions
        title="Webhooks"
        path="/webhooks"
        member="webhooks"
        seen="webhooks:manage"
        permission="webhooks:manage"
        none="Nobody is told by a webhook."
        columns={[
          { title: 'URL', value: ({ url }) => String(url) },
          { title: 'State', value: ({ status }) => String(status) },
        ]}
        acts={[{ title: 'Test', request: ({ id }) => ({ method: 'POST', path: `/webhooks/${id}/test` }) }]}
        template={WEBHOOK}
        fields={WEBHOOK_FIELDS}
      />
    </div>
  );
}

function State({ one }: { readonly one: Definition }) {
  const { data, problem } = useAnswer<Status>(
    { path: `/connectors/${one.id}/status` },
    { refresh_ms: AGAIN_MS },
  );
  if (data === undefined) return <span>{problem?.message ?? '…'}</span>;
  const { health, lag, counts, last_record_at, error } = data;
  return (
    <span>
      <Badge kind={KIND[health]}>{health}</Badge> {formatValue(counts.accepted, 'count')} of{' '}
      {formatValue(counts.in, 'count')} taken
      {counts.dead > 0 && `, ${formatValue(counts.dead, 'count')} dead letters`}
      {lag !== null && `, ${formatValue(lag, 'count')} behind`}
      {last_record_at !== null && `, last ${formatTime(last_record_at, zone.value, true)}`}
      {error !== null && ` – ${error.message}`}
    </span>
  );
}
