import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { MillraceError } from '../../engine/index.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Members of a context that say how to connect, and the settings that they stand for. */
const SETTING_OF: Readonly<Record<string, string>> = {
  url: 'NATS_URL',
  user: 'NATS_USER',
  password: 'NATS_PASSWORD',
  token: 'NATS_TOKEN',
  creds: 'NATS_CREDS',
  nkey: 'NATS_NKEY',
  ca: 'NATS_CA',
  cert: 'NATS_CERT',
  key: 'NATS_KEY',
  jetstream_domain: 'NATS_DOMAIN',
  inbox_prefix: 'NATS_INBOX_PREFIX',
};
const FILES: ReadonlySet<string> = new Set(['creds', 'nkey', 'ca', 'cert', 'key']);
/** Members that change how to connect, and that Millrace does not know. */
const UNSUPPORTED = ['nsc', 'user_jwt', 'user_seed', 'jetstream_api_prefix', 'socks_proxy', 'tls_first'];
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const DEFAULT_URL = 'nats://127.0.0.1:4222';

/**
 * The settings that a context of the `nats` command stands for: the file `nats/context/NAME.json` in
 * XDG_CONFIG_HOME, by default `~/.config`. Settings of the environment that it does not name are emptied, so that
 * the identity is the context's alone. Throws `nats_context_unknown`, `nats_context_unreadable` and
 * `nats_context_unsupported`.
 */
export function contextSettings(name: string, env: Env): Readonly<Record<string, string>> {
  const members = readContext(name, env);
  const unknown = UNSUPPORTED.find((member) => isGiven(members[member]));
  if (unknown !== undefined) {
    throw new MillraceError(
      'nats_context_unsupported',
      `The NATS context "${name}" has "${unknown}", which millrace does not know. Use one with a credentials ` +
        'file, an NKey file, a user with a password, or a token.',
    );
  }
  const settings = Object.entries(SETTING_OF).map(([member, setting]) => {
    const value = members[member];
    if (!isGiven(value)) return [setting, ''] as const;
    if (typeof value !== 'string') throw unreadable(name, `"${member}" is no text`);
    return [setting, FILES.has(member) ? homePath(value, env) : value] as const;
  });
  const given = Object.fromEntries(settings);
  return { ...given, NATS_URL: given.NATS_URL === '' ? DEFAULT_URL : (given.NATS_URL ?? DEFAULT_URL) };
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== '' && value !== false;

function readContext(name: string, env: Env): Readonly<Record<string, unknown>> {
  if (!NAME.test(name)) throw unreadable(name, 'it is no name of a context');
  const config = env.XDG_CONFIG_HOME?.trim() || join(env.HOME ?? homedir(), '.config');
  const file = join(config, 'nats', 'context', `${name}.json`);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')) {
      throw unreadable(name, cause instanceof Error ? cause.message : String(cause));
    }
    throw new MillraceError(
      'nats_context_unknown',
      `There is no NATS context "${name}": ${file} is not there. "nats context ls" lists those that there are.`,
      { cause },
    );
  }
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) return parsed as Readonly<Record<string, unknown>>;
  } catch (error) {
    throw unreadable(name, error instanceof Error ? error.message : String(error));
  }
  throw unreadable(name, 'its file has no JSON object');
}

const unreadable = (name: string, why: string): MillraceError =>
  new MillraceError('nats_context_unreadable', `The NATS context "${name}" cannot be used: ${why}.`);

const homePath = (path: string, env: Env): string =>
  path.startsWith('~/') ? join(env.HOME ?? homedir(), path.slice(2)) : path;
