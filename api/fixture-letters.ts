import type { ManualClock, OutMessage } from '../engine/index.ts';
import type { MemoryKeyValueStore, MemoryStream } from './fixture-memory.ts';
import type { DeadLetterPort, LetterMessage } from './http/index.ts';

/** The stream DEADLETTER in memory. For tests. */
export class MemoryLetters implements DeadLetterPort {
  readonly #messages: LetterMessage[] = [];
  readonly #ids = new Set<string>();
  readonly #clock: ManualClock;
  readonly marks: MemoryKeyValueStore;
  readonly originals: DeadLetterPort['originals'];
  readonly letters: DeadLetterPort['letters'];

  constructor(clock: ManualClock, marks: MemoryKeyValueStore, stream: MemoryStream) {
    this.#clock = clock;
    this.marks = marks;
    this.originals = stream.payloads();
    const messages = this.#messages;
    this.letters = {
      fetch: async (sequences) => new Map(sequences.map((at) => [at, messages[at - 1] ?? null])),
      async *read(from, to, tenant) {
        for (const message of messages.slice(from - 1, to)) {
          if (tenant === undefined || message.subject === `deadletter.${tenant}`) yield message;
        }
      },
      firstSequence: async () => 1,
    };
  }

  take({ subject, headers, payload, id }: OutMessage): void {
    if (!subject.startsWith('deadletter.') || this.#ids.has(id)) return;
    this.#ids.add(id);
    const all: Readonly<Record<string, string>> = { ...headers, 'Nats-Msg-Id': id };
    this.#messages.push({
      ...{ sequence: this.#messages.length + 1, subject, data: payload, stored_ms: this.#clock.now() },
      header: (wanted) => all[wanted],
      headers: () => Object.entries(all),
    });
  }

  async end(): Promise<{ readonly sequence: number; readonly incarnation: string }> {
    return { sequence: this.#messages.length, incarnation: '2025-01-01T00:00:00Z' };
  }
}
