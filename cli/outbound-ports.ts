import type { ApiPorts } from '../api/index.ts';
import {
  ANOMALIES_STREAM,
  DEADLETTER_STREAM,
  DELIVERIES_STREAM,
  EVENTS_STREAM,
  EventPublisher,
  HttpSender,
  JetStreamPublisher,
  Mailer,
  type NatsLink,
  NOTICES_STREAM,
  openKeyValueStore,
  openManager,
  openMessageQueue,
  S3Store,
  SINKS_STREAM,
  StreamPayloads,
  sendToKafka,
  streamEnd,
} from '../connectors/index.ts';
import type { ConnectorPorts, OutboundPorts, Settings } from '../runtime/index.ts';

/** The stream of the bucket of jobs. */
const JOBS_STREAM = 'KV_millrace-jobs';

/** What is told to the outside, and with what. The bucket of jobs and the streams that are read are there already. */
export async function outboundPorts(
  link: NatsLink,
  { outbound }: Settings,
  warn: (sentence: string) => void,
): Promise<OutboundPorts> {
  const { allowPrivate, timeout_ms, retry, mail, s3, sms, pagerDutyUrl } = outbound;
  return {
    notices: await openMessageQueue(link, NOTICES_STREAM, warn),
    deliveries: await openMessageQueue(link, DELIVERIES_STREAM, warn),
    sources: {
      anomalies: await openMessageQueue(link, ANOMALIES_STREAM.name),
      jobs: await openMessageQueue(link, JOBS_STREAM),
      events: await openMessageQueue(link, EVENTS_STREAM.name),
    },
    http: new HttpSender({ allowPrivate, timeout_ms }),
    mailer: mail === undefined ? undefined : new Mailer(mail),
    s3: s3 === undefined ? undefined : new S3Store(s3),
    ...{ sms, pagerDutyUrl, retry, timeout_ms },
  };
}

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

/** Where sinks send to. */
export async function sinkPorts(
  link: NatsLink,
  { outbound: { connectors } }: Settings,
  warn: (sentence: string) => void,
): Promise<NonNullable<ApiPorts['sinks']>> {
  await openMessageQueue(link, SINKS_STREAM, warn);
  const publisher = new EventPublisher(link);
  return {
    publish: (messages) => publisher.publishAll(messages),
    kafka: (config, topic, records) => sendToKafka(config, topic, records, connectors.allowPrivate),
  };
}

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
