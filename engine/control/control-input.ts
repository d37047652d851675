/** What a user defined, as a task sees it. Plain data. */
export interface ControlDefinition {
  /** What it is, e.g. `cube`: operators say which kinds they take. */
  readonly kind: string;
  /** Whose it is: a tenant. */
  readonly scope: string;
  /** Unique in its kind and scope. */
  readonly id: string;
  /** Of its last write; grows with every write of the bucket. */
  readonly revision: number;
  /** What it says: JSON. */
  readonly body: unknown;
}

/** All definitions at one moment. Never changed: what is new is another set, of the same objects where they stayed. */
export interface ControlSet {
  /** Where they lie. */
  readonly bucket: string;
  /** The newest that was seen of them. */
  readonly revision: number;
  readonly definitions: readonly ControlDefinition[];
}

/**
 * The definitions that users make while a task runs: an input without a watermark. The task looks at it at each
 * barrier; the same object as before says that nothing changed.
 */
export interface ControlInput {
  /** undefined: not known yet. What the task has applied stays. */
  current(): ControlSet | undefined;
}

/** What an operator does with definitions. */
export interface ControlHandlers {
  /** Those it takes. */
  readonly kinds: readonly string[];
  /**
   * A definition counts from here on. Called before the first batch for those of the last commit, and inside a
   * commit, before `onBarrier`, for those that are new: rows that came before are in what the barrier writes, rows
   * that come after are not. It may change memory only: what is to be stored is stored by `onBarrier`. To refuse a
   * definition it throws an error with a code, having changed nothing; readers see the code and the message.
   */
  define(definition: ControlDefinition): void;
  /** A definition that was taken counts no longer, or is to be taken anew with another body. Never throws. */
  forget(definition: ControlDefinition): void;
}

/** The key of a definition: its kind, scope and id are one name. */
export function controlKey({ kind, scope, id }: Pick<ControlDefinition, 'kind' | 'scope' | 'id'>): string {
  return `${kind}/${scope}/${id}`;
}
