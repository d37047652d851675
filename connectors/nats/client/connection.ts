import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ConnectionOptions, connect, errors, type NatsConnection, type Status } from 'nats';
import { MillraceError } from '../../../engine/index.ts';
import { accessOptions, type NatsAccess, type NatsServer } from './access.ts';
import { refusedWith } from './first-word.ts';
import { describe } from './nats-errors.ts';

/** Whether the server can be reached; a connection that is lost comes again by itself, one that was closed does not. */
export type LinkStatus = 'connected' | 'disconnected' | 'closed';

/** How `connectNats` connects. `name` is what the server shows of the connection. */
export interface LinkOptions extends NatsServer {
  /** Shown in the server's list of connections. */
  readonly name: string;
  /** How long the first connect is tried, ms; default 10,000. Later ones are tried for ever. */
  readonly connect_timeout_ms?: number;
  readonly onStatus?: (status: LinkStatus) => void;
}

/** A connection that comes back by itself, and says whether it is there. */
export interface NatsLink {
  readonly connection: NatsConnection;
  /** Without credentials. */
  readonly url: string;
  /** As it was asked for. */
  readonly access: NatsAccess;
  readonly connected: boolean;
  /** Calls back at every change until the returned function is called. */
  onStatus(listener: (status: LinkStatus) => void): () => void;
  /** Sends what is buffered when there is a server to send it to, and closes. Takes 1 s at most. */
  close(): Promise<void>;
}

const FIRST_CONNECT_MS = 10_000;
const DIAL_TIMEOUT_MS = 3_000;
const RETRY_PAUSE_MS = 200;
const CLOSE_TIMEOUT_MS = 1_000;

/** Settings under which a connection is never given up, and a dead one is noticed within 20 s. */
const LASTING: ConnectionOptions = {
  maxReconnectAttempts: -1,
  reconnectTimeWait: 250,
  reconnectJitter: 250,
  pingInterval: 10_000,
  maxPingOut: 2,
  timeout: DIAL_TIMEOUT_MS,
  // A reconnect may meet a server whose accounts are being reloaded: the client would close for good.
  ignoreAuthErrorAbort: true,
  // A stack for each request costs more than the request.
  noAsyncTraces: true,
};

/**
 * Connects. Throws `nats_url_invalid`, `nats_credentials_unreadable`, `nats_tls_unreadable`,
 * `nats_unauthorized` and `nats_tls_failed` at once, and, when no server let it in within `connect_timeout_ms`,
 * `nats_connections_full` where one has as many connections as it may, else `nats_unreachable`.
 */
export async function connectNats(options: LinkOptions): Promise<NatsLink> {
  const { servers, shown, credentials } = parseUrls(options.url);
  const told = { ...credentials, ...accessOptions(options) };
  const settings = { ...LASTING, ...told, ...namedTls(told, servers), servers, name: options.name };
  const limit_ms = options.connect_timeout_ms ?? FIRST_CONNECT_MS;
  const deadline_ms = performance.now() + limit_ms;
  for (;;) {
    try {
      const left_ms = Math.max(1, deadline_ms - performance.now());
      const timeout = Math.ceil(Math.min(DIAL_TIMEOUT_MS, left_ms));
      const connection = await connect({ ...settings, timeout });
      return new Link(connection, shown, accessOf(options), options.onStatus);
    } catch (error) {
      if (
        error instanceof errors.AuthorizationError ||
        error instanceof errors.UserAuthenticationExpiredError
      ) {
        throw new MillraceError(
          'nats_unauthorized',
          `The NATS server at ${shown} refused the credentials. Give the right ones: NATS_CREDS, NATS_NKEY, ` +
            'NATS_USER and NATS_PASSWORD, NATS_TOKEN, or in NATS_URL.',
          { cause: error },
        );
      }
      const failure = tlsFailure(error);
      if (failure !== undefined) {
        throw new MillraceError(
          'nats_tls_failed',
          `There is no TLS connection to the NATS server at ${shown}: ${failure}. Set NATS_CA to the file of ` +
            'the authority that signed its certificate, NATS_CERT and NATS_KEY to your own, and use a name ' +
            'that the certificate has.',
          { cause: error },
        );
      }
      if (performance.now() + RETRY_PAUSE_MS >= deadline_ms) {
        if (await isFull(servers)) throw connectionsFull(shown, error);
        throw new MillraceError(
          'nats_unreachable',
          `No NATS server answered at ${shown} within ${limit_ms} ms (${describe(error)}). Start one ` +
            'there, correct NATS_URL, or leave NATS_URL unset to run the embedded one.',
          { cause: error, retriable: true },
        );
      }
      await sleep(RETRY_PAUSE_MS);
    }
  }
}

/** Whether a server is there, and takes no more connections. */
async function isFull(servers: readonly string[]): Promise<boolean> {
  const said = await Promise.all(servers.map(refusedWith));
  return said.some((text) => text !== undefined && /maximum .*connections/i.test(text));
}

const connectionsFull = (shown: string, cause: unknown): MillraceError =>
  new MillraceError(
    'nats_connections_full',
    `The NATS server at ${shown} takes no more connections. Raise its max_connections, or end other clients: a process ` +
      'needs one, and one more for each stream that it reads. It is tried again.',
    { cause, retriable: true },
  );

/** The client does not say which address it means, and then the certificate would have to be of `localhost`. */
function namedTls({ tls }: ConnectionOptions, servers: readonly string[]): ConnectionOptions {
  const hosts = new Set(servers.map((server) => server.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')));
  const [host = ''] = hosts;
  if (tls === undefined || tls === null || hosts.size !== 1 || isIP(host) === 0) return {};
  const named = { ...tls, host };
  return { tls: named };
}

/** What went wrong with TLS in a way that trying again cannot mend. */
function tlsFailure(thrown: unknown): string | undefined {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    const code = 'code' in error ? String(error.code) : '';
    if (/CERT|^ERR_TLS|^ERR_SSL|^ERR_OSSL|UNABLE_TO_|SELF_SIGNED/.test(code)) return error.message;
    if (/server does not support 'tls'/.test(error.message)) return error.message;
  }
  return undefined;
}

/** How to speak to the server, without what is of this connection only. */
function accessOf({ credentials, tls, domain, inboxPrefix, streams }: NatsAccess): NatsAccess {
  return {
    ...(credentials === undefined ? {} : { credentials }),
    ...(tls === undefined ? {} : { tls }),
    ...(domain === undefined ? {} : { domain }),
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
    ...(streams === undefined ? {} : { streams }),
  };
}

interface ParsedUrls {
  readonly servers: string[];
  /** For messages: without credentials. */
  readonly shown: string;
  readonly credentials: Pick<ConnectionOptions, 'user' | 'pass' | 'token' | 'tls'>;
}

function parseUrls(text: string): ParsedUrls {
  const parts = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const urls = parts.map(parseUrl);
  const first = urls[0];
  if (first === undefined) throw invalidUrl();
  const user = decodeURIComponent(first.username);
  const pass = decodeURIComponent(first.password);
  const servers = urls.map((url) => `${url.hostname}:${url.port === '' ? '4222' : url.port}`);
  return {
    servers,
    shown: servers.map((server) => `nats://${server}`).join(','),
    credentials: {
      // As in every NATS client: a user without a password is a token.
      ...(user === '' ? {} : pass === '' ? { token: user } : { user, pass }),
      ...(first.protocol === 'tls:' ? { tls: {} } : {}),
    },
  };
}

function parseUrl(part: string): URL {
  const text = part.includes('://') ? part : `nats://${part}`;
  if (!URL.canParse(text)) throw invalidUrl();
  const url = new URL(text);
  if (url.hostname === '' || !['nats:', 'tls:'].includes(url.protocol)) throw invalidUrl();
  return url;
}

/** Does not repeat the URL: it may hold a password. */
const invalidUrl = (): MillraceError =>
  new MillraceError(
    'nats_url_invalid',
    'NATS_URL must be one or more URLs such as nats://user:password@host:4222, separated by commas.',
  );

class Link implements NatsLink {
  readonly connection: NatsConnection;
  readonly url: string;
  readonly access: NatsAccess;
  #status: LinkStatus = 'connected';
  readonly #listeners = new Set<(status: LinkStatus) => void>();

  constructor(
    connection: NatsConnection,
    url: string,
    access: NatsAccess,
    onStatus?: (status: LinkStatus) => void,
  ) {
    this.connection = connection;
    this.url = url;
    this.access = access;
    if (onStatus !== undefined) this.#listeners.add(onStatus);
    void this.#watch(connection.status());
  }

  get connected(): boolean {
    return this.#status === 'connected';
  }

  onStatus(listener: (status: LinkStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends with the connection and does not throw: the iterator is the library's own queue. */
  async #watch(statuses: AsyncIterable<Status>): Promise<void> {
    for await (const status of statuses) {
      if (status.type === 'disconnect' || status.type === 'staleConnection') this.#become('disconnected');
      if (status.type === 'reconnect') this.#become('connected');
    }
    this.#become('closed');
  }

  #become(status: LinkStatus): void {
    if (status === this.#status || this.#status === 'closed') return;
    this.#status = status;
    for (const listener of [...this.#listeners]) listener(status);
  }

  async close(): Promise<void> {
    if (this.connection.isClosed()) return;
    const timeout = new AbortController();
    // Draining waits for the server's answer, which does not come while there is none.
    const drained = this.connected ? this.connection.drain().catch(() => undefined) : undefined;
    if (drained !== undefined) {
      const late = sleep(CLOSE_TIMEOUT_MS, undefined, { signal: timeout.signal }).catch(() => undefined);
      await Promise.race([drained, late]);
      timeout.abort();
    }
    await this.connection.close();
    this.#become('closed');
  }
}

/** Waits for the link to be connected, `wait_ms` at most; says whether it is. */
export async function untilConnected(link: NatsLink, wait_ms: number): Promise<boolean> {
  if (link.connected || link.connection.isClosed()) return link.connected;
  await new Promise<void>((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      forget();
      resolve();
    };
    const timer = setTimeout(finish, wait_ms);
    const forget = link.onStatus(finish);
  });
  return link.connected;
}
