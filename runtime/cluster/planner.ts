import type { Placement, Plan, TaskKey, TaskReport } from './records.ts';

export interface PlanLimits {
  /** Other members that follow each task, where there are so many. */
  readonly standbys: number;
  /** Tasks that change hands or are copied at once. */
  readonly moves_at_once: number;
}

export interface PlanInput {
  readonly plan: Plan;
  /** Living members with what they say of their tasks. */
  readonly members: ReadonlyMap<string, Readonly<Record<TaskKey, TaskReport>>>;
  /** Who holds each task now; absent: nobody. */
  readonly holders: ReadonlyMap<TaskKey, string>;
  readonly limits: PlanLimits;
  /** Moves that were given up, as `moveName` writes them: they are not tried again for a while. */
  readonly givenUp: ReadonlySet<string>;
}

export const moveName = (task: TaskKey, to: string): string => `${task}>${to}`;

/** A plan without a task, for a topology of so many partitions a stage. */
export const emptyPlan = (layout: readonly number[]): Plan => ({
  layout: [...layout],
  tasks: {},
  pins: {},
  drained: [],
});

/** All tasks of a layout, in order. */
export const tasksOf = (layout: readonly number[]): readonly TaskKey[] =>
  layout.flatMap((partitions, stage) =>
    Array.from({ length: partitions }, (_, partition) => `${stage}.${partition}`),
  );

const stageOf = (task: TaskKey): string => task.slice(0, task.indexOf('.'));

/**
 * The next plan: tasks of dead members go to those that live, at once; everything else in steps, of which `moves_at_once`
 * are under way at a time. Sticky: what need not move stays. In a plan that is at rest each stage's tasks, and all
 * tasks together, are spread so that no member owns two more than another, pins aside, and so are the standbys.
 * Pure: the same input gives the same plan; what is right already gives the same value.
 */
export function nextPlan(input: PlanInput): Plan {
  const next = new Planning(input).run();
  return JSON.stringify(next) === JSON.stringify(input.plan) ? input.plan : next;
}

class Planning {
  readonly #input: PlanInput;
  readonly #usable: readonly string[];
  readonly #wanted: number;
  readonly #tasks: ReadonlyMap<TaskKey, Placement>;
  /** Moves that may begin. */
  #free = 0;

  constructor(input: PlanInput) {
    const { plan, members, limits } = input;
    this.#input = input;
    const living = [...members.keys()].sort();
    const usable = living.filter((id) => !plan.drained.includes(id));
    // The last ones cannot be drained: nobody else is there.
    this.#usable = usable.length > 0 ? usable : living;
    this.#wanted = Math.min(limits.standbys, this.#usable.length - 1);
    this.#tasks = new Map(
      tasksOf(plan.layout).map((task) => {
        const known = plan.tasks[task];
        return [task, known === undefined ? { owner: '', standbys: [] } : { ...known }];
      }),
    );
  }

  run(): Plan {
    const { plan } = this.#input;
    if (this.#usable.length === 0) return plan;
    for (const [task, at] of this.#tasks) this.#forgetDead(task, at);
    for (const [task, at] of this.#tasks) if (!this.#lives(at.owner)) this.#replaceDead(task, at);
    for (const [task, at] of this.#tasks) this.#finish(task, at);
    const underWay = [...this.#tasks].filter(([task, at]) => this.#isMoving(task, at)).length;
    this.#free = this.#input.limits.moves_at_once - underWay;
    this.#leaveFailed();
    this.#leaveDrained();
    this.#followPins();
    this.#balanceOwners();
    for (const [task, at] of this.#tasks) this.#fillStandbys(task, at);
    this.#balanceStandbys();
    return { ...plan, tasks: Object.fromEntries(this.#tasks) };
  }

  #lives(member: string): boolean {
    return this.#input.members.has(member);
  }

  #isUsable(member: string): boolean {
    return this.#usable.includes(member);
  }

  #report(task: TaskKey, member: string): TaskReport | undefined {
    return this.#input.members.get(member)?.[task];
  }

  #isReady(task: TaskKey, member: string): boolean {
    return this.#report(task, member)?.state === 'ready';
  }

  /** Copied to somebody, or on its way from one living member to another. */
  #isMoving(task: TaskKey, at: Placement): boolean {
    if (at.next !== undefined || at.incoming !== undefined) return true;
    const holder = this.#input.holders.get(task);
    return holder !== undefined && holder !== at.owner && this.#lives(holder);
  }

  #forgetDead(task: TaskKey, at: Placement): void {
    at.standbys = at.standbys.filter((member) => this.#lives(member));
    for (const part of ['next', 'incoming'] as const) {
      const member = at[part];
      if (member === undefined) continue;
      if (this.#isUsable(member) && !this.#input.givenUp.has(moveName(task, member))) continue;
      delete at[part];
    }
  }

  /** Whoever has the newest state goes on: the one that took it already, a ready standby, any that follows. */
  #replaceDead(task: TaskKey, at: Placement): void {
    const holder = this.#input.holders.get(task);
    const followers = [...at.standbys, ...(at.next === undefined ? [] : [at.next])];
    if (at.incoming !== undefined) followers.push(at.incoming);
    const owner =
      [holder].find((member) => member !== undefined && this.#lives(member)) ??
      followers.find((member) => this.#isReady(task, member) && this.#isUsable(member)) ??
      followers.find((member) => this.#isReady(task, member)) ??
      followers.find((member) => this.#isUsable(member)) ??
      this.#least(this.#usable, (member) => this.#owned(member, task));
    this.#give(at, owner);
  }

  #give(at: Placement, owner: string): void {
    at.owner = owner;
    at.standbys = at.standbys.filter((member) => member !== owner);
    if (at.next === owner) delete at.next;
    if (at.incoming === owner) delete at.incoming;
  }

  /** Ends what is ready to end. */
  #finish(task: TaskKey, at: Placement): void {
    if (at.next !== undefined && this.#isReady(task, at.next)) this.#handOver(at, at.next);
    if (at.incoming !== undefined && this.#isReady(task, at.incoming)) {
      const rest = at.standbys.filter((member) => this.#isUsable(member));
      const leaving =
        at.standbys.find((member) => !this.#isUsable(member)) ??
        // Others may have died meanwhile: then it is one more.
        (rest.length < this.#wanted ? undefined : this.#most(rest, (member) => this.#followed(member)));
      at.standbys = [...at.standbys.filter((member) => member !== leaving), at.incoming];
      delete at.incoming;
    }
  }

  /** The former owner has the state: it stays as a standby where one is wanted. */
  #handOver(at: Placement, to: string): void {
    const former = at.owner;
    this.#give(at, to);
    if (this.#lives(former) && at.standbys.length < this.#wanted) at.standbys.push(former);
  }

  #begin(task: TaskKey, at: Placement, to: string): void {
    if (this.#input.givenUp.has(moveName(task, to))) return;
    this.#free--;
    if (at.standbys.includes(to) && this.#isReady(task, to)) this.#handOver(at, to);
    else at.next = to;
  }

  /** Whom a task can go to, best first: no copy is needed where a ready standby is no worse. */
  #target(task: TaskKey, at: Placement): string | undefined {
    const others = this.#usable.filter(
      (member) => member !== at.owner && !this.#input.givenUp.has(moveName(task, member)),
    );
    const weight = (member: string): number =>
      this.#owned(member, task) - (at.standbys.includes(member) && this.#isReady(task, member) ? 0.5 : 0);
    return others.length === 0 ? undefined : this.#least(others, weight);
  }

  /** A failure of this member alone: another one, which is as far, goes on. */
  #leaveFailed(): void {
    for (const [task, at] of this.#tasks) {
      if (this.#free <= 0) return;
      if (this.#report(task, at.owner)?.state !== 'failed' || this.#isMoving(task, at)) continue;
      const ready = at.standbys.find((member) => this.#isReady(task, member) && this.#isUsable(member));
      if (ready !== undefined) this.#begin(task, at, ready);
    }
  }

  #leaveDrained(): void {
    for (const [task, at] of this.#tasks) {
      if (this.#free <= 0) return;
      if (this.#isUsable(at.owner) || this.#isMoving(task, at)) continue;
      const to = this.#target(task, at);
      if (to !== undefined) this.#begin(task, at, to);
    }
  }

  #pinOf(task: TaskKey): string | undefined {
    const pin = this.#input.plan.pins[task];
    return pin !== undefined && this.#isUsable(pin) ? pin : undefined;
  }

  #followPins(): void {
    for (const [task, at] of this.#tasks) {
      const pin = this.#pinOf(task);
      if (this.#free <= 0) return;
      if (pin !== undefined && pin !== at.owner && !this.#isMoving(task, at)) this.#begin(task, at, pin);
    }
  }

  #balanceOwners(): void {
    while (this.#free > 0) {
      const move = this.#balancingMove();
      if (move === undefined) return;
      const before = this.#free;
      this.#begin(move.task, move.at, move.to);
      if (this.#free === before) return;
    }
  }

  /** From whoever has two more of a stage, then from whoever has two more of all, one of a stage that it has more of. */
  #balancingMove(): { readonly task: TaskKey; readonly at: Placement; readonly to: string } | undefined {
    const stages = [...new Set([...this.#tasks.keys()].map(stageOf))];
    for (const stage of stages) {
      const count = (member: string): number => this.#ownedOf(member, stage);
      const tie = (member: string): number => count(member) + this.#owned(member) / 100_000;
      const [to, from] = [this.#least(this.#usable, tie), this.#most(this.#usable, tie)];
      const found = count(from) - count(to) > 1 ? this.#movable(from, to, stage) : undefined;
      if (found !== undefined) return found;
    }
    const total = (member: string): number => this.#owned(member);
    const [to, from] = [this.#least(this.#usable, total), this.#most(this.#usable, total)];
    if (total(from) - total(to) <= 1) return undefined;
    for (const stage of stages) {
      if (this.#ownedOf(from, stage) <= this.#ownedOf(to, stage)) continue;
      const found = this.#movable(from, to, stage);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** A task that can go without breaking a pin; one that needs no copy before others. */
  #movable(from: string, to: string, stage: string) {
    const found = [...this.#tasks].filter(
      ([task, at]) =>
        stageOf(task) === stage &&
        at.owner === from &&
        !this.#isMoving(task, at) &&
        this.#pinOf(task) === undefined &&
        !this.#input.givenUp.has(moveName(task, to)),
    );
    const best = found.find(([task, at]) => at.standbys.includes(to) && this.#isReady(task, to)) ?? found[0];
    return best === undefined ? undefined : { task: best[0], at: best[1], to };
  }

  #fillStandbys(task: TaskKey, at: Placement): void {
    const usable = at.standbys.filter((member) => this.#isUsable(member) && member !== at.owner);
    while (usable.length < this.#wanted) {
      const taken = [at.owner, at.next, at.incoming, ...usable];
      const others = this.#usable.filter((member) => !taken.includes(member));
      if (others.length === 0) break;
      usable.push(this.#least(others, (member) => this.#followed(member, task)));
    }
    // One that is drained stays until another one is ready in its place.
    const drained = at.standbys.filter((member) => !this.#isUsable(member) && member !== at.owner);
    const covered = usable.filter((member) => this.#isReady(task, member)).length >= this.#wanted;
    // What is beyond the number goes from its end: the ones before are ready, or nearer to it.
    const kept =
      usable.length > this.#wanted ? this.#readyFirst(task, usable).slice(0, this.#wanted) : usable;
    at.standbys = covered ? kept : [...kept, ...drained];
  }

  #readyFirst(task: TaskKey, members: readonly string[]): readonly string[] {
    return [
      ...members.filter((member) => this.#isReady(task, member)),
      ...members.filter((member) => !this.#isReady(task, member)),
    ];
  }

  #balanceStandbys(): void {
    if (this.#wanted < 1) return;
    while (this.#free > 0) {
      const count = (member: string): number => this.#followed(member);
      const [to, from] = [this.#least(this.#usable, count), this.#most(this.#usable, count)];
      if (count(from) - count(to) <= 1) return;
      const found = [...this.#tasks].find(
        ([task, at]) =>
          at.standbys.includes(from) &&
          at.owner !== to &&
          !at.standbys.includes(to) &&
          !this.#isMoving(task, at) &&
          at.standbys.every((member) => this.#isReady(task, member)) &&
          !this.#input.givenUp.has(moveName(task, to)),
      );
      if (found === undefined) return;
      found[1].incoming = to;
      this.#free--;
    }
  }

  /** Tasks that it owns or is about to, `without` aside. */
  #owned(member: string, without?: TaskKey): number {
    let count = 0;
    for (const [task, at] of this.#tasks) if (task !== without && (at.next ?? at.owner) === member) count++;
    return count;
  }

  #ownedOf(member: string, stage: string): number {
    let count = 0;
    for (const [task, at] of this.#tasks) {
      if (stageOf(task) === stage && (at.next ?? at.owner) === member) count++;
    }
    return count;
  }

  #followed(member: string, without?: TaskKey): number {
    let count = 0;
    for (const [task, { standbys, incoming }] of this.#tasks) {
      if (task !== without && (standbys.includes(member) || incoming === member)) count++;
    }
    return count;
  }

  /** Of equals the first by name. */
  #least(members: readonly string[], weight: (member: string) => number): string {
    return members.reduce((best, member) => (weight(member) < weight(best) ? member : best));
  }

  #most(members: readonly string[], weight: (member: string) => number): string {
    return members.reduce((best, member) => (weight(member) > weight(best) ? member : best));
  }
}
