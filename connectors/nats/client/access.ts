import { readFileSync } from 'node:fs';
import { type JetStreamClient, type JetStreamOptions, jetstream } from '@nats-io/jetstream';
import {
  type ConnectionOptions,
  createInbox,
  credsAuthenticator,
  type NatsConnection,
  nkeyAuthenticator,
} from 'nats';
import { MillraceError } from '../../../engine/index.ts';

/** How a client proves who it is. Files are read again at each connect, so that they can be renewed. */
export type NatsCredentials =
  /** A file with a user's JWT and seed, as `nsc` writes it. */
  | { readonly kind: 'creds'; readonly file: string }
  /** A file with a user's NKey seed (`SU…`). */
  | { readonly kind: 'nkey'; readonly file: string }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'user'; readonly user: string; readonly password: string };

/** Files of PEM. Certificate and key go together. */
export interface NatsTls {
  /** The authority that signed the server's certificate; default: those of Node. */
  readonly ca_file?: string;
  readonly cert_file?: string;
  readonly key_file?: string;
}

/** Of streams and buckets that are made; those that are there stay as they are. */
export interface StreamPlacement {
  readonly replicas?: number;
  readonly placement?: { readonly cluster?: string; readonly tags?: readonly string[] } | undefined;
}

/** How a NATS server is spoken to. Plain data: it goes to threads. */
export interface NatsAccess {
  /** Default: what the URL says. */
  readonly credentials?: NatsCredentials;
  readonly tls?: NatsTls;
  /** The JetStream domain that the streams are in; default: that of the server. */
  readonly domain?: string;
  /** Begins the subjects that answers come on; default `_INBOX`. */
  readonly inboxPrefix?: string;
  readonly streams?: StreamPlacement;
}

/** A server, and how one gets in. `url` may name several, with commas. */
export interface NatsServer extends NatsAccess {
  /** One URL or several with commas, e.g. `nats://host:4222`; `tls://` asks for TLS. */
  readonly url: string;
}

/** What a connection that was made tells of how it speaks. */
interface Accessed {
  readonly access: NatsAccess;
}

/** Options of the client. Throws `nats_credentials_unreadable` for a file that is not what it should be. */
export function accessOptions({ credentials, tls, inboxPrefix }: NatsAccess): ConnectionOptions {
  return {
    ...(credentials === undefined ? {} : credentialOptions(credentials)),
    ...(tls === undefined ? {} : { tls: tlsOptions(tls) }),
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
  };
}

function credentialOptions(credentials: NatsCredentials): ConnectionOptions {
  switch (credentials.kind) {
    case 'token':
      return { token: credentials.token };
    case 'user':
      return { user: credentials.user, pass: credentials.password };
    case 'creds': {
      const read = (): Uint8Array => readCredentials(credentials.file, /BEGIN NATS USER JWT/);
      read();
      return { authenticator: (nonce) => credsAuthenticator(read())(nonce) };
    }
    case 'nkey': {
      const read = (): Uint8Array => seedOf(readCredentials(credentials.file, SEED));
      read();
      return { authenticator: (nonce) => nkeyAuthenticator(read())(nonce) };
    }
  }
}

/** A user's seed alone in its line, with or without lines around it. */
const SEED = /^\s*(SU[A-Z2-7]{56})\s*$/m;

function seedOf(content: Uint8Array): Uint8Array {
  return Buffer.from(SEED.exec(Buffer.from(content).toString('utf8'))?.[1] ?? '');
}

function readCredentials(file: string, form: RegExp): Uint8Array {
  const content = readFile(file, 'nats_credentials_unreadable', 'NATS credentials');
  if (form.test(content.toString('utf8'))) return content;
  const wanted = form === SEED ? 'a line with the seed of a user (SU…)' : 'a JWT and a seed of a user';
  throw new MillraceError(
    'nats_credentials_unreadable',
    `The NATS credentials in ${file} cannot be used: the file must have ${wanted}.`,
  );
}

function readFile(file: string, code: string, what: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new MillraceError(
      code,
      `The file of the ${what} cannot be read: ${why}. Correct its path or its permissions.`,
      { cause: error },
    );
  }
}

function tlsOptions({ ca_file, cert_file, key_file }: NatsTls): NonNullable<ConnectionOptions['tls']> {
  const pem = (file: string): string => readFile(file, 'nats_tls_unreadable', 'TLS settings').toString();
  return {
    ...(ca_file === undefined ? {} : { ca: pem(ca_file) }),
    ...(cert_file === undefined ? {} : { cert: pem(cert_file) }),
    ...(key_file === undefined ? {} : { key: pem(key_file) }),
  };
}

const DEFAULT_API_PREFIX = '$JS.API';

/** A subject of the JetStream API, e.g. of `STREAM.INFO.EVENTS`. */
export function apiSubject({ access }: Accessed, name: string): string {
  const { domain } = access;
  return `${domain === undefined ? DEFAULT_API_PREFIX : `$JS.${domain}.API`}.${name}`;
}

/** What all of the client's JetStream parts are told. */
export function jetStreamOptions({ access }: Accessed): JetStreamOptions {
  return access.domain === undefined ? {} : { domain: access.domain };
}

export function jetStreamOf(
  link: Accessed & { readonly connection: Parameters<typeof jetstream>[0] },
): JetStreamClient {
  return jetstream(link.connection, jetStreamOptions(link));
}

/** A subject that nobody else has, for answers. */
export function newInbox({ access }: Accessed): string {
  return createInbox(access.inboxPrefix);
}

/** A stream's or bucket's settings with what this link asks for of all. */
export function placed<T extends { readonly replicas?: number }>(
  { access }: Accessed,
  spec: T,
): T & StreamPlacement {
  return { ...spec, ...access.streams };
}

/** How often streams of a cluster are stored where nothing else is asked for: as often as it has servers, up to three. */
export function replicasFor({ connection }: { readonly connection: NatsConnection }): number {
  const servers = connection.info?.connect_urls?.length ?? 1;
  return servers >= 3 ? 3 : 1;
}

/** The client's form of a placement. */
export function placementOf({ placement }: Pick<StreamPlacement, 'placement'>) {
  if (placement === undefined) return {};
  const { cluster = '', tags = [] } = placement;
  return { placement: { cluster, tags: [...tags] } };
}
