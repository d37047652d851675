import { counter, gauge, type MetricGroup } from './metric-spec.ts';

/** Of tasks of partitioned topologies. */
export const CHANNEL_METRICS: readonly MetricGroup[] = [
  {
    title: 'Channels',
    about: 'Of a task whose topology is cut into stages: what it sends to the next one, and what it reads.',
    metrics: [
      counter('millrace.channel.blocks', '{block}', 'Blocks of rows for other stages that were stored'),
      counter('millrace.channel.rows', '{row}', 'Rows given to cuts'),
      counter(
        'millrace.channel.known_rows',
        '{row}',
        'Rows that were not sent, for another owner of the task had sent them',
      ),
      counter(
        'millrace.channel.refused',
        '{block}',
        'Blocks that were refused, for the channel had gone on meanwhile',
      ),
      counter('millrace.channel.fenced', '{takeover}', 'How often another owner had taken over'),
      counter('millrace.channel.full', '{block}', 'Blocks that had to wait, for the channel was full'),
      counter(
        'millrace.channel.retries',
        '{request}',
        'Blocks and looks of which it was not known what became of them',
      ),
      gauge('millrace.channel.pending', '{block}', 'Blocks that are committed and not stored yet'),
      gauge('millrace.channel.pending.size', 'By', 'The same in bytes'),
      gauge('millrace.channel.epoch', '{epoch}', 'Epoch of the owner; 0 where none was given'),
      gauge('millrace.channel.active', '{task}', 'Whether the task sends: 1, or is a standby: 0'),
      counter(
        'millrace.channel.received_blocks',
        '{block}',
        'Blocks of the stage before that were read',
        'operator',
      ),
      counter(
        'millrace.channel.received_known_rows',
        '{row}',
        'Rows that came again and were left out',
        'operator',
      ),
    ],
  },
];
