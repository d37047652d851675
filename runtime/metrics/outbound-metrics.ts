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
  {
    title: 'Causes of anomalies',
    about: 'Of `start`.',
    metrics: [
      counter('millrace.anomalies.explained', '{anomaly}', 'Anomalies whose causes were told'),
      counter(
        'millrace.anomalies.unexplained',
        '{anomaly}',
        'Anomalies that were looked into and have no cause among the dimensions',
      ),
      counter('millrace.anomalies.explain.time', 's', 'Time that looking for causes took'),
      counter(
        'millrace.anomalies.explain.left_out',
        '{anomaly}',
        'Anomalies whose causes were not looked for',
        'reason',
      ),
    ],
  },
  {
    title: 'Order webhooks and notification rules',
    about: 'Of `start`.',
    metrics: [
      counter(
        'millrace.order_hooks.events',
        '{event}',
        'Order events that were looked at for order webhooks and notification rules',
      ),
      counter('millrace.order_hooks.look.time', 's', 'Time that reading the events of their orders took'),
      counter(
        'millrace.order_hooks.told',
        '{notice}',
        'Notices for order webhooks, and messages of notification rules',
        'to',
      ),
      counter('millrace.order_hooks.left_out', '{event}', 'Order events that nobody was told of', 'reason'),
    ],
  },
  {
    title: 'Alerts',
    about: 'Of `start`.',
    metrics: [
      counter('millrace.alerts.notices', '{notice}', 'Notices of alerts that this process told', 'phase'),
      counter('millrace.alerts.looks', '{look}', 'Looks at the alerts of a tenant'),
      counter('millrace.alerts.look.time', 's', 'Time that reading anomalies for alerts took'),
      counter('millrace.alerts.failed', '{look}', 'Looks at alerts that failed, and come again'),
      counter(
        'millrace.alerts.bounded',
        '{look}',
        'Looks at alerts of a tenant that has more recent anomalies than decide',
      ),
      gauge(
        'millrace.alerts.waiting',
        '{tenant}',
        'Tenants that are looked at again although nothing is heard',
      ),
      gauge('millrace.alerts.anomalies', '{anomaly}', 'Anomalies that the last look decided from'),
      gauge('millrace.alerts.anomalies.limit', '{anomaly}', 'Anomalies that a look decides from'),
    ],
  },
];
