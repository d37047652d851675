import { counter, gauge, type MetricGroup } from './metric-spec.ts';

export const CLUSTER_METRICS: readonly MetricGroup[] = [
  {
    title: 'Clusters',
    about: 'Of a topology that spreads over several processes: see [clusters](cluster.md).',
    metrics: [
      gauge('millrace.cluster.owned', '{task}', 'Tasks that this process owns'),
      gauge('millrace.cluster.standby', '{task}', 'Tasks that it follows'),
      gauge('millrace.cluster.members', '{member}', 'Members that live, as it sees them'),
      gauge('millrace.cluster.lease.age', 's', 'Since its last renewal that was acknowledged'),
      gauge('millrace.cluster.epoch', '{epoch}', 'Under which it owns a task', 'task'),
      counter('millrace.cluster.takeovers', '{task}', 'Tasks that it took from dead members'),
      counter('millrace.cluster.moves', '{task}', 'Moves that it planned'),
      counter('millrace.cluster.unreadable', '{value}', 'Values of the bucket that are none'),
    ],
  },
];
