import { ByteReader, ByteWriter, type FurthestReached } from '../../engine/index.ts';
import type { FunnelResult } from '../../operators/index.ts';
import { bySegment, SEGMENT } from '../filters/index.ts';
import type { SelectedAttempts } from '../kept-attempts/index.ts';
import { bucketAt, QueryError, type TimeBuckets } from '../query/index.ts';
import { Durations, maxExactTimes } from './durations.ts';

/** Groups that are told apart in one query, also those that are answered as `__other__`. */
const MAX_GROUPS = 10_000;

/** Entities by the furthest step that they reached, from step 1 on. */
export interface StepCounts {
  readonly furthest: number[];
  /** Of these: whose window is not over. */
  readonly in_progress: number[];
}

/** The entities of a group. */
export interface GroupCounts extends StepCounts {
  /** JSON of the values; '' for entities of no group. */
  readonly key: string;
  /** By bucket of the entry. */
  readonly buckets: Map<number, StepCounts>;
  /** [0]: from the entry to the last step; [k]: from step k to the next one. */
  readonly times: readonly Durations[];
}

export function stepCounts(steps: number): StepCounts {
  return { furthest: zeros(steps), in_progress: zeros(steps) };
}

const zeros = (length: number): number[] => new Array<number>(length).fill(0);

export function groupCounts(key: string, steps: number): GroupCounts {
  const times = Array.from({ length: steps }, () => new Durations(maxExactTimes(steps)));
  return { key, ...stepCounts(steps), buckets: new Map(), times };
}

/** Counts entities, one after the other. */
export class FunnelCounter {
  readonly #steps: number;
  readonly #buckets: TimeBuckets | undefined;
  readonly #groups = new Map<string, GroupCounts>();
  /** Of a funnel without groups. */
  #only: GroupCounts | undefined;

  /** `buckets`: of the trend, where one is asked for. */
  constructor(steps: number, buckets: TimeBuckets | undefined) {
    this.#steps = steps;
    this.#buckets = buckets;
  }

  add({ furthest, status, times_ms, group = '' }: FunnelResult): void {
    const counts = groupOf(this.#groups, group, this.#steps);
    const entry_ms = times_ms[0] as number;
    count(counts, furthest, status === 'in_progress');
    if (this.#buckets !== undefined) {
      const bucket = bucketOf(counts, bucketAt(this.#buckets, entry_ms), this.#steps);
      count(bucket, furthest, status === 'in_progress');
    }
    for (let step = 1; step < furthest; step++)
      (counts.times[step] as Durations).add((times_ms[step] as number) - (times_ms[step - 1] as number));
    if (furthest === this.#steps)
      (counts.times[0] as Durations).add((times_ms[furthest - 1] as number) - entry_ms);
  }

  /**
   * An attempt of an entity, in a funnel without groups: `picks` has the places of its steps' times. It is in progress
   * where it began after `openAfter_ms` and did not convert.
   */
  addAttempt(times_ms: Float64Array, picks: Int32Array, furthest: number, openAfter_ms: number): void {
    this.#only ??= groupOf(this.#groups, '', this.#steps);
    const counts = this.#only;
    const entry_ms = times_ms[picks[0] as number] as number;
    const isOpen = furthest < this.#steps && entry_ms > openAfter_ms;
    count(counts, furthest, isOpen);
    if (this.#buckets !== undefined)
      count(bucketOf(counts, bucketAt(this.#buckets, entry_ms), this.#steps), furthest, isOpen);
    let last_ms = entry_ms;
    for (let step = 1; step < furthest; step++) {
      const time_ms = times_ms[picks[step] as number] as number;
      (counts.times[step] as Durations).add(time_ms - last_ms);
      last_ms = time_ms;
    }
    if (furthest === this.#steps) (counts.times[0] as Durations).add(last_ms - entry_ms);
  }

  /** Likewise, attempts that are kept. */
  addSelected(attempts: SelectedAttempts, openAfter_ms: number): void {
    this.#only ??= groupOf(this.#groups, '', this.#steps);
    const counts = this.#only;
    const [steps, buckets] = [this.#steps, this.#buckets];
    const { selected, entry_ms, reached } = attempts;
    for (let row = 0; row < selected; row++) {
      const furthest = reached[row] as number;
      const began_ms = entry_ms[row] as number;
      const isOpen = furthest < steps && began_ms > openAfter_ms;
      count(counts, furthest, isOpen);
      if (buckets !== undefined)
        count(bucketOf(counts, bucketAt(buckets, began_ms), steps), furthest, isOpen);
    }
    for (let step = 0; step < steps; step++) addTimes(counts.times[step] as Durations, step, steps, attempts);
  }

  /** Of a funnel without groups: where `FurthestAttempts` puts the times of the entities that `addReached` gets. */
  get times(): readonly Durations[] {
    return groupOf(this.#groups, '', this.#steps).times;
  }

  /** Attempts that began after `openAfter_ms` and did not convert are in progress. */
  addReached({ count: entities, reached, entry_ms }: FurthestReached, openAfter_ms: number): void {
    const counts = groupOf(this.#groups, '', this.#steps);
    for (let entity = 0; entity < entities; entity++) {
      const furthest = reached[entity] as number;
      if (furthest === 0) continue;
      const began_ms = entry_ms[entity] as number;
      const isOpen = furthest < this.#steps && began_ms > openAfter_ms;
      count(counts, furthest, isOpen);
      if (this.#buckets !== undefined)
        count(bucketOf(counts, bucketAt(this.#buckets, began_ms), this.#steps), furthest, isOpen);
    }
  }

  /** `isAll`: there is no other part of the answer, so that percentiles say all of the times. */
  bytes(isAll = false): Uint8Array {
    return bytesOf([...this.#groups.values()], this.#steps, isAll);
  }
}

/** Adds the times from a step to the next one; 0: from the entry to the last step. */
function addTimes(
  times: Durations,
  step: number,
  steps: number,
  { selected, reached, durations, durationsAt }: SelectedAttempts,
): void {
  const [first, end] = step === 0 ? [0, steps - 1] : [step - 1, step];
  const into = times.room(selected);
  let at = times.count;
  for (let row = 0; row < selected; row++) {
    if ((reached[row] as number) <= end) continue;
    const from = durationsAt[row] as number;
    let time_ms = durations[from + first] as number;
    for (let further = first + 1; further < end; further++) time_ms += durations[from + further] as number;
    if (into === undefined) times.add(time_ms);
    else into[at++] = time_ms;
  }
  if (into !== undefined) times.took(at - times.count);
}

function bytesOf(groups: readonly GroupCounts[], steps: number, isAll = false): Uint8Array {
  const writer = new ByteWriter().varint(steps).varint(groups.length);
  for (const { key, furthest, in_progress, buckets, times } of groups) {
    writer.string(key);
    writeCounts(writer, { furthest, in_progress });
    writer.varint(buckets.size);
    for (const [bucket, counts] of buckets) writeCounts(writer.varint(bucket), counts);
    for (const durations of times) {
      if (isAll) durations.writeRanks(writer);
      else durations.write(writer);
    }
  }
  return writer.copy();
}

function count({ furthest, in_progress }: StepCounts, reached: number, isOpen: boolean): void {
  (furthest[reached - 1] as number)++;
  if (isOpen) (in_progress[reached - 1] as number)++;
}

function groupOf(groups: Map<string, GroupCounts>, key: string, steps: number): GroupCounts {
  let counts = groups.get(key);
  if (counts === undefined) {
    if (groups.size === MAX_GROUPS) throw tooManyGroups();
    counts = groupCounts(key, steps);
    groups.set(key, counts);
  }
  return counts;
}

function bucketOf({ buckets }: GroupCounts, bucket: number, steps: number): StepCounts {
  let counts = buckets.get(bucket);
  if (counts === undefined) {
    counts = stepCounts(steps);
    buckets.set(bucket, counts);
  }
  return counts;
}

/** Partial counts up to which they are only put one behind the other. */
const MAX_LISTED_BYTES = 32 * 1_048_576;

/** Two of what `joinCounts` takes as one. */
export function mergeCounts(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = Buffer.concat([a, b]);
  if (both.length <= MAX_LISTED_BYTES) return both;
  const groups = joinCounts(both);
  return bytesOf(groups, groups[0]?.furthest.length ?? 0);
}

/** Adds what parts of a query gave, one after the other in `bytes`; they have different entities. */
export function joinCounts(bytes: Uint8Array | undefined): GroupCounts[] {
  const groups = new Map<string, GroupCounts>();
  if (bytes === undefined) return [];
  const reader = new ByteReader(bytes);
  while (reader.position < bytes.length) {
    const steps = reader.varint();
    for (let left = reader.varint(); left > 0; left--) {
      const into = groupOf(groups, reader.string(), steps);
      readCounts(reader, into);
      for (let buckets = reader.varint(); buckets > 0; buckets--)
        readCounts(reader, bucketOf(into, reader.varint(), steps));
      for (const durations of into.times) durations.addWritten(reader);
    }
  }
  return [...groups.values()];
}

/** The groups by one segment each: an entity of several segments counts in each of them. */
export function bySegments(
  groups: readonly GroupCounts[],
  group_by: readonly string[],
  custom: readonly string[],
): readonly GroupCounts[] {
  if (custom.includes(SEGMENT) || !group_by.includes(SEGMENT)) return groups;
  const split = new Map<string, GroupCounts>();
  for (const group of groups) {
    const steps = group.furthest.length;
    for (const key of keysOf(group.key, group_by, custom)) addGroup(groupOf(split, key, steps), group);
  }
  return [...split.values()];
}

/** The keys of the groups that an entity counts in, of the key with all its segments. */
export function keysOf(key: string, group_by: readonly string[], custom: readonly string[]): string[] {
  if (key === '') return [''];
  return bySegment(JSON.parse(key) as string[], group_by, custom).map((values) => JSON.stringify(values));
}

/** Adds a group to another one. */
export function addGroup(into: GroupCounts, from: GroupCounts): void {
  addCounts(into, from);
  for (const [bucket, counts] of from.buckets)
    addCounts(bucketOf(into, bucket, into.furthest.length), counts);
  for (const [at, durations] of into.times.entries()) durations.addAll(from.times[at] as Durations);
}

function addCounts(into: StepCounts, from: StepCounts): void {
  for (let at = 0; at < into.furthest.length; at++) {
    (into.furthest[at] as number) += from.furthest[at] as number;
    (into.in_progress[at] as number) += from.in_progress[at] as number;
  }
}

function writeCounts(writer: ByteWriter, { furthest, in_progress }: StepCounts): void {
  for (const value of [...furthest, ...in_progress]) writer.varint(value);
}

function readCounts(reader: ByteReader, { furthest, in_progress }: StepCounts): void {
  for (const counts of [furthest, in_progress])
    for (let at = 0; at < counts.length; at++) (counts[at] as number) += reader.varint();
}

function tooManyGroups(): QueryError {
  const message = `There are more than ${MAX_GROUPS} groups. Ask with fewer dimensions in group_by, or filters.`;
  return new QueryError('too_many_groups', message, [{ path: 'group_by', message }]);
}
