import { counter, gauge, type MetricGroup } from './metric-spec.ts';

export const CONNECTOR_METRICS: readonly MetricGroup[] = [
  {
    title: 'Connectors',
    about: 'Of `start`.',
    metrics: [
      counter(
        'millrace.connectors.records',
        '{record}',
        'Records that connectors of this process read or were sent',
      ),
      counter('millrace.connectors.events', '{event}', 'Events that connectors of this process stored'),
      counter('millrace.connectors.dropped', '{record}', 'Records that a mapping or a filter left out'),
      counter('millrace.connectors.dead_letters', '{record}', 'Records that became dead letters'),
      gauge('millrace.connectors.running', '{connector}', 'Connectors that this process reads for'),
      gauge(
        'millrace.connectors.running.limit',
        '{connector}',
        'Connectors that one process reads for at once',
      ),
      gauge(
        'millrace.connectors.unwell',
        '{connector}',
        'Connectors, of all processes, that cannot read now',
        'health',
      ),
    ],
  },
];
