import { type Codec, decodeRow, trustedJsonCodec } from '../../engine/index.ts';

/** What configurations say of values of older versions. */
interface ValueMigration<V> {
  readonly codec?: Codec<V>;
  readonly migrate?: (old: unknown, fromVersion: number) => V;
  readonly formerCodec?: (fromVersion: number) => Codec<unknown>;
}

/** A codec that reads values of an older version as values of this one. */
export function codecFrom<V>(
  { codec = trustedJsonCodec<V>(), migrate, formerCodec }: ValueMigration<V>,
  fromVersion: number,
): Codec<V> {
  const former = formerCodec?.(fromVersion) ?? codec;
  const read: Codec<V>['read'] = (reader) => {
    const old = former.read(reader);
    const value = migrate === undefined ? (old as V) : migrate(old, fromVersion);
    // Nothing would be stored, which means that there is none.
    if (value === undefined) throw new TypeError('migrate gave undefined; it has to give a value.');
    return value;
  };
  return { write: codec.write, read };
}

/** The `migrate` of a map table in whose rows such values lie: `rowCodec` says how. */
export function migrationOf<V, R>(
  values: ValueMigration<V>,
  rowCodec: (value: Codec<V>) => Codec<R>,
): { readonly migrate?: (bytes: Uint8Array, fromVersion: number) => R } {
  if (values.migrate === undefined && values.formerCodec === undefined) return {};
  return { migrate: (bytes, fromVersion) => decodeRow(rowCodec(codecFrom(values, fromVersion)), bytes) };
}
