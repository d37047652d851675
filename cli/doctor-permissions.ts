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
  sayPermission,
  servicePermissions,
} from '../connectors/index.ts';
import { asMillraceError } from '../engine/index.ts';
import { messageIdFinding } from './doctor-message-ids.ts';
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
