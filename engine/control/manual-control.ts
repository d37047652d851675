import { type ControlDefinition, type ControlInput, type ControlSet, controlKey } from './control-input.ts';

/** Definitions by hand: of a replay, which takes those that there are, and of tests. */
export class ManualControl implements ControlInput {
  readonly #bucket: string;
  readonly #definitions = new Map<string, ControlDefinition>();
  #revision: number;
  #set: ControlSet | undefined;

  constructor(bucket: string, { revision, definitions }: Partial<ControlSet> = {}) {
    this.#bucket = bucket;
    this.#revision = revision ?? 0;
    for (const definition of definitions ?? []) this.#definitions.set(controlKey(definition), definition);
  }

  /** Makes or changes a definition. */
  define(kind: string, scope: string, id: string, body: unknown): ControlDefinition {
    const definition = { kind, scope, id, revision: ++this.#revision, body };
    this.#definitions.set(controlKey(definition), definition);
    this.#set = undefined;
    return definition;
  }

  remove(kind: string, scope: string, id: string): void {
    if (!this.#definitions.delete(controlKey({ kind, scope, id }))) return;
    this.#revision++;
    this.#set = undefined;
  }

  current(): ControlSet {
    this.#set ??= {
      bucket: this.#bucket,
      revision: this.#revision,
      definitions: [...this.#definitions.values()],
    };
    return this.#set;
  }
}
