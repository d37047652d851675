import { ApiError } from '../../http/index.ts';

/** Searches of payloads at once: of all callers, and of one tenant. */
const RUNNING_MAX = 8;
const RUNNING_OF_TENANT_MAX = 3;

/** Counts searches, so that nobody's take the place of all others. */
export class SearchTurns {
  readonly #running = new Map<string, number>();
  #all = 0;

  /** Runs `work` when there is a place; 429 `too_busy` when there is none. */
  async take<T>(tenant: string, work: () => Promise<T>): Promise<T> {
    const own = this.#running.get(tenant) ?? 0;
    if (this.#all >= RUNNING_MAX || own >= RUNNING_OF_TENANT_MAX) {
      const whose = own >= RUNNING_OF_TENANT_MAX ? 'The tenant has' : 'The server has';
      throw new ApiError(
        'too_busy',
        `${whose} as many searches of events running as it may. Try again shortly.`,
        {
          retryAfter_s: 1,
        },
      );
    }
    this.#all++;
    this.#running.set(tenant, own + 1);
    try {
      return await work();
    } finally {
      this.#all--;
      const left = (this.#running.get(tenant) ?? 1) - 1;
      if (left === 0) this.#running.delete(tenant);
      else this.#running.set(tenant, left);
    }
  }
}
