import type { Logger } from 'pino';
import type { Clock, MessageQueue, Work, WorkItem, WorkOutcome } from '../../engine/index.ts';

const UNFINISHED_MAX = 1_024;
const LEASE_MS = 30_000;
/** An event so much older than the wish for it is told as well, so that none is missed, ms. */
const LOOK_BACK_MS = 60_000;
/** So long after nobody asks for events any more the place in the stream is given up, ms. */
const IDLE_MS = 60_000;

interface TenantEventsOptions {
  /** Stream EVENTS: `events.<tenant>.>`; undefined: nothing is read. */
  readonly events: MessageQueue | undefined;
  /** Of the place in the stream, which all processes share. */
  readonly name: string;
  /** Messages in the hands of this process at once. */
  readonly held_max: number;
  /** Tenants whose events are asked for, and since when. */
  readonly tenants: () => ReadonlyMap<string, number>;
  readonly handle: (item: WorkItem, signal: AbortSignal) => Promise<WorkOutcome>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Reads the events of those tenants whose events somebody asks for, together with other processes. */
export class TenantEvents {
  readonly #options: TenantEventsOptions;
  #work: Work | undefined;
  #idle: NodeJS.Timeout | undefined;
  #changes: Promise<void> = Promise.resolve();

  constructor(options: TenantEventsOptions) {
    this.#options = options;
  }

  /** Reads those of the tenants that there are now. */
  follow(): void {
    const { log, name } = this.#options;
    this.#changes = this.#changes
      .then(() => this.#follow())
      .catch((error: unknown) => {
        log.warn({ err: error, name }, 'order events are not read for those who asked for them now');
      });
  }

  async #follow(): Promise<void> {
    const { events, tenants: ask, clock, name, held_max, handle } = this.#options;
    if (events === undefined) return;
    const tenants = ask();
    if (tenants.size === 0) {
      if (this.#work === undefined) return;
      await this.#work.stop();
      this.#work = undefined;
      // Another process may know of a wish that this one has not heard of yet.
      this.#idle = setTimeout(() => this.#giveUp(events), IDLE_MS).unref();
      return;
    }
    clearTimeout(this.#idle);
    const subjects = [...tenants.keys()].sort().map((tenant) => `events.${tenant}.>`);
    if (this.#work !== undefined) return this.#work.change(subjects);
    const from_ms = Math.max(Math.min(...tenants.values()), clock.now() - LOOK_BACK_MS);
    const spec = { name, subjects, from_ms, held_max, unfinished_max: UNFINISHED_MAX, lease_ms: LEASE_MS };
    this.#work = events.work(spec, handle);
  }

  #giveUp(events: MessageQueue): void {
    this.#changes = this.#changes.then(async () => {
      if (this.#work === undefined) await events.forget(this.#options.name).catch(() => undefined);
    });
  }

  /** Whether some process may still turn an event of these sequences, both inclusive, into something. */
  async mayHold(first: number, last: number): Promise<boolean> {
    const { events, name } = this.#options;
    return (await events?.isHeld(name, first, last)) ?? false;
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle);
    await this.#changes;
    await this.#work?.stop();
  }
}
