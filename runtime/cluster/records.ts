import { z } from 'zod';
import { MillraceError } from '../../engine/index.ts';

/**
 * What the processes of a cluster say to each other: JSON values in one KV bucket of the topology. Each schema takes
 * members that it does not know, so that processes of two versions can stand side by side.
 */

/** A task: a stage of the topology, and a partition of what it reads. */
export interface TaskId {
  readonly stage: number;
  readonly partition: number;
}

/** `<stage>.<partition>`: how a task is named in keys, in commands and in messages. */
export type TaskKey = string;

export const taskKey = ({ stage, partition }: TaskId): TaskKey => `${stage}.${partition}`;

const TASK_KEY = /^(0|[1-9]\d{0,3})\.(0|[1-9]\d{0,4})$/;

/** The task of a key; undefined where it is none. */
export function taskOf(key: TaskKey): TaskId | undefined {
  const [, stage, partition] = TASK_KEY.exec(key) ?? [];
  return stage === undefined ? undefined : { stage: Number(stage), partition: Number(partition) };
}

/** A member's id is a token of subjects and of keys. */
const MEMBER_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** Throws `member_id_invalid`. */
export function checkMemberId(id: string): string {
  if (MEMBER_ID.test(id)) return id;
  throw new MillraceError(
    'member_id_invalid',
    `"${id}" is no name of a member: it has 1 to 64 of the letters A-Z, a-z, 0-9, "-" and "_".`,
  );
}

/** The bucket of a topology's cluster. */
export const clusterBucket = (topology: string): string => `millrace_${topology}`;

export const MEMBER_PREFIX = 'member.';
export const OWN_PREFIX = 'own.';

const memberName = z.string().regex(MEMBER_ID);
const taskName = z.string().regex(TASK_KEY);

const taskReport = z.object({
  role: z.enum(['owner', 'standby']),
  /** `ready`: it could go on as the owner now, or does. */
  state: z.enum(['opening', 'behind', 'ready', 'failed']),
  /** Last committed of its log. */
  position: z.int().nonnegative().optional(),
  lag_ms: z.number().nonnegative().nullable().optional(),
  /** The outside has everything that comes of its log up to here: whoever follows lets go of that. */
  settled: z.int().nonnegative().optional(),
  /** Code of what it failed with. */
  error: z.string().optional(),
});
/** How a task stands with a member. */
export type TaskReport = z.infer<typeof taskReport>;

const member = z.object({
  /** Another one after each start of the process. */
  incarnation: z.string().min(1),
  host: z.string(),
  version: z.string(),
  started_at: z.string(),
  /** Makes each renewal another value. */
  renewal: z.int(),
  tasks: z.record(taskName, taskReport),
  /** It is about to end: others go on with what it gives up. */
  leaving: z.literal(true).optional(),
});
/** What a process says of itself, each second. */
export type MemberRecord = z.infer<typeof member>;

const own = z.object({
  member: memberName,
  incarnation: z.string().min(1),
  state: z.enum(['owned', 'released']),
  /** Revision of the write that acquired it; absent in that write, which cannot know it. */
  epoch: z.int().positive().optional(),
});
/** Who has a task. */
export type OwnRecord = z.infer<typeof own>;

const placement = z.object({
  owner: memberName,
  standbys: z.array(memberName),
  /** Makes itself ready to be the owner. */
  next: memberName.optional(),
  /** Makes itself ready to take the place of a standby. */
  incoming: memberName.optional(),
});
/** Who should have a task. */
export type Placement = z.infer<typeof placement>;

const plan = z.object({
  /** Partitions of each stage. */
  layout: z.array(z.int().positive()),
  tasks: z.record(taskName, placement),
  /** Where an operator wants a task, by command. */
  pins: z.record(taskName, memberName),
  /** Members that are to have no tasks, by command. */
  drained: z.array(memberName),
});
/** The whole assignment is one value: each change of it is one compare-and-set, whoever plans. */
export type Plan = z.infer<typeof plan>;

export const PLAN_KEY = 'plan';

/** Each gives undefined for a value that is not one. */
export const readMember = (value: unknown): MemberRecord | undefined => member.safeParse(value).data;
export const readOwn = (value: unknown): OwnRecord | undefined => own.safeParse(value).data;
export const readPlan = (value: unknown): Plan | undefined => plan.safeParse(value).data;

/** The epoch of who owns a task: the revision of the acquiring write. */
export const epochOf = (record: OwnRecord, revision: number): number => record.epoch ?? revision;
