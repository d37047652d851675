import {
  type ArchivedMessage,
  headerOf,
  type PayloadSource,
  type StoredMessage,
  tenantOfSubject,
} from '../../analytics/index.ts';
import type { Archive } from './archive.ts';

/** The original messages: those that have left the stream from the archive. */
export class ArchivedPayloads implements PayloadSource {
  readonly #stream: PayloadSource;
  readonly #archive: Archive;

  constructor(stream: PayloadSource, archive: Archive) {
    this.#stream = stream;
    this.#archive = archive;
  }

  async fetch(
    sequences: readonly number[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<number, StoredMessage | null>> {
    const found = new Map(await this.#stream.fetch(sequences, signal));
    const absent = sequences.filter((sequence) => (found.get(sequence) ?? null) === null);
    if (absent.length === 0) return found;
    const segments = await this.#archive.segments();
    for (const ref of segments) {
      const wanted = new Set(absent.filter((sequence) => sequence >= ref.from && sequence <= ref.to));
      if (wanted.size === 0) continue;
      signal.throwIfAborted();
      for (const message of await this.#archive.messages(ref))
        if (wanted.has(message.sequence)) found.set(message.sequence, storedOf(message));
    }
    return found;
  }

  async *read(
    from: number,
    to: number,
    tenant: string | undefined,
    signal: AbortSignal,
  ): AsyncIterable<StoredMessage> {
    // What was trimmed a moment ago is in the archive only.
    const first = await this.#stream.firstSequence({ fresh: true });
    let next = from;
    if (from < first) {
      for (const ref of await this.#archive.segments()) {
        if (ref.to < next || ref.from > to) continue;
        signal.throwIfAborted();
        // The stream has the rest.
        if (next >= first) break;
        yield* within(await this.#archive.messages(ref), { from: next, to, tenant });
        next = ref.to + 1;
      }
    }
    if (next <= to) yield* this.#stream.read(Math.max(next, from), to, tenant, signal);
  }

  async firstSequence(options?: { readonly fresh?: boolean }): Promise<number> {
    const first = await this.#stream.firstSequence(options);
    if (first <= 1) return first;
    const coverage = await this.#archive.coverage();
    return coverage === undefined ? first : Math.min(first, coverage.from);
  }
}

function* within(
  messages: readonly ArchivedMessage[],
  {
    from,
    to,
    tenant,
  }: {
    readonly from: number;
    readonly to: number;
    readonly tenant: string | undefined;
  },
): Iterable<StoredMessage> {
  for (const message of messages) {
    const { sequence, subject } = message;
    if (sequence < from || sequence > to) continue;
    if (tenant === undefined || tenantOfSubject(subject) === tenant) yield storedOf(message);
  }
}

function storedOf(message: ArchivedMessage): StoredMessage {
  const { sequence, subject, data, headers } = message;
  return { sequence, subject, data, header: (name) => headerOf(message, name), headers: () => headers };
}
