import type { Counter, Metrics } from '../base/index.ts';

/** What is looked at when samples are taken. */
interface Observed {
  readonly owed_blocks: number;
  readonly owed_bytes: number;
  readonly epoch: number;
  readonly isSending: boolean;
}

/** What a task counts of its channels. */
export class ChannelMetrics {
  readonly blocks: Counter;
  readonly rows: Counter;
  /** Of rows. */
  readonly known: Counter;
  readonly refused: Counter;
  readonly fenced: Counter;
  readonly full: Counter;
  readonly retries: Counter;

  constructor(metrics: Metrics, observed: Observed) {
    const counter = (name: string, help: string): Counter =>
      metrics.counter(`millrace.channel.${name}`, help);
    this.blocks = counter('blocks', 'Blocks of rows for other stages that were stored');
    this.rows = counter('rows', 'Rows given to cuts');
    this.known = counter(
      'known_rows',
      'Rows that were not sent, for another owner of the task had sent them',
    );
    this.refused = counter('refused', 'Blocks that were refused, for the channel had gone on meanwhile');
    this.fenced = counter('fenced', 'How often another owner had taken over');
    this.full = counter('full', 'Blocks that had to wait, for the channel was full');
    this.retries = counter('retries', 'Blocks and looks of which it was not known what became of them');
    const gauge = (name: string, help: string, read: () => number): void =>
      metrics.gauge(`millrace.channel.${name}`, help, read);
    gauge('pending', 'Blocks that are committed and not stored yet', () => observed.owed_blocks);
    gauge('pending.size', 'The same in bytes', () => observed.owed_bytes);
    gauge('epoch', 'Epoch of the owner; 0 where none was given', () => observed.epoch);
    gauge('active', 'Whether the task sends: 1, or is a standby: 0', () => (observed.isSending ? 1 : 0));
  }
}
