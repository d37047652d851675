import {
  ANOMALIES_STREAM,
  DELIVERIES_STREAM,
  EVENTS_STREAM,
  HttpSender,
  Mailer,
  type NatsLink,
  NOTICES_STREAM,
  openMessageQueue,
  S3Store,
} from '../connectors/index.ts';
import type { OutboundPorts, Settings } from '../runtime/index.ts';

/** The stream of the bucket of jobs. */
const JOBS_STREAM = 'KV_millrace-jobs';

/** What is told to the outside, and with what. The bucket of jobs and the streams that are read are there already. */
export async function outboundPorts(link: NatsLink, { outbound }: Settings): Promise<OutboundPorts> {
  const { allowPrivate, timeout_ms, retry, mail, s3, sms, pagerDutyUrl } = outbound;
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
    s3: s3 === undefined ? undefined : new S3Store(s3),
    ...{ sms, pagerDutyUrl, retry, timeout_ms },
  };
}
