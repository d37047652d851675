import type { z } from 'zod';
import type { HttpSender } from '../http/index.ts';
import type { RecordSource } from './record-source.ts';

/** What sources have of the installation. */
export interface IntakeSurroundings {
  /** The installation lets tenants name private addresses; otherwise `isPublicAddress` has to hold of every target. */
  readonly allowPrivate: boolean;
  /** Of the installation, to refuse targets of tenants: `http.check(url)`. */
  readonly http: Pick<HttpSender, 'check' | 'get'>;
  /** Folders of tenants, by their names, that files may be read from; undefined: there are none. */
  readonly dropFolder: string | undefined;
}

/** Whose source it is. */
export interface ConnectorIdentity {
  readonly tenant: string;
  /** Unique; names consumer groups and the like. */
  readonly connector_id: string;
}

interface ConnectorTypeSpec<C> {
  /** Stable: `s3`, `kafka`. */
  readonly type: string;
  /** Strict, an object; takes its own result again, and a secret that is encrypted: any text of up to 8,192 characters. */
  readonly configSchema: z.ZodType<C>;
  /** Members of the config that are never shown and lie encrypted, by path: `password`, `sasl.password`. Texts. */
  readonly secrets: readonly string[];
  /** Members of the config that say how and not where: a change of them keeps the position. */
  readonly tuning?: readonly string[];
  /** What the installation lacks for the type, as a sentence; undefined: nothing. */
  readonly unavailable?: (surroundings: IntakeSurroundings) => string | undefined;
  /**
   * Opens a source. The secrets of the config are readable here. It need not connect: `read` does. Throws
   * MillraceError, as `read` does.
   */
  readonly open: (
    config: C,
    identity: ConnectorIdentity,
    surroundings: IntakeSurroundings,
  ) => Promise<RecordSource> | RecordSource;
}

/** A kind of outside system that records are pulled from, its config's type erased. */
export interface ConnectorType extends Omit<ConnectorTypeSpec<unknown>, 'open'> {
  open(config: unknown, identity: ConnectorIdentity, surroundings: IntakeSurroundings): Promise<RecordSource>;
}

export function connectorType<C>(spec: ConnectorTypeSpec<C>): ConnectorType {
  return {
    ...spec,
    open: async (config, identity, surroundings) =>
      spec.open(spec.configSchema.parse(config), identity, surroundings),
  };
}
