import { invariant } from '../errors.ts';
import type { AnyQueryKind, QueryKinds } from './kind.ts';
import { QueryRunError } from './run-error.ts';

/** Kinds by name. */
export class KindRegistry {
  readonly #kinds = new Map<string, AnyQueryKind>();

  constructor(kinds: readonly AnyQueryKind[]) {
    for (const kind of kinds) {
      invariant(!this.#kinds.has(kind.name), `one query kind is called "${kind.name}"`);
      this.#kinds.set(kind.name, kind);
    }
  }

  /** Throws `unknown_query_kind`. */
  get(name: string): AnyQueryKind {
    const kind = this.#kinds.get(name);
    if (kind !== undefined) return kind;
    const known = [...this.#kinds.keys()].join(', ');
    throw new QueryRunError('unknown_query_kind', `There is no query kind "${name}"; there are: ${known}.`);
  }
}

/** Imports modules that export `queryKinds`, by absolute URL, and makes their kinds with `config`. */
export async function loadKinds(modules: readonly string[], config: unknown): Promise<KindRegistry> {
  const kinds: AnyQueryKind[] = [];
  for (const url of modules) {
    const module = (await import(url)) as { readonly queryKinds?: QueryKinds };
    invariant(typeof module.queryKinds === 'function', `${url} exports queryKinds`);
    kinds.push(...module.queryKinds(config));
  }
  return new KindRegistry(kinds);
}
