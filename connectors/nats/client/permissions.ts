import { errors, headers, nuid } from 'nats';
import { MillraceError } from '../../../engine/index.ts';
import { apiSubject, type NatsAccess, type NatsServer, newInbox } from './access.ts';
import { connectNats, type NatsLink } from './connection.ts';

/** Something that the server may let a user do or not. */
export interface Permission {
  readonly operation: 'publish' | 'subscribe';
  readonly subject: string;
}

/** Takes the place of a tenant, a key, a consumer: nothing has this name. */
const PROBE = 'millrace-probe';
/** No stream has this name, so none stores a message that expects it. */
const NO_STREAM = 'millrace-probe-of-permissions';
/** No request has such a body, so none does anything. */
const NO_REQUEST = '?';
const ANSWER_WAIT_MS = 500;

const publish = (subject: string): Permission => ({ operation: 'publish', subject });
const subscribe = (subject: string): Permission => ({ operation: 'subscribe', subject });

/** What the service does on a server: its streams with their subjects, and its buckets. */
export interface ServiceNeeds {
  readonly streams: readonly { readonly name: string; readonly subjects: readonly string[] }[];
  readonly buckets: readonly string[];
  /** Streams whose messages processes share, and acknowledge. */
  readonly worked?: readonly string[];
  /** Buckets of the object store. */
  readonly objects?: readonly string[];
  /** Streams of which subjects are removed. */
  readonly purged?: readonly string[];
}

/** What a service with these needs must be let do. */
export function servicePermissions(
  access: NatsAccess,
  { streams, buckets, objects = [], worked = [], purged = [] }: ServiceNeeds,
): Permission[] {
  const api = (name: string): Permission => publish(apiSubject({ access }, name));
  const bucketStreams = buckets.map((bucket) => `KV_${bucket}`);
  const kv = access.domain === undefined ? '' : `${apiSubject({ access }, '')}`;
  return [
    subscribe(`${access.inboxPrefix ?? '_INBOX'}.${PROBE}.*`),
    api('INFO'),
    ...streams.flatMap(({ subjects }) => subjects.map((subject) => publish(oneOf(subject)))),
    ...buckets.map((bucket) => publish(`${kv}$KV.${bucket}.${PROBE}`)),
    ...objects.flatMap((bucket) => ['C', 'M'].map((part) => publish(`${kv}$O.${bucket}.${part}.${PROBE}`))),
    ...objects.flatMap((bucket) =>
      ['INFO', 'CREATE', 'MSG.GET', 'PURGE'].map((what) => api(`STREAM.${what}.OBJ_${bucket}`)),
    ),
    ...[...streams.map(({ name }) => name), ...bucketStreams].flatMap((stream) => [
      ...[`STREAM.INFO.${stream}`, `STREAM.CREATE.${stream}`, `STREAM.MSG.GET.${stream}`].map(api),
      ...['CREATE', 'INFO', 'DELETE', 'MSG.NEXT'].map((what) => api(`CONSUMER.${what}.${stream}.${PROBE}`)),
    ]),
    ...streams.map(({ name }) => api(`DIRECT.GET.${name}`)),
    ...worked.flatMap((stream) => [
      api(`CONSUMER.DURABLE.CREATE.${stream}.${PROBE}`),
      publish(`$JS.ACK.${stream}.${PROBE}`),
    ]),
    ...purged.map((stream) => api(`STREAM.PURGE.${stream}`)),
  ];
}

/** What nobody may do who only publishes to `subjects`. */
export function forbiddenToPublishers(subjects: readonly string[], buckets: readonly string[]): Permission[] {
  const api = ['INFO', 'STREAM.INFO.EVENTS', 'STREAM.PURGE.EVENTS', `CONSUMER.CREATE.EVENTS.${PROBE}`];
  return [
    ...[`deadletter.${PROBE}`, `anomalies.${PROBE}`, `audit.${PROBE}`].map(publish),
    ...buckets.map((bucket) => publish(`$KV.${bucket}.${PROBE}`)),
    ...api.map((name) => publish(`$JS.API.${name}`)),
    ...['>', ...subjects, '$KV.>', '_INBOX.>'].map(subscribe),
  ];
}

/** A subject that a pattern matches. */
export const oneOf = (pattern: string): string =>
  pattern
    .split('.')
    .map((token) => (token === '*' || token === '>' ? PROBE : token))
    .join('.');

/** Those of the permissions that a link does not have. Tries each of them; none of it has an effect. */
export async function deniedOf(link: NatsLink, permissions: readonly Permission[]): Promise<Permission[]> {
  const { connection } = link;
  const denied = new Set<string>();
  const note = (error: unknown): void => {
    if (!(error instanceof errors.PermissionViolationError)) return;
    denied.add(`${error.operation === 'publish' ? 'publish' : 'subscribe'} ${error.subject}`);
  };
  const statuses = connection.status();
  const listening = (async () => {
    for await (const status of statuses) if (status.type === 'error') note(status.error);
  })();
  const marked = headers();
  marked.set('Nats-Expected-Stream', NO_STREAM);
  const subscriptions = permissions.flatMap(({ operation, subject }) => {
    if (operation === 'subscribe')
      return [connection.subscribe(subject, { callback: (error) => note(error) })];
    connection.publish(subject, NO_REQUEST, { headers: marked });
    return [];
  });
  // The server answers in order: what it says of the permissions comes before this answer.
  await connection.flush();
  await new Promise((resolve) => setImmediate(resolve));
  for (const subscription of subscriptions) subscription.unsubscribe();
  if ('stop' in statuses && typeof statuses.stop === 'function') statuses.stop();
  await listening;
  return permissions.filter(({ operation, subject }) => denied.has(`${operation} ${subject}`));
}

/**
 * Whether a publisher can have the answer to a message sent to where it may not publish: it can where it is in
 * one account with the service, for the server sends it, and the server may do everything.
 */
export async function canAimAnswers(
  service: NatsLink,
  publisher: NatsLink,
  subject: string,
): Promise<boolean> {
  const reply = `${newInbox(service)}.${nuid.next()}`;
  const marked = headers();
  marked.set('Nats-Expected-Stream', NO_STREAM);
  const heard = new Promise<boolean>((resolve) => {
    service.connection.subscribe(reply, { max: 1, callback: (error) => resolve(error === null) });
  });
  await service.connection.flush();
  publisher.connection.publish(subject, NO_REQUEST, { headers: marked, reply });
  await publisher.connection.flush();
  const late = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), ANSWER_WAIT_MS));
  return await Promise.race([heard, late]);
}

export const sayPermission = ({ operation, subject }: Permission): string =>
  `${operation === 'publish' ? 'publish to' : 'subscribe to'} ${subject}`;

/** Throws `nats_permission_denied`, which names what is missing. */
export async function checkPermissions(
  server: NatsServer,
  permissions: readonly Permission[],
): Promise<void> {
  const link = await connectNats({ ...server, name: 'millrace-permissions' });
  try {
    const denied = await deniedOf(link, permissions);
    if (denied.length === 0) return;
    throw new MillraceError(
      'nats_permission_denied',
      `The NATS server at ${link.url} does not let these credentials ${denied.map(sayPermission).join('; ')}. ` +
        'Grant it, or use others: docs/nats.md lists what the service needs.',
    );
  } finally {
    await link.close();
  }
}
