import { type NatsLink, openManager, purgeChannels } from '../../connectors/index.ts';
import { asMillraceError, monotonicNow, type Stage } from '../../engine/index.ts';
import type { ClusterView } from '../cluster/index.ts';
import { type PartitionedInput, tickSubject } from './partitioned-input.ts';
import type { StageTask } from './stage-task.ts';

/** How often what all have read is removed from the channels, and time is written into quiet partitions, ms. */
export interface KeepLimits {
  readonly purge_every_ms: number;
  /** A partition without messages gets a tick after so long, ms; later ones after an eighth of its quiet time. */
  readonly tick_first_ms: number;
  readonly tick_max_ms: number;
}

export const KEEP_LIMITS: KeepLimits = { purge_every_ms: 30_000, tick_first_ms: 1_000, tick_max_ms: 60_000 };

const LOOK_MS = 500;
const QUIET_SHARE = 8;

export interface KeeperParts {
  readonly link: NatsLink;
  readonly topology: string;
  readonly input: PartitionedInput;
  readonly stages: readonly Stage[];
  readonly view: ClusterView;
  readonly tasks: () => readonly StageTask[];
  readonly standbys: number;
  readonly limits: KeepLimits;
  readonly log: (line: string) => void;
}

/** What the owner of a task does beside it: time for quiet partitions, and room in its channels. */
export class Keeper {
  readonly #parts: KeeperParts;
  readonly #subjects = new Map<number, string | undefined>();
  /** By partition: the time of the log when it last moved, and when that was seen here. */
  readonly #seen = new Map<number, { readonly log_ms: number; readonly at_ms: number }>();
  #timer: NodeJS.Timeout | undefined;
  #purged_at_ms = Number.NEGATIVE_INFINITY;
  #working: Promise<void> | undefined;
  ticks = 0;
  purged = 0;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#working ??= this.#work()
        .catch((error: unknown) => this.#parts.log(`channels and ticks: ${asMillraceError(error).message}`))
        .finally(() => {
          this.#working = undefined;
        });
    }, LOOK_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#working;
  }

  async #work(): Promise<void> {
    const now_ms = monotonicNow();
    const owned = this.#parts.tasks().filter(({ active_epoch }) => active_epoch !== undefined);
    for (const task of owned) if (task.id.stage === 0) this.#tick(task, now_ms);
    if (now_ms - this.#purged_at_ms < this.#parts.limits.purge_every_ms) return;
    this.#purged_at_ms = now_ms;
    for (const task of owned) await this.#purge(task);
  }

  #tick(task: StageTask, now_ms: number): void {
    const { link, limits } = this.#parts;
    const { partition } = task.id;
    const { now_ms: log_ms = 0, record_ms = 0 } = task.progress?.log ?? {};
    // Before the first record there is no time that could pass.
    if (record_ms === 0) return;
    const seen = this.#seen.get(partition);
    if (seen === undefined || seen.log_ms !== log_ms) {
      this.#seen.set(partition, { log_ms, at_ms: now_ms });
      return;
    }
    const pause_ms = Math.max(limits.tick_first_ms, (log_ms - record_ms) / QUIET_SHARE);
    if (now_ms - seen.at_ms < Math.min(pause_ms, limits.tick_max_ms)) return;
    const subject = this.#subjectOf(partition);
    if (subject === undefined) return;
    // One that is lost is published again: the time of the log has not moved then.
    link.connection.publish(subject);
    this.#seen.set(partition, { log_ms, at_ms: now_ms });
    this.ticks++;
  }

  #subjectOf(partition: number): string | undefined {
    if (!this.#subjects.has(partition)) {
      this.#subjects.set(partition, tickSubject(this.#parts.input, partition));
    }
    return this.#subjects.get(partition);
  }

  /** What the owner and all its standbys have committed is removed; where a standby is missing, nothing is. */
  async #purge({ id }: StageTask): Promise<void> {
    const { link, topology, stages, view, standbys } = this.#parts;
    const { reads } = stages[id.stage] as Stage;
    if (reads.kind !== 'cut') return;
    const positions = [...view.reports(id).values()].map(({ position = 0 }) => position);
    const copies = 1 + Math.min(standbys, view.members().length - 1);
    if (positions.length < copies) return;
    const safe = Math.min(...positions);
    if (safe === 0) return;
    this.purged += await purgeChannels(await openManager(link), topology, reads.cut, id.partition, safe);
  }
}
