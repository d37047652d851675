import { z } from 'zod';
import type { KeyValueStore } from '../../engine/index.ts';
import { MEMBER_PREFIX } from './job-board.ts';
import type { JobTimes } from './job-limits.ts';

/** What a process says of itself. */
const memberSchema = z.object({
  disk: z.string(),
  /** Types of jobs that it runs. */
  types: z.array(z.string()),
  /** Makes each renewal another value. */
  renewal: z.int(),
});
type Member = z.infer<typeof memberSchema>;

interface MembersParts {
  readonly store: KeyValueStore;
  readonly process: string;
  readonly disk: string;
  readonly times: JobTimes;
  /** ms, never moving back. */
  readonly monotonic: () => number;
}

/**
 * The processes that run jobs, and which of them are dead. A process rewrites its record each second while it has
 * jobs; one whose record keeps its revision for `lease_ms` is dead. The time is that of the observer's own clock, and
 * only time in which the bucket answered counts: an outage, or an observer that stood still, kills nobody.
 */
export class Members {
  readonly #parts: MembersParts;
  readonly #seen = new Map<string, { readonly member: Member; readonly at_ms: number }>();
  readonly #leases = new Map<string, { readonly revision: number; readonly unchanged_ms: number }>();
  #looked_at_ms: number | undefined;
  #own: { readonly revision: number; readonly at_ms: number } | undefined;
  #renewals = 0;

  constructor(parts: MembersParts) {
    this.#parts = parts;
  }

  /** What the watch of the bucket tells; undefined: the process has left. */
  observe(process: string, value: unknown): void {
    const parsed = memberSchema.safeParse(value);
    if (parsed.success) this.#seen.set(process, { member: parsed.data, at_ms: this.#parts.monotonic() });
    else this.#seen.delete(process);
  }

  /** Says that this process lives, where that is due. */
  async renew(isBusy: boolean, types: readonly string[]): Promise<void> {
    const { store, process, disk, times, monotonic } = this.#parts;
    const at_ms = monotonic();
    const due_ms = isBusy ? 0 : times.idle_renewal_ms;
    if (this.#own !== undefined && at_ms - this.#own.at_ms < due_ms) return;
    const member: Member = { disk, types: [...types], renewal: ++this.#renewals };
    const key = MEMBER_PREFIX + process;
    const written =
      this.#own === undefined
        ? await store.create(key, member)
        : await store.update(key, member, this.#own.revision);
    if (written.ok) this.#own = { revision: written.revision, at_ms };
    // A renewal whose outcome was not known, or a record that somebody took away: the next one goes by what is there.
    else
      this.#own =
        written.current === undefined ? undefined : { revision: written.current.revision, at_ms: 0 };
  }

  async leave(): Promise<void> {
    await this.#parts.store.delete(MEMBER_PREFIX + this.#parts.process);
  }

  /** Reads the leases of some processes, and gives those that are dead. Throws when the bucket does not answer. */
  async look(processes: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    const { store, times, monotonic } = this.#parts;
    const now_ms = monotonic();
    const elapsed_ms = Math.min(now_ms - (this.#looked_at_ms ?? now_ms), 2 * times.tick_ms);
    this.#looked_at_ms = now_ms;
    for (const process of [...this.#leases.keys()]) if (!processes.has(process)) this.#leases.delete(process);
    const dead = new Set<string>();
    try {
      for (const process of processes) {
        const revision = (await store.get(MEMBER_PREFIX + process))?.revision ?? 0;
        const known = this.#leases.get(process);
        const unchanged_ms = known?.revision === revision ? known.unchanged_ms + elapsed_ms : 0;
        this.#leases.set(process, { revision, unchanged_ms });
        if (unchanged_ms >= times.lease_ms) dead.add(process);
      }
    } catch (error) {
      this.#leases.clear();
      this.#looked_at_ms = undefined;
      throw error;
    }
    return dead;
  }

  /** Whether a process is there that runs jobs of a type, on a disk where it has to be that one. */
  hasRunner(type: string, disk: string | null): boolean {
    return [...this.#present()].some(
      ([, { member }]) => member.types.includes(type) && (disk === null || member.disk === disk),
    );
  }

  /** Removes the records of processes that are long gone. */
  async sweep(): Promise<void> {
    const gone_ms = this.#parts.monotonic() - 5 * this.#parts.times.present_ms;
    for (const [process, { at_ms }] of [...this.#seen]) {
      if (at_ms >= gone_ms || process === this.#parts.process) continue;
      await this.#parts.store.delete(MEMBER_PREFIX + process);
      this.#seen.delete(process);
    }
  }

  get present(): number {
    return [...this.#present()].length;
  }

  *#present(): Generator<[string, { readonly member: Member }]> {
    const since_ms = this.#parts.monotonic() - this.#parts.times.present_ms;
    for (const entry of this.#seen) if (entry[1].at_ms >= since_ms) yield entry;
  }
}
