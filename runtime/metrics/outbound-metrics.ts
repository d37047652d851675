import { counter, gauge, type MetricGroup } from './metric-spec.ts';

export const OUTBOUND_METRICS: readonly MetricGroup[] = [
  {
    title: 'Webhooks and channels',
    about: 'Of `start`.',
    metrics: [
      counter('millrace.notices.stored', '{notice}', 'Notices that this process stored'),
      gauge('millrace.deliveries.endpoints', '{endpoint}', 'Endpoints that this process tells'),
      gauge(
        'millrace.deliveries.endpoints.stalled',
        '{endpoint}',
        'Of them, those whose notices cannot be read now',
      ),
      gauge('millrace.deliveries.running', '{try}', 'Tries to tell an endpoint that are running'),
      gauge('millrace.deliveries.running.limit', '{try}', 'Tries that may run at once in this process'),
      gauge(
        'millrace.deliveries.running.tenant.limit',
        '{try}',
        'Tries of one tenant that may run at once in this process',
      ),
      counter('millrace.deliveries.tries', '{try}', 'Tries to tell an endpoint', 'kind', 'outcome'),
      counter('millrace.deliveries.try.time', 's', 'Time that tries to tell an endpoint took', 'kind'),
      counter('millrace.webhooks.disabled', '{webhook}', 'Webhooks that this process disabled', 'reason'),
    ],
  },
];
