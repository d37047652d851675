import { asMillraceError, type OutMessage, type Publisher } from '../../engine/index.ts';
import type { SendFailure } from './facts.ts';

/** Subjects whose last failure is remembered. */
const MAX_SUBJECTS = 64;

/** Remembers of each subject why the last message for it was not taken, until one is. */
export class SendWatch {
  readonly #failures = new Map<string, SendFailure>();

  get failures(): readonly SendFailure[] {
    return [...this.#failures.values()];
  }

  /** A publisher that is watched. */
  over(inner: Publisher): Publisher {
    return {
      publish: async (message, isFirst) => {
        let stored: unknown;
        try {
          stored = await inner.publish(message, isFirst);
        } catch (error) {
          this.#failed(message, error);
          throw error;
        }
        this.#failures.delete(message.subject);
        return stored;
      },
      ...(inner.maxInFlight === undefined ? {} : { maxInFlight: inner.maxInFlight.bind(inner) }),
      ...(inner.isApart === undefined ? {} : { isApart: inner.isApart.bind(inner) }),
    };
  }

  #failed({ subject }: OutMessage, thrown: unknown): void {
    const [oldest] = this.#failures.keys();
    if (this.#failures.size >= MAX_SUBJECTS && oldest !== undefined && !this.#failures.has(subject)) {
      this.#failures.delete(oldest);
    }
    const { code, message } = asMillraceError(thrown);
    this.#failures.set(subject, { subject, code, message });
  }
}
