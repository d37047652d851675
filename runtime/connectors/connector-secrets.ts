import { asMillraceError, MillraceError } from '../../engine/index.ts';
import type { SigningSecret } from '../trust/index.ts';
import { Seal } from '../webhooks/index.ts';
import type { ConnectorBody } from './connector-kind.ts';

/** What is shown of a secret. */
export const HIDDEN = '***';
/** A secret as it is stored begins with it. */
const SEALED = 'sealed:';

type Config = Readonly<Record<string, unknown>>;

/** The secrets in configs of connectors: encrypted wherever they lie, bound to their tenant, and never shown. */
export class ConnectorSecrets {
  readonly #seal: Seal;
  readonly #paths: ReadonlyMap<string, readonly string[]>;

  /** `paths`: by type the members that are secret. */
  constructor(secret: SigningSecret, paths: ReadonlyMap<string, readonly string[]>) {
    this.#seal = new Seal(secret);
    this.#paths = paths;
  }

  sealed(tenant: string, body: ConnectorBody): ConnectorBody {
    return this.#changed(body, (text) =>
      text.startsWith(SEALED) ? text : SEALED + this.#seal.seal(tenant, text),
    );
  }

  /** The config as a source needs it. Throws `secret_unreadable`. */
  opened(tenant: string, body: ConnectorBody): Config {
    const open = (text: string): string => {
      if (!text.startsWith(SEALED)) return text;
      const secret = this.#seal.open(tenant, text.slice(SEALED.length));
      if (secret !== undefined) return secret;
      throw new MillraceError(
        'secret_unreadable',
        'A secret of the connector cannot be read: it was encrypted with another KEY_SIGNING_SECRET. Say it again.',
      );
    };
    return this.#changed(body, open).config;
  }

  shown(body: ConnectorBody): Config {
    return this.#changed(body, () => HIDDEN).config;
  }

  /** The config without its secrets, which says where it reads. */
  public(body: ConnectorBody): Config {
    return this.#changed(body, () => '').config;
  }

  /** A message of a source without the secrets that it may repeat. */
  redacted(tenant: string, body: ConnectorBody, error: unknown): MillraceError {
    const named = asMillraceError(error);
    let { message } = named;
    for (const [path, sealed] of this.pathsOf(body)) {
      const open = sealed.startsWith(SEALED) ? this.#seal.open(tenant, sealed.slice(SEALED.length)) : sealed;
      if (open !== undefined && open.length > 3) message = message.replaceAll(open, `<${path}>`);
    }
    return new MillraceError(named.code, message, { retriable: named.retriable });
  }

  /** The secrets that a config has, as they stand there, by path. */
  pathsOf({ type, config }: ConnectorBody): readonly (readonly [path: string, text: string])[] {
    return (this.#paths.get(type) ?? []).flatMap((path) => {
      const text = valueAt(config, path.split('.'));
      return typeof text === 'string' ? [[path, text] as const] : [];
    });
  }

  #changed(body: ConnectorBody, change: (text: string) => string): ConnectorBody {
    let { config } = body;
    for (const [path, text] of this.pathsOf(body)) config = withValue(config, path.split('.'), change(text));
    return { ...body, config };
  }
}

const isObject = (value: unknown): value is Config =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What stands there in a config; undefined: nothing. */
export function valueAt(config: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, name) => (isObject(value) ? value[name] : undefined), config);
}

function withValue(config: Config, [name = '', ...rest]: readonly string[], value: string): Config {
  const inner = config[name];
  return { ...config, [name]: rest.length > 0 && isObject(inner) ? withValue(inner, rest, value) : value };
}
