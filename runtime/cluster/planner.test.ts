import { expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { emptyPlan, nextPlan, type PlanLimits, tasksOf } from './planner.ts';
import type { Plan, TaskKey, TaskReport } from './records.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e'];

interface World {
  plan: Plan;
  readonly members: Set<string>;
  readonly holders: Map<TaskKey, string>;
  readonly ready: Map<string, Set<TaskKey>>;
}

/** What each member says, by what it has ready. */
const reports = (world: World) =>
  new Map(
    [...world.members].map((member) => [
      member,
      Object.fromEntries(
        tasksOf(world.plan.layout).flatMap((task): [TaskKey, TaskReport][] => {
          const at = world.plan.tasks[task];
          const hosts = [at?.owner, at?.next, at?.incoming, ...(at?.standbys ?? [])].includes(member);
          const state = world.ready.get(member)?.has(task) === true ? 'ready' : 'behind';
          return hosts ? [[task, { role: 'standby', state }]] : [];
        }),
      ),
    ]),
  );

const inputOf = (world: World, limits: PlanLimits) => ({
  ...{ plan: world.plan, members: reports(world), holders: world.holders, limits },
  givenUp: new Set<string>(),
});

/** What processes do between two plans: whoever hosts becomes ready, and who should own a task takes it. */
function work(world: World): void {
  for (const [task, { owner, standbys, next, incoming }] of Object.entries(world.plan.tasks)) {
    for (const member of [owner, next, incoming, ...standbys]) {
      if (member === undefined || !world.members.has(member)) continue;
      world.ready.set(member, (world.ready.get(member) ?? new Set()).add(task));
    }
    if (world.members.has(owner)) world.holders.set(task, owner);
  }
}

const copiesOf = (plan: Plan): number =>
  Object.values(plan.tasks).filter(({ next, incoming }) => next !== undefined || incoming !== undefined)
    .length;

/** Plans until nothing changes. */
function rest(world: World, limits: PlanLimits): number {
  for (let steps = 0; steps < 500; steps++) {
    const next = nextPlan(inputOf(world, limits));
    expect(copiesOf(next)).toBeLessThanOrEqual(limits.moves_at_once);
    // As a process reads it.
    expect(JSON.parse(JSON.stringify(next))).toEqual(next);
    if (next === world.plan && [...world.holders].every(([task, at]) => next.tasks[task]?.owner === at))
      return steps;
    world.plan = next;
    work(world);
  }
  throw new Error(`never at rest: ${JSON.stringify(world.plan)}`);
}

const spread = (members: Iterable<string>, count: (member: string) => number): number => {
  const counts = [...members].map(count);
  return Math.max(...counts) - Math.min(...counts);
};

const newWorld = (layout: readonly number[], members: readonly string[]): World => ({
  plan: emptyPlan(layout),
  members: new Set(members),
  holders: new Map(),
  ready: new Map(),
});

it('comes to rest, balanced, after any joins, deaths, drains and pins', () => {
  const step = fc.record({
    kind: fc.constantFrom('join', 'die', 'drain', 'undrain', 'pin', 'unpin'),
    member: fc.constantFrom(...NAMES),
    task: fc.integer({ min: 0, max: 40 }),
    isHurried: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 0, max: 2 }),
      fc.integer({ min: 1, max: 4 }),
      fc.array(step, { maxLength: 12 }),
      (layout, standbys, moves_at_once, steps) => {
        const limits = { standbys, moves_at_once };
        const world = newWorld(layout, ['a', 'b']);
        const tasks = tasksOf(layout);
        for (const { kind, member, task: at, isHurried } of steps) {
          const task = tasks[at % tasks.length] as TaskKey;
          const { plan } = world;
          if (kind === 'join') world.members.add(member);
          if (kind === 'die' && world.members.size > 1) {
            world.members.delete(member);
            world.ready.delete(member);
          }
          const others = plan.drained.filter((one) => one !== member);
          if (kind === 'drain') world.plan = { ...plan, drained: [...others, member] };
          if (kind === 'undrain') world.plan = { ...plan, drained: others };
          const { [task]: _, ...pins } = plan.pins;
          if (kind === 'pin') world.plan = { ...plan, pins: { ...pins, [task]: member } };
          if (kind === 'unpin') world.plan = { ...plan, pins };
          if (!isHurried) rest(world, limits);
          else {
            world.plan = nextPlan(inputOf(world, limits));
            work(world);
          }
        }
        rest(world, limits);
        const { plan, members } = world;
        const kept = [...members].filter((member) => !plan.drained.includes(member));
        const usable = kept.length > 0 ? kept : [...members];
        for (const task of tasks) {
          const place = plan.tasks[task];
          const pin = plan.pins[task];
          expect(usable).toContain(place?.owner);
          if (pin !== undefined && usable.includes(pin)) expect(place?.owner).toBe(pin);
          const followers = new Set(place?.standbys);
          expect(followers.size).toBe(Math.min(standbys, usable.length - 1));
          expect(followers.has(place?.owner ?? '')).toBe(false);
          for (const follower of followers) expect(usable).toContain(follower);
        }
        if (Object.keys(plan.pins).length > 0) return;
        const owned = (member: string, stage = '') =>
          tasks.filter((task) => task.startsWith(stage) && plan.tasks[task]?.owner === member).length;
        expect(spread(usable, (member) => owned(member))).toBeLessThanOrEqual(1);
        for (const stage of layout.keys())
          expect(spread(usable, (member) => owned(member, `${stage}.`))).toBeLessThanOrEqual(1);
      },
    ),
    { numRuns: 300 },
  );
});

it('moves what it must when a member dies or joins, and nothing else', () => {
  const limits = { standbys: 1, moves_at_once: 2 };
  const world = newWorld([12, 12], ['a', 'b', 'c']);
  rest(world, limits);
  const before = world.plan;
  world.members.delete('b');
  rest(world, limits);
  for (const [task, { owner }] of Object.entries(before.tasks)) {
    if (owner !== 'b') expect(world.plan.tasks[task]?.owner).toBe(owner);
    // Where a state was ready.
    else expect(before.tasks[task]?.standbys).toContain(world.plan.tasks[task]?.owner);
  }
  const two = world.plan;
  world.members.add('d');
  rest(world, limits);
  const moved = Object.entries(two.tasks).filter(
    ([task, { owner }]) => world.plan.tasks[task]?.owner !== owner,
  );
  expect(moved).toHaveLength(8);
  for (const [task] of moved) expect(world.plan.tasks[task]?.owner).toBe('d');
});

it('a copy that was given up is not begun again, and keeps no other from its turn', () => {
  const limits = { standbys: 0, moves_at_once: 1 };
  const world = newWorld([4], ['a', 'b']);
  rest(world, limits);
  world.members.add('c');
  const begun = nextPlan(inputOf(world, limits));
  const [task] = Object.entries(begun.tasks).find(([, { next }]) => next === 'c') ?? [''];
  const after = nextPlan({ ...inputOf(world, limits), plan: begun, givenUp: new Set([`${task}>c`]) });
  expect(after.tasks[task]?.next).toBeUndefined();
  expect(Object.values(after.tasks).filter(({ next }) => next === 'c')).toHaveLength(1);
});
