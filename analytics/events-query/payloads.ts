/** A message of the stream. `data` is valid until the next one is asked for. */
export interface StoredMessage {
  readonly sequence: number;
  readonly subject: string;
  readonly data: Uint8Array;
  /** Names are compared without case. */
  header(name: string): string | undefined;
  /** All of them; absent where only single ones are known. */
  headers?(): Iterable<readonly [name: string, value: string]>;
}

/** Where the original JSON lies. Both ways throw a retriable error when the stream cannot be reached. */
export interface PayloadSource {
  /** Single messages; null for one that is not there any more. */
  fetch(
    sequences: readonly number[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<number, StoredMessage | null>>;
  /**
   * What is there from `from` to `to`, both inclusive, in order; only of one tenant where that is named, which
   * pays only for a tenant with a small part of the stream.
   */
  read(
    from: number,
    to: number,
    tenant: string | undefined,
    signal: AbortSignal,
  ): AsyncIterable<StoredMessage>;
  /** The first sequence that there still is; `fresh`: as it is now, not as it was a moment ago. */
  firstSequence(options?: { readonly fresh?: boolean }): Promise<number>;
}

/** The events of one message: the JSON text of each, flat, as it was sent; undefined where there is no such part. */
export type PartReader = (message: StoredMessage) => (part: number) => string | undefined;

/** Why an answer has no payload: behind the stream's retention, removed, or another event lies at its place. */
export type MissingReason = 'retention' | 'deleted' | 'replaced';
