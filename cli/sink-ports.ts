import type { ApiPorts } from '../api/index.ts';
import {
  EventPublisher,
  type NatsLink,
  openMessageQueue,
  SINKS_STREAM,
  sendToKafka,
} from '../connectors/index.ts';
import type { Settings } from '../runtime/index.ts';

/** Where sinks send to. */
export async function sinkPorts(
  link: NatsLink,
  { outbound }: Settings,
): Promise<NonNullable<ApiPorts['sinks']>> {
  await openMessageQueue(link, SINKS_STREAM);
  const publisher = new EventPublisher(link);
  return {
    publish: (messages) => publisher.publishAll(messages),
    kafka: (config, topic, records) => sendToKafka(config, topic, records, outbound.allowPrivate),
  };
}
