import type { KeyValueChange, KeyValueStore } from './control.ts';
import type { ControlDefinition, ControlInput, ControlSet } from './control-input.ts';

export interface WatchedControlOptions {
  readonly bucket: string;
  /** The definition of a value; undefined for a key that has none. Throws for a value that cannot be read. */
  readonly read: (key: string, value: unknown, revision: number) => ControlDefinition | undefined;
  /** Hears what could not be read; a value that cannot be read is as one that is not there. */
  readonly onError: (error: unknown) => void;
}

/** Definitions of a bucket, as any number of processes change it. */
export class WatchedControl implements ControlInput {
  readonly #options: WatchedControlOptions;
  readonly #definitions = new Map<string, ControlDefinition>();
  #revision = 0;
  #set: ControlSet | undefined;
  /** Before it a set would lack what is not read yet. */
  #isComplete = false;
  #stop: (() => Promise<void>) | undefined;

  constructor(options: WatchedControlOptions) {
    this.#options = options;
  }

  /** Resolves when all that is there is known. Throws what `KeyValueStore.watch` throws. */
  async start(store: KeyValueStore): Promise<void> {
    this.#stop = await store.watch((change) => this.#change(change), this.#options.onError);
    this.#isComplete = true;
  }

  async stop(): Promise<void> {
    await this.#stop?.();
  }

  #change(change: KeyValueChange): void {
    this.#set = undefined;
    this.#definitions.delete(change.key);
    if (change.kind === 'delete') return;
    this.#revision = Math.max(this.#revision, change.revision);
    const definition = this.#options.read(change.key, change.value, change.revision);
    if (definition !== undefined) this.#definitions.set(change.key, definition);
  }

  current(): ControlSet | undefined {
    if (!this.#isComplete) return undefined;
    this.#set ??= {
      bucket: this.#options.bucket,
      revision: this.#revision,
      definitions: [...this.#definitions.values()],
    };
    return this.#set;
  }
}
