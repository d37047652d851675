import { readFileSync } from 'node:fs';
import {
  canAimAnswers,
  deniedOf,
  EVENTS_STREAM,
  embeddedServer,
  forbiddenToPublishers,
  type NatsServer,
  oneOf,
  type Permission,
  publishersIds,
  sayPermission,
  servicePermissions,
} from '../connectors/index.ts';
import { asMillraceError } from '../engine/index.ts';
import { type Finding, failed, ok } from './findings.ts';
import { connect } from './nats.ts';
import type { Folder } from './place.ts';
import { SERVICE_NEEDS } from './service-needs.ts';

/** What the service may do, and, of a publisher's credentials, what they must not let do. */
export async function checkNatsPermissions(
  { nats, dataDir }: Folder,
  publisherFile: string | undefined,
): Promise<Finding[]> {
  const server = nats ?? (await embeddedServer(dataDir));
  if (server === undefined) return [];
  const given = publisherFile === undefined ? undefined : publisherOf(server, publisherFile);
  const publisher = given ?? (nats === undefined ? await embeddedServer(dataDir, 'publisher') : undefined);
  try {
    const link = await connect(server);
    try {
      const denied = await deniedOf(link, servicePermissions(server, SERVICE_NEEDS));
      const service = found('permissions', denied, 'the service may do what it needs', 'it may not');
      const ids = await messageIdFinding(link);
      return [
        ...[service, ...(ids === undefined ? [] : [ids])],
        ...(publisher === undefined ? [] : [await publisherFinding(link, publisher)]),
      ];
    } finally {
      await link.close();
    }
  } catch (thrown) {
    const { code, message } = asMillraceError(thrown);
    // That the server cannot be reached is said already.
    return code === 'nats_unreachable' ? [] : [failed('permissions', message)];
  }
}

/** By its content: a seed alone is an NKey. */
function publisherOf({ url, tls }: NatsServer, file: string): NatsServer {
  const isCreds = readFileSync(file, 'utf8').includes('BEGIN NATS USER JWT');
  return {
    url,
    ...(tls === undefined ? {} : { tls }),
    credentials: { kind: isCreds ? 'creds' : 'nkey', file },
  };
}

/** Messages that are looked at, the newest. */
const LOOKED_AT = 100;
/** A window in which a guess hardly meets what it is for, ms. */
const SHORT_MS = 1_000;

/** Whether ids of publishers of several tenants could meet; undefined where there are none. */
async function messageIdFinding(link: Awaited<ReturnType<typeof connect>>): Promise<Finding | undefined> {
  const { name } = EVENTS_STREAM;
  try {
    const { window_ms, messages, tenants } = await publishersIds(link, name, LOOKED_AT);
    if (messages === 0) return undefined;
    const what =
      `${name} knows a Nats-Msg-Id for ${window_ms / 1_000} s, whoever sent it; ${messages} of its newest ${LOOKED_AT} ` +
      `messages, of ${tenants.length} tenants, have one of their own`;
    const isShared = tenants.length > 1 && window_ms > SHORT_MS;
    const advice =
      "one that a tenant knows or guesses keeps another's event from being stored. Leave the header out (docs/access.md)";
    return ok('message ids', isShared ? `${what}: ${advice}` : what);
  } catch (thrown) {
    const { code, message } = asMillraceError(thrown);
    return code === 'stream_missing' ? undefined : failed('message ids', message);
  }
}

async function publisherFinding(
  service: Awaited<ReturnType<typeof connect>>,
  server: NatsServer,
): Promise<Finding> {
  const link = await connect(server);
  try {
    const { subjects } = EVENTS_STREAM;
    const missing = await deniedOf(
      link,
      subjects.map((subject): Permission => ({ operation: 'publish', subject: oneOf(subject) })),
    );
    const forbidden = forbiddenToPublishers(subjects, SERVICE_NEEDS.buckets);
    const denied = new Set(await deniedOf(link, forbidden));
    const allowed = forbidden.filter((permission) => !denied.has(permission));
    const aims = await canAimAnswers(service, link, oneOf(subjects[0] ?? ''));
    const wrong = [
      ...missing.map((permission) => `it may not ${sayPermission(permission)}`),
      ...allowed.map((permission) => `it may ${sayPermission(permission)}`),
      ...(aims
        ? ['it is in the account of the streams, where answers to its messages go to any subject it names']
        : []),
    ];
    return wrong.length === 0
      ? ok('publisher', 'it may publish events, and nothing else')
      : failed('publisher', `${wrong.join('; ')}: see docs/nats.md.`);
  } finally {
    await link.close();
  }
}

const found = (check: string, denied: readonly Permission[], good: string, bad: string): Finding =>
  denied.length === 0
    ? ok(check, good)
    : failed(
        check,
        `${bad} ${denied.map(sayPermission).join('; ')} [nats_permission_denied]: see docs/nats.md.`,
      );
