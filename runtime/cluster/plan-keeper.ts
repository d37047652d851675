import { asMillraceError, type KeyValueStore, MillraceError } from '../../engine/index.ts';
import type { ClusterLimits } from './cluster-limits.ts';
import { type ClusterTime, REQUEST_MAX_MS, within } from './cluster-time.ts';
import type { ClusterBoard } from './cluster-view.ts';
import type { Observer } from './observer.ts';
import { emptyPlan, moveName, nextPlan } from './planner.ts';
import { MEMBER_PREFIX, PLAN_KEY, type Plan, type TaskKey, type TaskReport } from './records.ts';

export interface PlanKeeperParts {
  readonly store: KeyValueStore;
  readonly board: ClusterBoard;
  readonly layout: readonly number[];
  readonly time: ClusterTime;
  readonly limits: ClusterLimits;
  readonly log: (line: string) => void;
}

/** Plans, for as long as this process is the one that does: reads what is, and writes the next plan by compare-and-set. */
export class PlanKeeper {
  readonly #parts: PlanKeeperParts;
  readonly #since_ms: number;
  /** Copies that are under way, and those that were given up, with when each began. */
  readonly #copies = new Map<string, number>();
  readonly #givenUp = new Map<string, number>();
  /** Tasks that it has sent to another living member. */
  moves = 0;

  constructor(parts: PlanKeeperParts) {
    this.#parts = parts;
    this.#since_ms = parts.time.monotonic();
  }

  /** Throws `cluster_layout_differs`. */
  checkLayout(): void {
    const { board, layout } = this.#parts;
    const there = board.plan?.record.layout;
    if (there === undefined || JSON.stringify(there) === JSON.stringify(layout)) return;
    throw new MillraceError(
      'cluster_layout_differs',
      `The cluster runs stages of ${there.join(', ')} partitions, and this topology has ${layout.join(', ')}. The number ` +
        'of partitions is fixed for a generation: start this process with the topology of the others.',
    );
  }

  /** One step, with what each living member says of its tasks. What goes wrong is tried again with the next one. */
  async plan(members: ReadonlyMap<string, Readonly<Record<TaskKey, TaskReport>>>): Promise<void> {
    const { board, store, layout, time, limits, log } = this.#parts;
    const current = board.plan;
    if (current === undefined && time.monotonic() - this.#since_ms < limits.settle_ms) return;
    const plan = current?.record ?? emptyPlan(layout);
    this.#watchCopies(plan);
    const holders = new Map(
      [...board.ownRecords.keys()].flatMap((task) => {
        const holder = board.holder(task);
        return holder === undefined ? [] : [[task, holder] as const];
      }),
    );
    const givenUp = new Set(this.#givenUp.keys());
    const next = nextPlan({ plan, members, holders, limits, givenUp });
    if (next === plan) return;
    try {
      const write =
        current === undefined ? store.create(PLAN_KEY, next) : store.update(PLAN_KEY, next, current.revision);
      const written = await within(time, REQUEST_MAX_MS, write);
      if (written.ok) {
        this.#count(plan, next, members);
        board.put(PLAN_KEY, next, written.revision);
      } else if (written.current !== undefined) {
        board.put(PLAN_KEY, written.current.value, written.current.revision);
      }
    } catch (thrown) {
      log(`the plan is not written: ${asMillraceError(thrown).message}`);
    }
  }

  #count(before: Plan, after: Plan, members: ReadonlyMap<string, unknown>): void {
    for (const [task, { owner }] of Object.entries(after.tasks)) {
      const former = before.tasks[task]?.owner;
      if (former === undefined || former === owner) continue;
      const isMove = members.has(former);
      if (isMove) this.moves++;
      this.#parts.log(`${task}: ${isMove ? 'moves' : 'goes'} from ${former} to ${owner}`);
    }
  }

  /** A copy that does not come to its end must not keep others from beginning. */
  #watchCopies(plan: Plan): void {
    const { time, limits, log } = this.#parts;
    const now_ms = time.monotonic();
    const names = new Set(
      Object.entries(plan.tasks).flatMap(([task, { next, incoming }]) =>
        [next, incoming].flatMap((member) => (member === undefined ? [] : [moveName(task, member)])),
      ),
    );
    for (const name of this.#copies.keys()) if (!names.has(name)) this.#copies.delete(name);
    for (const [name, at_ms] of this.#givenUp) {
      if (now_ms - at_ms >= limits.move_max_ms) this.#givenUp.delete(name);
    }
    for (const name of names) {
      const since_ms = this.#copies.get(name) ?? now_ms;
      this.#copies.set(name, since_ms);
      if (now_ms - since_ms < limits.move_max_ms || this.#givenUp.has(name)) continue;
      this.#givenUp.set(name, now_ms);
      log(`${name.replace('>', ' to ')}: not ready after ${limits.move_max_ms} ms, given up for now`);
    }
  }

  /** Removes the record of a member that is long dead. Rejects when the bucket does not answer. */
  async forgetDead(member: string, observer: Observer): Promise<void> {
    const { board, store, time, limits } = this.#parts;
    const seen = board.memberRecords.get(member);
    if (seen === undefined || (observer.unchanged_ms(member) ?? 0) < limits.forget_after_ms) return;
    await within(time, REQUEST_MAX_MS, store.delete(MEMBER_PREFIX + member, seen.revision));
  }
}
