import type { ApiPorts } from './ports.ts';

/** A schema for the dimensions that the current generation of the state has: made again when these change. */
export function byDimensions<T>(
  ports: Pick<ApiPorts, 'settings'>,
  schemaOf: (custom: readonly string[]) => T,
): () => T {
  let last: { readonly custom: readonly string[]; readonly schema: T } | undefined;
  return () => {
    const custom = ports.settings.customDimensions;
    if (last?.custom !== custom) last = { custom, schema: schemaOf(custom) };
    return last.schema;
  };
}
