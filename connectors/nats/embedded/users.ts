import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { nkeys } from 'nats';
import { PRIVATE_FOLDER_MODE, privateText } from '../../../engine/index.ts';
import { covers, type NatsAccess } from '../client/index.ts';
import { NatsServerError } from './embedded-errors.ts';

/** Files with the seed of a user each, for `--nkey` of the `nats` tool and what all clients have like it. */
export interface EmbeddedCredentials {
  /** May do everything: streams, buckets, all subjects. Millrace itself. */
  readonly service: string;
  /** May publish what the streams take, and hears the answers to that. */
  readonly publisher: string;
  /** May subscribe to what is told to the outside. */
  readonly reader: string;
}

/** What publishers and readers are let do. */
export interface EmbeddedSubjects {
  /** Default `events.>`. */
  readonly publish?: readonly string[];
  /** Default `anomalies.>`. */
  readonly read?: readonly string[];
}

const FOLDER = 'nats-credentials';
const SUFFIX = '.nk';
/** A publisher of its own for a system: `publisher-<name>.nk`. */
const PUBLISHER = /^publisher(?:-([A-Za-z0-9_-]{1,64}))?\.nk$/;
/** The folder of a server without accounts, as millrace ran it once, and that of the account of the streams. */
const NO_ACCOUNT = '$G';
const ACCOUNT = 'MILLRACE';

export function credentialsOf(dataDir: string): EmbeddedCredentials {
  const file = (name: string): string => join(dataDir, FOLDER, name + SUFFIX);
  return { service: file('service'), publisher: file('publisher'), reader: file('reader') };
}

/** How one of its users speaks to the embedded server of a folder; without credentials where it never had any. */
export function embeddedAccess(dataDir: string, user: keyof EmbeddedCredentials): NatsAccess {
  const file = credentialsOf(dataDir)[user];
  if (!existsSync(file)) return {};
  const inboxPrefix = user === 'publisher' ? { inboxPrefix: publisherInbox() } : {};
  return { credentials: { kind: 'nkey', file }, ...inboxPrefix };
}

/** Answers to a publisher's messages come on subjects that begin so, and no other publisher hears them. */
export const publisherInbox = (name?: string): string =>
  name === undefined ? '_INBOX_publisher' : `_INBOX_publisher_${name}`;

/** A user of the server's configuration. */
interface ServerUser {
  readonly nkey: string;
  readonly permissions?: {
    readonly publish: readonly string[];
    readonly subscribe: readonly string[];
  };
}

/**
 * The users of the embedded server, made on the first start, as the part of its configuration. Streams and
 * buckets are in an account of the service. Publishers are in another, from which what they publish goes over
 * as a request: the account decides where the answer goes. In one account a publisher could have its answers
 * sent to any subject (`$JS.API.STREAM.PURGE.EVENTS`), past its own permissions: the server sends them, and
 * the server may.
 */
export function accountsConfig(dataDir: string, subjects: EmbeddedSubjects): string {
  const publish = ownSubjects(subjects.publish ?? ['events.>']);
  const read = ownSubjects(subjects.read ?? ['anomalies.>']);
  mkdirSync(join(dataDir, FOLDER), { recursive: true, mode: PRIVATE_FOLDER_MODE });
  const files = credentialsOf(dataDir);
  const service: ServerUser = { nkey: publicKey(files.service) };
  const reader: ServerUser = {
    nkey: publicKey(files.reader),
    permissions: { publish: [], subscribe: read },
  };
  // The file of the first publisher is made; those of others were put there.
  publicKey(files.publisher);
  const publishers = readdirSync(join(dataDir, FOLDER)).flatMap((name): ServerUser[] => {
    const match = PUBLISHER.exec(name);
    if (match === null) return [];
    const inbox = `${publisherInbox(match[1])}.>`;
    return [{ nkey: publicKey(join(dataDir, FOLDER, name)), permissions: { publish, subscribe: [inbox] } }];
  });
  const taken = publish.map((subject) => ({ service: subject, accounts: ['PUBLISHERS'] }));
  const told = read.map((subject) => ({ stream: subject, accounts: ['READERS'] }));
  const from = (subject: string) => ({ account: ACCOUNT, subject });
  return configText({
    accounts: {
      [ACCOUNT]: { jetstream: 'enabled', users: [service], exports: [...taken, ...told] },
      PUBLISHERS: {
        users: publishers.map(userConfig),
        imports: publish.map((subject) => ({ service: from(subject) })),
      },
      READERS: { users: [userConfig(reader)], imports: read.map((subject) => ({ stream: from(subject) })) },
    },
  });
}

/** Those that begin with a name of their own: a wildcard there, or `$`, would reach the server's own subjects. */
function ownSubjects(subjects: readonly string[]): string[] {
  const named = [...new Set(subjects)].filter((subject) => /^[^$*>_]/.test(subject));
  return named.filter((subject) => !named.some((other) => other !== subject && covers(other, subject)));
}

function userConfig({ nkey, permissions }: ServerUser): unknown {
  if (permissions === undefined) return { nkey };
  const allowed = (list: readonly string[]) => (list.length === 0 ? { deny: ['>'] } : { allow: list });
  return {
    nkey,
    permissions: { publish: allowed(permissions.publish), subscribe: allowed(permissions.subscribe) },
  };
}

/** JSON is a form of the server's configuration. Its outermost braces are not. */
function configText(config: object): string {
  return Object.entries(config)
    .map(([name, value]) => `${name}: ${JSON.stringify(value, null, 2)}\n`)
    .join('');
}

/** Of the seed in a file, which is made when it is not there. */
function publicKey(file: string): string {
  // Without an end of line: clients that take the bytes as they are refuse it.
  const { text } = privateText(file, () => Buffer.from(nkeys.createUser().getSeed()).toString());
  try {
    return nkeys.fromSeed(Buffer.from(text.trim())).getPublicKey();
  } catch (cause) {
    throw new NatsServerError(
      'nats_server_start_failed',
      `${file} does not hold the seed of a user (SU…). Delete it to have a new one made, and give that to ` +
        'whoever used it.',
      { cause },
    );
  }
}

/** Streams of a server without accounts go to the account that the service has now. */
export function moveStreams(storeDir: string): void {
  const [from, to] = [join(storeDir, 'jetstream', NO_ACCOUNT), join(storeDir, 'jetstream', ACCOUNT)];
  if (existsSync(from) && !existsSync(to)) renameSync(from, to);
}
