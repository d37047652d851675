import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { readAwaitedEvents } from '../../../analytics/index.ts';
import {
  type GapKind,
  isExact,
  type KvView,
  META_TABLE,
  MillraceError,
  readGaps,
  type SequenceRange,
  type StreamGap,
} from '../../../engine/index.ts';
import type { Definition, DefinitionKind, KeyTrust, KindDefinitions } from '../../../runtime/index.ts';
import { type ApiPorts, DEFAULT_TENANT, EVENTS_STREAM } from '../../http/index.ts';

/** Gaps that were resolved, of all tenants: records of an installation. */
const RESOLUTIONS_MAX = 10_000;

const resolutionSchema = z.strictObject({
  stream: z.string(),
  incarnation: z.string(),
  first: z.int(),
  last: z.int(),
  messages: z.int(),
  note: z.string(),
});
/** A gap of removed messages of which somebody said that it is dealt with. */
type GapResolution = z.output<typeof resolutionSchema>;

/** Signed: who can write the bucket must not be able to hide what was lost. */
export function resolutionKind(trust: KeyTrust): DefinitionKind<GapResolution> {
  return { kind: 'gap_resolution', schema: resolutionSchema, limit: RESOLUTIONS_MAX, trust };
}

/** Ranges of one record. */
const RANGES_MAX = 1_000;
const erasedSchema = z.strictObject({
  stream: z.string(),
  incarnation: z.string(),
  /** Of sequences, both ends inclusive. */
  ranges: z.array(z.tuple([z.int(), z.int()])).max(RANGES_MAX),
});
type ErasedRanges = z.output<typeof erasedSchema>;

/** Messages that were erased: they are gone, and nothing is lost. Signed, as resolutions are. */
export function erasedKind(trust: KeyTrust): DefinitionKind<ErasedRanges> {
  return { kind: 'erased_messages', schema: erasedSchema, limit: RESOLUTIONS_MAX, trust };
}

/** Keeps which messages of the stream of events were erased. */
export class ErasedMessages {
  readonly #records: KindDefinitions<ErasedRanges>;

  constructor(records: KindDefinitions<ErasedRanges>) {
    this.#records = records;
  }

  /**
   * Of one incarnation of the stream; repeats are harmless. The newest record with room is filled, so that records do
   * not grow with calls. Throws `limit_reached`, `kv_unavailable`.
   */
  async add(incarnation: string, sequences: readonly number[]): Promise<void> {
    let left = mergedRanges(sequences.map((sequence) => [sequence, sequence]));
    while (left.length > 0) {
      const room = this.#records
        .list(DEFAULT_TENANT)
        .findLast(({ body }) => body.incarnation === incarnation && body.ranges.length < RANGES_MAX);
      const before = room?.body.ranges ?? [];
      const some = left.slice(0, RANGES_MAX - before.length);
      const ranges = mergedRanges([...before, ...some]);
      if (room === undefined) {
        const body = { stream: EVENTS_STREAM, incarnation, ranges };
        await this.#records.create(DEFAULT_TENANT, { name: randomUUID(), body, created_by: 'erasure' });
      } else if (!(await this.#changed(room, ranges))) continue;
      left = left.slice(some.length);
    }
  }

  /** False where somebody else has changed the record meanwhile: nothing of theirs may be lost. */
  async #changed({ id, revision }: Definition<ErasedRanges>, ranges: Range[]): Promise<boolean> {
    try {
      await this.#records.patch(DEFAULT_TENANT, id, { ranges }, revision);
      return true;
    } catch (error) {
      if (error instanceof MillraceError && error.code === 'revision_conflict') return false;
      throw error;
    }
  }

  /** As resolutions of gaps. */
  get resolved(): readonly Resolved[] {
    return this.#records
      .list(DEFAULT_TENANT)
      .flatMap(({ body: { ranges, ...stream } }) =>
        ranges.map(([first, last]) => ({ ...stream, first, last, messages: last - first + 1 })),
      );
  }
}

type Range = ErasedRanges['ranges'][number];

/** By sequence, those that overlap or meet as one. */
function mergedRanges(ranges: readonly Range[]): Range[] {
  const merged: Range[] = [];
  for (const [first, end] of ranges.toSorted(([a], [b]) => a - b)) {
    const last = merged.at(-1);
    if (last !== undefined && last[1] >= first - 1) last[1] = Math.max(last[1], end);
    else merged.push([first, end]);
  }
  return merged;
}

type Resolved = Omit<GapResolution, 'note'>;

/** `not_rebuilt`: events that the state before this one had applied and that this one, built from the stream, lacks. */
export interface OpenGap extends Omit<StreamGap, 'kind' | 'node'> {
  readonly kind: GapKind | 'not_rebuilt';
}

function gapsIn(table: (id: string) => KvView): readonly OpenGap[] {
  const awaited = readAwaitedEvents(table);
  const gaps = readGaps(table(META_TABLE));
  if (awaited === undefined) return gaps;
  const { events: messages, found_at_ms: noticed_at_ms, ...range } = awaited;
  return [...gaps, { ...range, kind: 'not_rebuilt', messages, noticed_at_ms }];
}

/**
 * What is left of the gaps. Sequences of one incarnation of a stream are given once, so a message that was dealt with
 * stays so, however its gap has grown since. Of a gap that stands for several only its beginning can be told apart.
 */
export function openGaps(gaps: readonly OpenGap[], resolved: readonly Resolved[]): readonly OpenGap[] {
  return gaps.flatMap((gap) => {
    if (gap.kind !== 'removed' && gap.kind !== 'not_rebuilt') return [gap];
    const own = resolved.filter(
      ({ stream, incarnation }) => stream === gap.stream && incarnation === gap.incarnation,
    );
    if (gap.kind === 'not_rebuilt') {
      // It is given up as a whole, however many of its events have come since.
      return own.some(({ first, last }) => first === gap.first && last === gap.last) ? [] : [gap];
    }
    return isExact(gap) ? withoutRanges(gap, own) : withoutBeginning(gap, own);
  });
}

function withoutRanges(gap: OpenGap, resolved: readonly Resolved[]): readonly OpenGap[] {
  const whole = resolved.filter(({ first, last, messages }) => messages === last - first + 1);
  let left: readonly SequenceRange[] = [{ first: gap.first, last: gap.last }];
  for (const done of whole) {
    left = left.flatMap(({ first, last }) =>
      [
        { first, last: Math.min(last, done.first - 1) },
        { first: Math.max(first, done.last + 1), last },
      ].filter((piece) => piece.first <= piece.last),
    );
  }
  return left.map(({ first, last }) => ({ ...gap, first, last, messages: last - first + 1 }));
}

function withoutBeginning(gap: OpenGap, resolved: readonly Resolved[]): readonly OpenGap[] {
  const done = resolved
    .filter(
      ({ first, last, messages }) => first === gap.first && last <= gap.last && messages <= gap.messages,
    )
    .reduce<Resolved | undefined>((most, one) => (one.last > (most?.last ?? 0) ? one : most), undefined);
  if (done === undefined) return [gap];
  const messages = gap.messages - done.messages;
  return messages === 0 ? [] : [{ ...gap, first: done.last + 1, messages }];
}

/** The gaps of the state, and what of them was resolved. */
export class Gaps {
  readonly #ports: Pick<ApiPorts, 'reader'>;
  readonly #resolutions: KindDefinitions<GapResolution>;
  readonly #erased: Pick<ErasedMessages, 'resolved'>;

  constructor(
    ports: Pick<ApiPorts, 'reader'>,
    resolutions: KindDefinitions<GapResolution>,
    erased: Pick<ErasedMessages, 'resolved'>,
  ) {
    this.#erased = erased;
    this.#ports = ports;
    this.#resolutions = resolutions;
  }

  /** As they are now; empty before there is a state. */
  now(): { readonly open: readonly OpenGap[]; readonly messages: number; readonly resolved: number } {
    const all = this.#ports.reader()?.reader.snapshot(gapsIn) ?? [];
    const resolutions = this.#resolutions.list(DEFAULT_TENANT).map(({ body }) => body);
    const open = openGaps(all, [...resolutions, ...this.#erased.resolved]);
    const messages = messagesIn(open);
    return { open, messages, resolved: messagesIn(all) - messages };
  }

  /** Throws `name_taken` where another one does the same now, `limit_reached`, `kv_unavailable`. */
  async resolve(gap: OpenGap, note: string, created_by: string): Promise<void> {
    const { stream, incarnation, first, last, messages } = gap;
    await this.#resolutions.create(DEFAULT_TENANT, {
      name: `${stream} ${incarnation} ${first}-${last}`,
      body: { stream, incarnation, first, last, messages, note },
      created_by,
    });
  }
}

const messagesIn = (gaps: readonly OpenGap[]): number =>
  gaps.reduce((sum, { messages }) => sum + messages, 0);
