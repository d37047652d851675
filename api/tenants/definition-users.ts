/** Definitions that may name others. */
interface Users {
  readonly kind: { readonly kind: string };
  list(tenant: string): readonly { readonly id: string; readonly name: string; readonly body: unknown }[];
}

/** The kinds of definitions that keep what they name from being deleted or renamed. */
export class DefinitionUsers {
  readonly #users: Users[] = [];

  add(...users: readonly Users[]): void {
    this.#users.push(...users);
  }

  /** The first of a tenant that names something, as the beginning of a sentence; undefined: none does. */
  find(tenant: string, names: (body: unknown) => boolean): string | undefined {
    for (const users of this.#users) {
      const user = users.list(tenant).find(({ body }) => names(body));
      if (user !== undefined) return `The ${users.kind.kind} "${user.name}"`;
    }
    return undefined;
  }
}
