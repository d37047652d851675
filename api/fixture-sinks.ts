import { MillraceError } from '../engine/index.ts';
import type { EventMessage, SinkPorts } from './http/index.ts';

/** What sinks are told, in memory. For tests. */
export class MemorySinks implements SinkPorts {
  readonly published: EventMessage[] = [];
  /** By topic. */
  readonly records = new Map<
    string,
    { readonly key: string; readonly value: string; readonly id: string }[]
  >();
  /** Messages that are taken before it goes away once. */
  away_after = Number.POSITIVE_INFINITY;

  async publish(messages: readonly EventMessage[]): Promise<void> {
    for (const message of messages) {
      if (this.away_after-- <= 0) {
        this.away_after = Number.POSITIVE_INFINITY;
        throw new MillraceError('stream_unavailable', 'The stream is away.', { retriable: true });
      }
      this.published.push(message);
    }
  }

  async kafka(_config: unknown, topic: string, records: Parameters<SinkPorts['kafka']>[2]): Promise<void> {
    const list = this.records.get(topic) ?? [];
    this.records.set(topic, list);
    for await (const batch of records)
      list.push(
        ...batch.map(({ key, value, headers }) => ({ key, value, id: headers['millrace-id'] ?? '' })),
      );
  }
}
