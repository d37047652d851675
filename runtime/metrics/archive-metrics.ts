import { counter, gauge, type MetricGroup } from './metric-spec.ts';

export const ARCHIVE_METRICS: readonly MetricGroup[] = [
  {
    title: 'Archive',
    about: 'Of `start`; of this process since its start.',
    metrics: [
      gauge('millrace.archive.position', '{message}', 'Everything up to this sequence is archived'),
      gauge(
        'millrace.archive.age',
        's',
        'Since the last archived message was stored; 0: nothing is archived',
      ),
      counter('millrace.archive.messages', '{message}', 'Messages that this process archived'),
      counter('millrace.archive.rows', '{row}', 'Events, and parts of messages that are none, among these'),
      counter('millrace.archive.files_written', '{file}', 'Files and manifests that this process wrote'),
      counter('millrace.archive.written', 'By', 'Bytes of these'),
      counter('millrace.archive.reads', '{file}', 'Files and manifests that this process read back'),
      counter('millrace.archive.read', 'By', 'Bytes of these'),
      counter('millrace.archive.errors', '{request}', 'Requests to the folder or bucket that failed'),
    ],
  },
];
