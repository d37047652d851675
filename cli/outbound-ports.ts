import {
  ANOMALIES_STREAM,
  DELIVERIES_STREAM,
  EVENTS_STREAM,
  ensureStream,
  HttpSender,
  Mailer,
  type NatsLink,
  NOTICES_STREAM,
  openManager,
  openMessageQueue,
  placed,
} from '../connectors/index.ts';
import type { OutboundPorts, Settings } from '../runtime/index.ts';

/** The stream of the bucket of jobs. */
const JOBS_STREAM = 'KV_millrace-jobs';

/** What is told to the outside, and with what. The bucket of jobs and the stream of events are there already. */
export async function outboundPorts(
  link: NatsLink,
  { outbound }: Settings,
  warn: (line: string) => void,
): Promise<OutboundPorts> {
  const { allowPrivate, timeout_ms, retry, mail, sms, pagerDutyUrl } = outbound;
  const { warnings } = await ensureStream(await openManager(link), placed(link, ANOMALIES_STREAM));
  for (const warning of warnings) warn(warning);
  return {
    notices: await openMessageQueue(link, NOTICES_STREAM),
    deliveries: await openMessageQueue(link, DELIVERIES_STREAM),
    sources: {
      anomalies: await openMessageQueue(link, ANOMALIES_STREAM.name),
      jobs: await openMessageQueue(link, JOBS_STREAM),
      events: await openMessageQueue(link, EVENTS_STREAM.name),
    },
    http: new HttpSender({ allowPrivate, timeout_ms }),
    mailer: mail === undefined ? undefined : new Mailer(mail),
    ...{ sms, pagerDutyUrl, retry, timeout_ms },
  };
}
