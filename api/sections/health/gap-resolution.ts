import { z } from 'zod';
import { isExact, META_TABLE, readGaps, type SequenceRange, type StreamGap } from '../../../engine/index.ts';
import type { DefinitionKind, KeyTrust, KindDefinitions } from '../../../runtime/index.ts';
import { type ApiPorts, DEFAULT_TENANT } from '../../http/index.ts';

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

type Resolved = Omit<GapResolution, 'note'>;

/**
 * What is left of the gaps. Sequences of one incarnation of a stream are given once, so a message that was dealt with
 * stays so, however its gap has grown since. Of a gap that stands for several only its beginning can be told apart.
 */
export function openGaps(gaps: readonly StreamGap[], resolved: readonly Resolved[]): readonly StreamGap[] {
  return gaps.flatMap((gap) => {
    if (gap.kind !== 'removed') return [gap];
    const own = resolved.filter(
      ({ stream, incarnation }) => stream === gap.stream && incarnation === gap.incarnation,
    );
    return isExact(gap) ? withoutRanges(gap, own) : withoutBeginning(gap, own);
  });
}

function withoutRanges(gap: StreamGap, resolved: readonly Resolved[]): readonly StreamGap[] {
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

function withoutBeginning(gap: StreamGap, resolved: readonly Resolved[]): readonly StreamGap[] {
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

  constructor(ports: Pick<ApiPorts, 'reader'>, resolutions: KindDefinitions<GapResolution>) {
    this.#ports = ports;
    this.#resolutions = resolutions;
  }

  /** As they are now; empty before there is a state. */
  now(): { readonly open: readonly StreamGap[]; readonly messages: number; readonly resolved: number } {
    const all = this.#ports.reader()?.reader.snapshot((table) => readGaps(table(META_TABLE))) ?? [];
    const resolutions = this.#resolutions.list(DEFAULT_TENANT).map(({ body }) => body);
    const open = openGaps(all, resolutions);
    const messages = messagesIn(open);
    return { open, messages, resolved: messagesIn(all) - messages };
  }

  /** Throws `name_taken` where another one does the same now, `limit_reached`, `kv_unavailable`. */
  async resolve(gap: StreamGap, note: string, created_by: string): Promise<void> {
    const { stream, incarnation, first, last, messages } = gap;
    await this.#resolutions.create(DEFAULT_TENANT, {
      name: `${stream} ${incarnation} ${first}-${last}`,
      body: { stream, incarnation, first, last, messages, note },
      created_by,
    });
  }
}

const messagesIn = (gaps: readonly StreamGap[]): number =>
  gaps.reduce((sum, { messages }) => sum + messages, 0);
