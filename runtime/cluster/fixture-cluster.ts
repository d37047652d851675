import { SeededRandom } from '../../engine/index.ts';
import type { ClusterLimits } from './cluster-limits.ts';
import { ClusterNode } from './cluster-node.ts';
import { type BucketFaults, SimulatedBucket } from './fixture-bucket.ts';
import { HostWorld, type SimulatedHost } from './fixture-hosts.ts';
import { SimulatedProcess, VirtualTime } from './fixture-world.ts';
import { tasksOf } from './planner.ts';
import {
  OWN_PREFIX,
  type OwnRecord,
  PLAN_KEY,
  type Plan,
  readOwn,
  readPlan,
  type TaskKey,
  taskOf,
} from './records.ts';

export interface ClusterOptions {
  readonly seed: number;
  readonly layout: readonly number[];
  readonly limits: Partial<ClusterLimits>;
  readonly faults?: BucketFaults;
  readonly broken_permille?: number;
}

interface Member {
  readonly name: string;
  readonly incarnation: string;
  readonly disk: Set<TaskKey>;
  process: SimulatedProcess;
  hosted: Map<TaskKey, SimulatedHost>;
  node: ClusterNode;
  stopped: Promise<void> | undefined;
}

/** A take of a task from another member that had not given it up. */
export interface TakeOver {
  readonly at_ms: number;
  readonly task: TaskKey;
  readonly from: string;
  readonly by: string;
  /** The one it was taken from was dead, stalled or cut off, then or in the ten seconds before. */
  readonly isFair: boolean;
}

const CALM: BucketFaults = { slow_permille: 0, lost_permille: 0 };
const EFFECT_MS = 700;

/** A cluster of simulated processes on a simulated bucket; what must never be is checked all the time. */
export class SimulatedCluster {
  readonly time = new VirtualTime();
  readonly random: SeededRandom;
  readonly bucket: SimulatedBucket;
  readonly hosts: HostWorld;
  readonly members = new Map<string, Member>();
  readonly tasks: readonly TaskKey[];
  readonly takeOvers: TakeOver[] = [];
  readonly problems: string[] = [];
  readonly lines: string[] = [];
  plans = 0;
  effects = 0;
  /** Changes of the planned owner. */
  ownerChanges = 0;
  readonly #options: ClusterOptions;
  readonly #unwell = new Map<string, number>();
  readonly #epochs = new Map<TaskKey, number>();
  #starts = 0;
  #plan: Plan | undefined;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.random = new SeededRandom(options.seed);
    this.bucket = new SimulatedBucket(this.time, this.random, options.faults ?? CALM);
    this.hosts = new HostWorld(this.time, this.random, options.broken_permille);
    this.tasks = tasksOf(options.layout);
    this.bucket.onWrite = (key, value, revision, by) => this.#wrote(key, value, revision, by);
  }

  get plan(): Plan | undefined {
    return readPlan(this.bucket.read(PLAN_KEY));
  }

  owner(task: TaskKey): string | undefined {
    const own = readOwn(this.bucket.read(OWN_PREFIX + task));
    return own?.state === 'owned' ? own.member : undefined;
  }

  /** Starts a process, also again under a name that was there: its disk is kept. */
  start(name: string): void {
    const former = this.members.get(name);
    if (former !== undefined) former.process.isDead = true;
    const disk = former?.disk ?? new Set<TaskKey>();
    const process = new SimulatedProcess(name, this.time, this.random);
    const hosted = new Map<TaskKey, SimulatedHost>();
    const incarnation = `${name}-${++this.#starts}`;
    const node = new ClusterNode({
      store: this.bucket.clientOf(process),
      ...{ member: name, incarnation },
      ...{ host: name, version: '1', started_at: '', layout: this.#options.layout },
      hosts: this.hosts.hostsOf(process, disk, hosted),
      time: process,
      limits: this.#options.limits,
      log: (line) => this.lines.push(`${Math.round(this.time.now_ms)} ${name}: ${line}`),
    });
    const member: Member = { name, incarnation, disk, process, hosted, node, stopped: undefined };
    this.members.set(name, member);
    void this.#started(member);
    void this.#effects(member);
  }

  /** What a supervisor does: a process that cannot join is started again. */
  async #started({ node, process, name }: Member): Promise<void> {
    try {
      await node.start();
      await node.ended;
    } catch (error) {
      this.lines.push(`${Math.round(this.time.now_ms)} ${name}: ended: ${String(error)}`);
      process.isDead = true;
      this.time.after(1_000, () => {
        if (this.members.get(name)?.process === process) this.start(name);
      });
    }
  }

  /** Sends what cannot be fenced, behind a confirmed lease: never while the bucket says that another one has the task. */
  async #effects({ node, process, hosted }: Member): Promise<void> {
    for (;;) {
      await process.sleep(EFFECT_MS);
      for (const [task, host] of [...hosted]) {
        const id = taskOf(task);
        if (host.epoch === undefined || id === undefined) continue;
        if (!(await node.confirm(id).catch(() => false))) continue;
        this.effects++;
        if (this.owner(task) !== process.name)
          this.#problem(
            `${process.name} sent what cannot be fenced of ${task}, which ${this.owner(task)} has`,
          );
      }
    }
  }

  kill(name: string): void {
    const member = this.#member(name);
    member.process.isDead = true;
    member.hosted.clear();
    this.#unwell.set(name, Number.POSITIVE_INFINITY);
  }

  stall(name: string, ms: number): void {
    const { process } = this.#member(name);
    process.stalled_until_ms = this.time.now_ms + ms;
    this.#noteUnwell(name, ms);
  }

  cutOff(name: string, ms: number, withLeader: boolean): void {
    const { process } = this.#member(name);
    this.bucket.cutOff(process, withLeader);
    this.#noteUnwell(name, ms);
    this.time.after(ms, () => this.bucket.mend(process));
  }

  stop(name: string): void {
    const member = this.#member(name);
    member.stopped ??= member.node.stop();
    this.#unwell.set(name, Number.POSITIVE_INFINITY);
  }

  away(ms: number): void {
    this.bucket.isAway = true;
    this.time.after(ms, () => {
      this.bucket.isAway = false;
    });
  }

  /** It may be taken over for it for a while. */
  #noteUnwell(name: string, ms: number): void {
    this.#unwell.set(name, Math.max(this.#unwell.get(name) ?? 0, this.time.now_ms + ms + 10_000));
  }

  #member(name: string): Member {
    const member = this.members.get(name);
    if (member === undefined) throw new Error(`no member ${name}`);
    return member;
  }

  #problem(text: string): void {
    this.problems.push(`at ${Math.round(this.time.now_ms)} ms: ${text}`);
  }

  #wrote(key: string, value: unknown, revision: number, by: string): void {
    if (key === PLAN_KEY) this.#planned(readPlan(value));
    if (!key.startsWith(OWN_PREFIX)) return;
    const [task, own] = [key.slice(OWN_PREFIX.length), readOwn(value)];
    if (own === undefined) {
      this.#problem(`${by} wrote no record of ${task}`);
      return;
    }
    if (own.member !== by) this.#problem(`${by} wrote for ${own.member}`);
    const former = this.#owners.get(task);
    this.#owners.set(task, own.state === 'owned' ? own : undefined);
    if (own.state !== 'owned') return;
    const epoch = own.epoch ?? revision;
    if (own.epoch === undefined && epoch <= (this.#epochs.get(task) ?? 0))
      this.#problem(`epoch of ${task} fell`);
    this.#epochs.set(task, epoch);
    if (former === undefined || former.member === by) return;
    const isFair = !this.#isSurelyWell(former);
    this.takeOvers.push({ at_ms: this.time.now_ms, task, from: former.member, by, isFair });
    if (!isFair) this.#problem(`${by} took ${task} from ${former.member}, which was well`);
  }

  readonly #owners = new Map<TaskKey, OwnRecord | undefined>();

  #planned(plan: Plan | undefined): void {
    this.plans++;
    if (plan === undefined) {
      this.#problem('what was written is no plan');
      return;
    }
    const copies = Object.values(plan.tasks).filter(
      ({ next, incoming }) => next !== undefined || incoming !== undefined,
    ).length;
    const { moves_at_once = 2 } = this.#options.limits;
    if (copies > moves_at_once) this.#problem(`${copies} copies at once`);
    let handing = 0;
    for (const [task, at] of Object.entries(plan.tasks)) {
      const before = this.#plan?.tasks[task];
      if (before !== undefined && before.owner !== at.owner) this.ownerChanges++;
      const holder = this.#owners.get(task);
      const isTaken = this.time.now_ms < (this.#unwell.get(at.owner) ?? 0);
      if (holder !== undefined && holder.member !== at.owner && !isTaken && this.#isSurelyWell(holder))
        handing++;
      if (new Set([at.owner, ...at.standbys]).size !== at.standbys.length + 1)
        this.#problem(`${task} is planned twice on one member`);
    }
    if (copies + handing > moves_at_once) this.#problem(`${copies} copies and ${handing} hand-overs at once`);
    this.#plan = plan;
  }

  /** The process that took a task is there, and was so all the time in which one can be thought dead. */
  #isSurelyWell({ member, incarnation }: OwnRecord): boolean {
    const isThere = this.members.get(member)?.incarnation === incarnation;
    return isThere && this.time.now_ms >= (this.#unwell.get(member) ?? 0);
  }

  /** A member that was ill is well for good. */
  recover(name: string): void {
    this.#unwell.set(name, this.time.now_ms + 10_000);
  }

  /** What is not as it should be at rest, as sentences. */
  unrest(standbys: number): readonly string[] {
    const found: string[] = [];
    const living = [...this.members.values()].filter(({ process, stopped }) => process.isWell && !stopped);
    const plan = this.plan;
    const usable = living.filter(({ name }) => plan?.drained.includes(name) !== true);
    for (const task of this.tasks) {
      const active = living.filter(({ hosted }) => hosted.get(task)?.epoch !== undefined);
      const names = active.map(({ name }) => name).join(', ');
      const owner = this.owner(task);
      if (names !== owner) found.push(`${task} is sent by "${names}", the bucket says ${owner}`);
      const fence = this.hosts.of(task).fence;
      if (active[0]?.hosted.get(task)?.epoch !== fence) found.push(`${task} has not the fence`);
      if (plan?.tasks[task]?.owner !== owner)
        found.push(`${task} is planned for ${plan?.tasks[task]?.owner}`);
      const ready = living.filter(
        ({ name, hosted }) => name !== owner && hosted.get(task)?.status().state === 'ready',
      );
      const wanted = Math.min(standbys, usable.length - 1);
      if (ready.length !== wanted) found.push(`${task} has ${ready.length} standbys, not ${wanted}`);
    }
    for (const [what, count] of [
      ['tasks', (name: string) => this.tasks.filter((task) => this.owner(task) === name).length],
      [
        'standbys',
        (name: string) => this.tasks.filter((task) => plan?.tasks[task]?.standbys.includes(name)).length,
      ],
    ] as const) {
      const counts = usable.map(({ name }) => count(name));
      const isPinned = what === 'tasks' && Object.keys(plan?.pins ?? {}).length > 0;
      // Who may follow a task depends on who owns it: one more is allowed.
      const spread = what === 'tasks' ? 1 : 2;
      if (!isPinned && Math.max(...counts) - Math.min(...counts) > spread)
        found.push(`${what} are spread as ${counts.join(', ')}`);
    }
    return found;
  }

  /** Runs until it is at rest, or the time is over; when that was, ms of virtual time. */
  async untilRest(standbys: number, max_ms: number): Promise<number | undefined> {
    const end_ms = this.time.now_ms + max_ms;
    for (;;) {
      if (this.unrest(standbys).length === 0) return this.time.now_ms;
      if (this.time.now_ms >= end_ms) return undefined;
      await this.time.runUntil(this.time.now_ms + 250);
    }
  }

  /** Ends every process, so that nothing of it is left. */
  end(): void {
    for (const { process } of this.members.values()) process.isDead = true;
  }
}
