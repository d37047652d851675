import { HttpSender, JetStreamPublisher, type NatsLink, openKeyValueStore } from '../connectors/index.ts';
import type { ConnectorPorts, Settings } from '../runtime/index.ts';

/** What connectors read with, and where they keep how far they are. */
export async function connectorPorts(link: NatsLink, { outbound }: Settings): Promise<ConnectorPorts> {
  const { timeout_ms, connectors } = outbound;
  const http = new HttpSender({ allowPrivate: connectors.allowPrivate, timeout_ms });
  return {
    records: await openKeyValueStore(link, 'millrace-connectors'),
    letters: new JetStreamPublisher(link),
    surroundings: { ...connectors, http },
  };
}
