import type { ApiPorts } from '../api/index.ts';
import {
  DEADLETTER_STREAM,
  DELIVERIES_STREAM,
  EVENTS_STREAM,
  type NatsLink,
  NOTICES_STREAM,
  openManager,
  SINKS_STREAM,
  StreamPayloads,
  streamEnd,
} from '../connectors/index.ts';

type Eraser = NonNullable<ApiPorts['eraser']>;

/** What deletes messages of the streams that may say something of a person. */
export async function eraserPort(link: NatsLink): Promise<Eraser> {
  const manager = await openManager(link);
  const messages = (stream: string, subjectOf: (tenant: string) => string): StreamPayloads =>
    new StreamPayloads({ link, stream, subjectOf });
  const erasable = (
    { name }: { readonly name: string },
    subjectOf: (tenant: string) => string,
  ): Eraser['told']['notices'] => {
    const stream = messages(name, subjectOf);
    return {
      read: (...range) => stream.read(...range),
      erase: (sequence) => stream.erase(sequence),
      firstSequence: () => stream.firstSequence({ fresh: true }),
      end: () => streamEnd(manager, name),
    };
  };
  return {
    events: messages(EVENTS_STREAM.name, (tenant) => `events.${tenant}.>`),
    letters: messages(DEADLETTER_STREAM.name, (tenant) => `deadletter.${tenant}`),
    told: {
      notices: erasable(NOTICES_STREAM, (tenant) => `notices.${tenant}.>`),
      in_app: erasable(DELIVERIES_STREAM, (tenant) => `deliveries.${tenant}.in-app`),
      sinks: erasable(SINKS_STREAM, (tenant) => `sinks.${tenant}.>`),
    },
  };
}
